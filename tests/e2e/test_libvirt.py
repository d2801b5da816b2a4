"""A real libvirtd whose guests get their devices from netctl's hook, and speak to each other over them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.conftest import need
from tests.e2e.box import Box, Process
from tests.e2e.lab import Lab
from tests.e2e.qemu import MEMORY, OPTIONS, Guest, debian, write_initramfs

POLICY = """
version: 1
hosts:
  hv1:
    bridges:
      panel0: {datapath: netdev, ports: [veth0_b]}
    guests:
      vm1: {nics: {eth1: {mac: "52:54:00:74:e2:c3", device: tap, bridge: panel0, multi_queue: true}}}
      vm2: {nics: {eth1: {mac: "52:54:00:ab:0d:1a", device: macvtap, lower: veth0_a, allmulticast: true}}}
    links:
      veth0_a: {kind: veth, peer: veth0_b}
      veth0_b: {kind: veth, peer: veth0_a}
wires:
  - [vm1-eth1, veth0_b]
"""

LIBVIRTD = {
    "/etc/libvirt/qemu.conf": """
        user = "root"
        group = "root"
        security_driver = "none"
        namespaces = []
        cgroup_controllers = []
        stdio_handler = "file"
        dynamic_ownership = 0
        remember_owner = 0
        """,
    "/etc/libvirt/libvirtd.conf": """
        auth_unix_rw = "none"
        auth_unix_ro = "none"
        log_outputs = "2:file:/run/libvirtd.log"
        """,
}

DOMAIN = """
<domain type='qemu'>
  <name>NAME</name>
  METADATA
  <memory unit='MiB'>MEMORY</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>KERNEL</kernel><initrd>INITRD</initrd><cmdline>OPTIONS</cmdline>
  </os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <serial type='file'><source path='/run/NAME.log'/><target port='0'/></serial>
    <serial type='unix'><source mode='bind' path='/run/NAME.port'/><target port='1'/></serial>
    <memballoon model='none'/>
    INTERFACES
  </devices>
</domain>
"""

METADATA = "<metadata><netctl:nics xmlns:netctl='urn:netctl:libvirt'>NICS</netctl:nics></metadata>"
ETHERNET = "<interface type='ethernet'><mac address='MAC'/><target dev='DEV' managed='no'/></interface>"


class Libvirt:
    """libvirtd in a box, where the hook is installed."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.box = lab.box
        self.process: Process | None = None
        self.box.run(
            "mkdir -p /run/var/above /run/var/work /etc/libvirt\n"
            "mount -t overlay var -o lowerdir=/var,upperdir=/run/var/above,workdir=/run/var/work /var\n"
            "echo libvirt-qemu:x:64055:64055::/var/lib/libvirt:/bin/false >>/etc/passwd\n"
            "echo libvirt-qemu:x:64055: >>/etc/group"
        )
        for path, text in LIBVIRTD.items():
            self.box.path(path).write_text(dedent(text))
        lab.netctl("libvirt", "install-hook", "--policy", lab.policy, "--host", "hv1")

    def start(self) -> None:
        with open(self.box.path("/run/libvirtd.out"), "a") as said:
            self.process = self.box.popen(
                ["libvirtd", "-f", "/etc/libvirt/libvirtd.conf"], stdout=said, stderr=said
            )
        self.box.wait_for(lambda: self.virsh("list", check=False)[0] == 0, 60, "libvirtd to answer")

    def stop(self) -> None:
        """The guests go on."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(30)

    def virsh(self, *arguments: str, check: bool = True) -> tuple[int, str]:
        done = self.box.run(["virsh", "-c", "qemu:///system", *arguments], check=check, timeout=90)
        return done.returncode, done.stdout + done.stderr

    def create(self, name: str, interfaces: str, metadata: str = "", check: bool = True) -> tuple[int, str]:
        words = {
            "NAME": name,
            "METADATA": metadata,
            "MEMORY": str(MEMORY),
            "KERNEL": str(debian().vmlinux),
            "INITRD": write_initramfs(self.box),
            "OPTIONS": OPTIONS,
            "INTERFACES": interfaces,
        }
        text = DOMAIN
        for word in ("MEMORY", "METADATA", "KERNEL", "INITRD", "OPTIONS", "INTERFACES", "NAME"):
            text = text.replace(word, words[word])
        self.box.path(f"/run/{name}.xml").write_text(text)
        return self.virsh("create", f"/run/{name}.xml", check=check)

    def names(self) -> list[str]:
        return sorted(self.virsh("list", "--name")[1].split())


@pytest.fixture
def lab(box: Box) -> Lab:
    need("qemu-system-x86_64", "virsh", "libvirtd")
    return Lab(box)


@pytest.fixture
def libvirt(lab: Lab) -> Libvirt:
    lab.box.start_ovs()
    lab.apply(POLICY)
    libvirt = Libvirt(lab)
    libvirt.start()
    return libvirt


def links(box: Box) -> dict[str, str]:
    """The MAC of each device."""
    return {each["ifname"]: each["address"] for each in json.loads(box.run("ip -json link").stdout)}


def test_guests_on_a_tap_and_on_a_macvtap_reach_each_other(libvirt: Libvirt) -> None:
    box, lab = libvirt.box, libvirt.lab
    box.run("ip link del vm1-eth1; ip link del vm2-eth1; ip link del veth0_a")
    for guest in ("vm1", "vm2"):
        libvirt.create(guest, lab.netctl("libvirt", "xml", guest, lab.policy).stdout)
    macs = links(box)
    assert macs["vm1-eth1"] == "fe:54:00:74:e2:c3"
    assert macs["vm2-eth1"] == "52:54:00:ab:0d:1a"
    vm1, vm2 = Guest(box, "vm1"), Guest(box, "vm2")
    for guest, address in ((vm1, "10.1.0.1/24"), (vm2, "10.1.0.2/24")):
        guest.wait()
        guest.run(f"ip link set eth0 up; ip addr add {address} dev eth0")
    assert vm1.pings("10.1.0.2")
    assert vm2.pings("10.1.0.1")
    for server, client, at in ((vm1, vm2, "10.1.0.1"), (vm2, vm1, "10.1.0.2")):
        server.run("mkdir /tmp/www; dd if=/dev/urandom of=/tmp/www/a bs=1024 count=256; httpd -p 80 -h /tmp/www")
        got = client.run(f"timeout 30 wget -q -O - http://{at}/a | sha1sum", timeout=60)
        assert got == server.run("sha1sum </tmp/www/a")

    # A hook that fails at `reconnect` would end the guests of a libvirtd that starts.
    libvirt.stop()
    lab.write("no: policy\n")
    libvirt.start()
    assert libvirt.names() == ["vm1", "vm2"]
    assert vm1.pings("10.1.0.2")

    libvirt.virsh("destroy", "vm1")
    libvirt.virsh("destroy", "vm2")
    assert {"vm1-eth1", "vm2-eth1", "veth0_a"} <= links(box).keys(), "the devices of the policy stay"
    lab.write(POLICY)
    plan = json.loads(lab.netctl("plan", lab.policy, "--json").stdout)
    assert not plan["devices"]["steps"], plan


def test_devices_from_a_domains_metadata_come_and_go_with_it(libvirt: Libvirt) -> None:
    box = libvirt.box
    box.run("ip link add br9 type bridge; ip link set br9 up; ip link add low type dummy || ip link add low type ifb")
    nics = (
        "<netctl:nic name='vm9-eth0' device='tap' master='br9'/>"
        "<netctl:nic name='vm9-eth1' device='macvtap' lower='low' allmulticast='yes'/>"
    )
    interfaces = "".join(
        ETHERNET.replace("MAC", mac).replace("DEV", dev)
        for dev, mac in (("vm9-eth0", "52:54:00:00:09:00"), ("vm9-eth1", "52:54:00:00:09:01"))
    )
    before = links(box)
    libvirt.create("vm9", interfaces, METADATA.replace("NICS", nics))
    made = {name: mac for name, mac in links(box).items() if name not in before}
    assert made == {"vm9-eth0": "fe:54:00:00:09:00", "vm9-eth1": "52:54:00:00:09:01"}
    assert json.loads(box.run("ip -json link show vm9-eth0").stdout)[0]["master"] == "br9"
    libvirt.lab.netctl("apply", libvirt.lab.policy)
    assert made.keys() <= links(box).keys(), "they are not the policy's to remove"
    said = libvirt.lab.netctl("doctor", libvirt.lab.policy, "--json", check=False).stdout
    stale = [each for each in json.loads(said)["findings"] if each["check"] == "stale-devices"]
    assert not stale, "they are not left behind either"
    assert "hv1:" in libvirt.lab.netctl("export").stdout, "and name no other host"
    libvirt.virsh("destroy", "vm9")
    assert links(box).keys() == before.keys()


def test_a_guest_whose_devices_cannot_be_made_does_not_start(libvirt: Libvirt) -> None:
    box, lab = libvirt.box, libvirt.lab
    xml = lab.netctl("libvirt", "xml", "vm2", lab.policy).stdout
    code, said = libvirt.create("vm2", xml.replace("52:54:00:ab:0d:1a", "52:54:00:ab:0d:1b"), check=False)
    assert code
    assert "vm2-eth1 is a macvtap with the MAC 52:54:00:ab:0d:1a" in said
    box.run("ip link del vm1-eth1; ip link add vm1-eth1 type bridge")
    code, said = libvirt.create("vm1", lab.netctl("libvirt", "xml", "vm1", lab.policy).stdout, check=False)
    assert code
    assert "vm1-eth1 is there already and netctl did not make it" in said
    one = f"<domain><name>vm1</name><devices>{ETHERNET.replace('DEV', 'vm1-eth1')}</devices></domain>"
    hook = ["/etc/libvirt/hooks/qemu.d/netctl", "vm1", "prepare", "begin", "-"]
    done = box.run(hook, input=one, check=False)
    assert done.returncode == 1
    assert "vm1-eth1 is made for several queues, and the domain's <interface> asks for 1" in done.stderr
    assert libvirt.names() == []


HOOK = [sys.executable, "-m", "netctl.cli", "libvirt", "hook"]
TIMED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[2:], stdin=open(sys.argv[1]))
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(done.returncode, used.ru_utime + used.ru_stime)
"""


def test_the_hook_is_quick(lab: Lab) -> None:
    """Processor time: the wall's depends on who else is at work. The first call reads the policy."""
    box = lab.box
    lab.write(POLICY)
    box.path("/run/vm2.xml").write_text("<domain><name>vm2</name></domain>")
    command = [*HOOK, "--policy", lab.policy, "--host", "hv1", "--", "vm2", "prepare", "begin", "-"]
    took = []
    for _ in range(4):
        box.run("ip link del veth0_a 2>/dev/null || true")
        code, seconds = box.python(TIMED, "/run/vm2.xml", *command).stdout.split()
        assert code == "0"
        assert "vm2-eth1" in links(box)
        took.append(float(seconds))
    assert min(took[1:]) < 0.3, took


LOADED = """
import sys
from netctl.libvirt.hook import run
name, policy = sys.argv[1:]
code = run([name, "prepare", "begin", "-"], policy, None, lambda: f"<domain><name>{name}</name></domain>")
print(code, *({"pydantic", "pyroute2", "netctl.policy"} & sys.modules.keys()))
"""


def test_the_agent_reads_the_policy_for_the_hook(lab: Lab) -> None:
    """What takes a hook too long to load is not loaded, right after a change of the policy either."""
    lab.write(POLICY)
    lab.box.run("mkdir -p /etc/libvirt")
    lab.netctl("libvirt", "install-hook", "--policy", lab.policy)
    lab.agent()
    kept = lab.box.path("/run/netctl/libvirt.json")
    lab.box.wait_for(lambda: "vm2-eth1" in kept.read_text(), 20, "the agent to keep what the hook needs")
    assert lab.box.python(LOADED, "vm2", lab.policy).stdout == "0\n"
    lab.write(POLICY.replace("vm2:", "vm3:"))
    lab.box.wait_for(lambda: "vm3-eth1" in kept.read_text(), 20, "the agent to keep what has changed")
    assert lab.box.python(LOADED, "vm3", lab.policy).stdout == "0\n"
    assert "vm3-eth1" in links(lab.box)


def test_other_operations_do_nothing_and_are_well(lab: Lab) -> None:
    lab.write("no: policy\n")
    for operation in ("reconnect begin -", "start begin -", "started begin -", "stopped end -", "brandnew thing x", ""):
        words = ["vm1", *operation.split()]
        done = lab.box.run([*HOOK, "--policy", lab.policy, "--", *words], input="<not xml")
        assert (done.stdout, done.stderr) == ("", "")


def test_a_wrong_policy_stops_those_who_need_it_and_nobody_else(lab: Lab) -> None:
    lab.write("no: policy\n")
    hook = [*HOOK, "--policy", lab.policy, "--"]
    done = lab.box.run([*hook, "other", "prepare", "begin", "-"], input="<domain><name>other</name></domain>")
    assert done.stderr == ""
    needing = f"<domain><name>vm1</name><devices>{ETHERNET.replace('DEV', 'vm1-eth1')}</devices></domain>"
    done = lab.box.run([*hook, "vm1", "prepare", "begin", "-"], input=needing, check=False)
    assert done.returncode == 1
    assert "policy.yaml:1:1" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_hook_is_installed_once_and_taken_away(lab: Lab, tmp_path: Path) -> None:
    hook = tmp_path / "qemu.d" / "netctl"
    for _ in range(2):
        assert str(hook) in lab.netctl("libvirt", "install-hook", "--folder", str(tmp_path)).stdout
    assert hook.stat().st_mode & 0o777 == 0o755
    assert lab.box.run([hook, "vm1", "reconnect", "begin", "-"]).stdout == ""
    lab.netctl("libvirt", "install-hook", "--folder", str(tmp_path), "--remove")
    assert not hook.exists()
    hook.write_text("#!/bin/sh\n# somebody else's\n")
    done = lab.netctl("libvirt", "install-hook", "--folder", str(tmp_path), check=False)
    assert done.returncode == 1
    assert "netctl did not make it" in done.stderr
    lab.netctl("libvirt", "install-hook", "--folder", str(tmp_path), "--remove")
    assert hook.exists()

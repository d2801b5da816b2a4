"""Real guests: QEMU without KVM, Debian's kernel, and an initramfs with busybox and lldpd that is made here.

A guest runs what a test asks for, a line at a time, over its second serial port.
"""

from __future__ import annotations

import itertools
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from tests.conftest import missing, need
from tests.e2e.box import ROOT, Box, Process

sys.path.append(str(ROOT / "scripts" / "lab"))

from initramfs import archive
from initramfs import modules as modules_of
from missing import Missing
from package import Kernel, kernel

CACHE = Path.home() / ".cache" / "netctl" / "kernel-lab"
MODULES = ("virtio_pci", "virtio_net", "bridge")
OPTIONS = "console=ttyS0 quiet panic=-1 net.ifnames=0 mitigations=off init_on_alloc=0"
FOLDERS = ("dev", "proc", "sys", "modules", "bin", "etc", "run", "run/lldpd", "tmp")
MEMORY = 256
"""MiB"""
BOOT_SECONDS = 60.0
"""On a busy machine; 3 where there is nothing else to do."""

INIT = """#!/busybox sh
/busybox --install -s /bin
export PATH=/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for each in /modules/*; do insmod "$each"; done
ip link set lo up
stty -F /dev/ttyS1 raw -echo
exec 3<>/dev/ttyS1
while read -r line <&3; do
  sh -c "$line" </dev/null >/tmp/out 2>&1
  code=$?
  cat /tmp/out >&3
  printf '\\001%d\\n' $code >&3
done
"""
"""Each line is a command; its output is followed by a byte 1, its exit code, and a line feed."""

PASSWD = "root:x:0:0::/:/bin/sh\n_lldpd:x:100:100::/run/lldpd:/bin/false\n"
GROUP = "root:x:0:\n_lldpd:x:100:\n"


class GuestError(AssertionError):
    """A command failed inside, or did not end."""


@dataclass(frozen=True)
class Nic:
    """What is behind a guest's NIC on the host."""

    device: str
    mac: str
    plain: bool = False
    """Without what a virtio NIC leaves to the host."""

    @staticmethod
    def of(element: ElementTree.Element) -> Nic:
        """As an <interface> of libvirt's says."""
        target, mac, host = element.find("target"), element.find("mac"), element.find("driver/host")
        assert target is not None
        assert mac is not None
        return Nic(target.get("dev", ""), mac.get("address", ""), host is not None and host.get("csum") == "off")


@cache
def debian() -> Kernel:
    """The kernel that scripts/kernel-lab has, kept from being cleared away as long as the tests run."""
    need("qemu-system-x86_64", "apt-get", "depmod")
    try:
        return kernel(CACHE)
    except Missing as error:
        missing(str(error))
        raise


@cache
def initramfs(*programs: str) -> bytes:
    """With `programs` and the libraries that they are linked with, beside busybox."""
    lab = debian()
    files = {
        "init": INIT.encode(),
        "busybox": lab.busybox.read_bytes(),
        "etc/passwd": PASSWD.encode(),
        "etc/group": GROUP.encode(),
        **modules_of(lab.modules, MODULES),
    }
    for program in programs:
        path = shutil.which(program, path="/usr/sbin:/usr/bin")
        assert path is not None
        for each in (path, *_libraries(path)):
            files[each.lstrip("/")] = Path(each).read_bytes()
    folders = dict.fromkeys(FOLDERS)
    for name in files:
        folders |= dict.fromkeys(str(each) for each in reversed(Path(name).parents[:-1]))
    return archive(files, folders)


def _libraries(program: str) -> list[str]:
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    words = (line.split() for line in said.splitlines())
    return [word for line in words for word in line if word.startswith("/")]


def write_initramfs(box: Box, *programs: str) -> str:
    """The path in the box of a file with it."""
    path = f"/run/guest-{'-'.join(('busybox', *programs))}.cpio"
    file = box.path(path)
    if not file.exists():
        file.write_bytes(initramfs(*programs))
    return path


class Guest:
    """A machine that runs: its first serial port goes to /run/NAME.log in the box, the second is a Unix socket,
    /run/NAME.port."""

    def __init__(self, box: Box, name: str) -> None:
        self.name = name
        self._log = box.path(f"/run/{name}.log")
        self._port = box.path(f"/run/{name}.port")
        self._socket = socket.socket(socket.AF_UNIX)
        self._heard = b""

    def wait(self, seconds: float = BOOT_SECONDS) -> None:
        """Until it has booted and answers. What is said to a port that nobody listens to yet is lost, so it is asked
        again and again."""
        end = time.monotonic() + seconds
        while True:
            with suppress(OSError):
                self._socket.connect(str(self._port))
                break
            if time.monotonic() > end:
                raise GuestError(f"{self.name} has no serial port after {seconds} s: {self.said()}")
            time.sleep(0.05)
        for number in itertools.count():
            self._socket.sendall(f"\necho here {number}\n".encode())
            with suppress(TimeoutError):
                self._until(f"here {number}\n\1".encode(), 0.5)
                self._until(b"\n", 5)
                return
            if time.monotonic() > end:
                raise GuestError(f"{self.name} does not answer after {seconds} s: {self.said()}")

    def run(self, command: str, *, check: bool = True, timeout: float = 30) -> str:
        """What a line of shell says. Raises GuestError where it fails or does not end."""
        self._socket.sendall(command.encode() + b"\n")
        try:
            out = self._until(b"\1", timeout)
            code = int(self._until(b"\n", timeout))
        except TimeoutError:
            raise GuestError(f"{self.name}: {command!r} took over {timeout} s: {self.said()}") from None
        text = out.decode(errors="replace")
        if check and code:
            raise GuestError(f"{self.name}: {command!r} exited {code}\n{text}")
        return text

    def pings(self, address: str, tries: int = 20) -> bool:
        """Whether `address` answers at last."""
        told = self.run(f"for i in $(seq {tries}); do ping -c1 -W1 {address} && break; done", check=False, timeout=60)
        return " 0% packet loss" in told

    def said(self) -> str:
        """The end of what the kernel said."""
        with suppress(OSError):
            return self._log.read_text(errors="replace")[-2000:]
        return "nothing"

    def close(self) -> None:
        self._socket.close()

    def _until(self, end: bytes, seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        while end not in self._heard:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            data = self._socket.recv(65536)
            if not data:
                raise GuestError(f"{self.name} has ended: {self.said()}")
            self._heard += data
        before, _, self._heard = self._heard.partition(end)
        return before


@contextmanager
def running(box: Box, initrd: str, **nics: Sequence[Nic]) -> Iterator[list[Guest]]:
    """A guest for each of `nics`, by its name, booted and answering."""
    processes: list[Process] = []
    guests = []
    try:
        for name, behind in nics.items():
            processes.append(_start(box, name, initrd, behind))
            guests.append(Guest(box, name))
        for guest in guests:
            guest.wait()
        yield guests
    finally:
        for guest in guests:
            guest.close()
        for process in processes:
            process.kill()
            process.wait()


def _start(box: Box, name: str, initrd: str, nics: Sequence[Nic]) -> Process:
    lab = debian()
    command = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", str(MEMORY)]
    command += ["-nodefaults", "-display", "none", "-no-reboot"]
    command += ["-kernel", str(lab.vmlinux), "-initrd", initrd, "-append", OPTIONS]
    command += ["-serial", f"file:/run/{name}.log", "-serial", f"unix:/run/{name}.port,server=on,wait=off"]
    opens = []
    for number, nic in enumerate(nics):
        node = macvtap_node(box, nic.device)
        if node:
            descriptor = 10 + number
            opens.append(f"exec {descriptor}<>{node};")
            command += ["-netdev", f"tap,id=n{number},fd={descriptor}"]
        else:
            command += ["-netdev", f"tap,id=n{number},ifname={nic.device},script=no,downscript=no"]
        features = PLAIN if nic.plain else ""
        command += ["-device", f"virtio-net-pci,netdev=n{number},mac={nic.mac},romfile={features}"]
    with open(box.path(f"/run/{name}.qemu"), "w") as said:
        return box.popen(f"{' '.join(opens)} exec {shlex.join(command)}", stdout=said, stderr=said)


PLAIN = "".join(
    f",{each}=off"
    for each in (
        *("csum", "gso", "host_tso4", "host_tso6", "host_ecn", "host_ufo"),
        *("guest_csum", "guest_tso4", "guest_tso6", "guest_ecn", "guest_ufo"),
    )
)


def macvtap_node(box: Box, device: str) -> str:
    """A character device for a macvtap, "" for what is none. Those in /dev are the machine's."""
    said = box.run(f"cat /sys/class/net/{device}/tap*/dev 2>/dev/null || true").stdout.strip()
    if not said:
        return ""
    major, minor = said.split(":")
    node = f"/run/macvtap-{major}-{minor}"
    box.run(f"[ -e {node} ] || mknod -m 600 {node} c {major} {minor}")
    return node

"""The lab's machine: netctl in this process, which saves starting Python again and again on a slow processor."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from netctl.cli.main import cli

RUN = "/run/openvswitch"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
POLICY = Path("/run/policy.yaml")
NAMESPACES = Path("/run/netns")


class Host:
    def __init__(self) -> None:
        os.environ.update(OVS_RUNDIR=RUN, OVS_DBDIR=RUN, OVS_LOGDIR=RUN)

    def sh(self, command: str, check: bool = True) -> str:
        """What a piece of shell says. AssertionError with all of it when it fails."""
        done = subprocess.run(
            ["bash", "-ec", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"{command}\nexited {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def netctl(self, *arguments: str, code: int = 0) -> str:
        """What `netctl` says, which must exit with `code`."""
        done: Result = CliRunner().invoke(cli, list(arguments))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, f"netctl {' '.join(arguments)} exited {done.exit_code}\n{done.output}"
        return done.output

    def apply(self, policy: str) -> str:
        """What `netctl apply` says of `policy`, after which a second plan is empty."""
        POLICY.write_text(policy)
        said = self.netctl("apply", str(POLICY))
        self.netctl("plan", str(POLICY), "--exit-code")
        return said

    def mends(self, *harms: str) -> None:
        """Each harm, a piece of shell, adds something to the plan; they are then mended all at once."""
        before = ""
        for harm in harms:
            self.sh(harm)
            said = self.netctl("plan", str(POLICY), "--exit-code", code=1)
            assert len(said) > len(before), f"{harm} is not seen:\n{said}"
            before = said
        self.netctl("apply", str(POLICY))
        self.netctl("plan", str(POLICY), "--exit-code")

    def down(self) -> None:
        """`netctl down` leaves nothing: no device, no namespace, and so no bridge of the kernel's datapath."""
        self.netctl("down")
        assert self.left() == []

    def left(self) -> list[str]:
        """What is here that is not on a machine just started."""
        names = sorted({*os.listdir("/sys/class/net")} - {"lo", "ovs-system", "bonding_masters"})
        return [*names, *(os.listdir(NAMESPACES) if NAMESPACES.exists() else [])]

    def clear(self) -> None:
        """Back to a machine just started, by other means than netctl's."""
        if not self.left():
            return
        self.sh(
            f"[ ! -e {RUN}/db.sock ] || for each in $(ovs-vsctl list-br); do ovs-vsctl del-br $each; done\n"
            "ip -all netns delete\n"
            f"for each in {' '.join(self.left())}; do ip link del $each 2>/dev/null || true; done"
        )
        assert self.wait_for(lambda: not self.left(), 10), f"left behind: {self.left()}"

    def links(self, netns: str) -> Any:
        """What `ip` tells of the devices in a namespace."""
        return json.loads(self.sh(f"ip -n {netns} -j link"))

    def link(self, name: str, netns: str = "") -> Any:
        """What `ip` tells of a device; None where there is none."""
        where = f"-n {netns} " if netns else ""
        text = self.sh(f"ip {where}-d -j link show dev {name} 2>/dev/null || true")
        return json.loads(text)[0] if text.strip() else None

    def data(self, name: str, netns: str = "") -> Any:
        """What `ip` tells of what only devices of its kind have."""
        return self.link(name, netns)["linkinfo"]["info_data"]

    def counters(self, name: str) -> tuple[int, int]:
        """Frames in and out."""
        folder = Path("/sys/class/net", name, "statistics")
        return int((folder / "rx_packets").read_text()), int((folder / "tx_packets").read_text())

    def ping(self, netns: str, address: str, within: float = 5) -> bool:
        """Whether an echo comes back, tried for `within` seconds; 0: once."""
        command = f"ip netns exec {netns} ping -q -c1 -W1 {address}"
        return self.wait_for(lambda: not subprocess.call(command.split(), stdout=subprocess.DEVNULL), within)

    def wait_for(self, condition: Callable[[], Any], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def start_ovs(self) -> None:
        Path(RUN).mkdir()
        # Open vSwitch 3.1 believes that there is no processor, and handles no packet, while the monotonic clock is
        # below 10 s, as it is just after the start of a machine.
        self.sh(
            f"ovsdb-tool create {RUN}/conf.db {SCHEMA}\n"
            "daemon='--pidfile --detach --no-chdir --log-file -vconsole:off'\n"
            f"ovsdb-server {RUN}/conf.db --remote=punix:{RUN}/db.sock $daemon\n"
            "ovs-vsctl --no-wait init\n"
            "unshare -T --monotonic 100 ovs-vswitchd $daemon"
        )

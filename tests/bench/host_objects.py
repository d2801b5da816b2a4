"""1 000 taps and 200 namespaces with a veth each: made, verified, removed, against `ip -batch`; and how fast a lost
tap is made again.

Run as root: python -m tests.bench.host_objects. By `ip` is one `ip -batch` for the host, one for each namespace, and
`ethtool` for the checksum offload of each device, which `ip` cannot set; it verifies nothing.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from netctl import rundir
from netctl.desired.device import Device, plan_host
from netctl.desired.host import devices
from netctl.kernel import Host
from netctl.kernel.events import BUFFER, RTNLGRP_LINK, SO_RCVBUFFORCE
from netctl.kernel.rtnl import NETLINK_ROUTE, RTM_DELLINK, RTM_NEWLINK, Link, messages, read_link
from netctl.plan import Plan
from netctl.policy import Loaded, load
from tests.e2e.box import Box

TAPS, ROOMS = 1000, 200
ROUNDS = 3
LOSSES = 20
POLICY = Path("/run/policy.yaml")


def policy(taps: int, rooms: int) -> str:
    lines = ["version: 1", "hosts:", "  hv1:", "    bridges: {ovbr0: {datapath: netdev}}", "    guests:"]
    for number in range(rooms):
        nic = f"{{device: veth, bridge: ovbr0, mtu: 9000, addresses: [10.1.{number}.1/24]}}"
        lines.append(f"      r{number}: {{namespace: true, nics: {{eth0: {nic}}}}}")
    for number in range(taps):
        nic = f'{{device: tap, bridge: ovbr0, mtu: 9000, mac: "52:54:00:00:{number >> 8:02x}:{number & 255:02x}"}}'
        lines.append(f"      t{number}: {{nics: {{eth0: {nic}}}}}")
    return "\n".join(lines) + "\n"


def timed(what: Callable[[], object]) -> float:
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


def by_netctl(loaded: Loaded) -> dict[str, float]:
    wanted = devices(loaded, "hv1")
    items = [each.item for each in wanted]

    def plan(host: Host) -> Plan[Device]:
        return plan_host(wanted, host.observe(items))

    def make() -> None:
        with Host("hv1") as host:
            outcome = host.apply(plan(host))
            assert outcome.ok, outcome.error
            assert len(outcome.done) == TAPS + 3 * ROOMS

    def verify() -> None:
        with Host("hv1") as host:
            again = plan(host)
            assert not again, again

    def remove() -> None:
        with Host("hv1") as host:
            outcome = host.apply(plan_host([], host.observe()))
            assert outcome.ok, outcome.error
            assert not host.observe()

    return {"make": timed(make), "verify": timed(verify), "remove": timed(remove)}


def by_ip() -> dict[str, float]:
    def batch(text: str, *options: str) -> None:
        subprocess.run(["ip", *options, "-batch", "-"], input=text, text=True, check=True)

    def make() -> None:
        lines = []
        for number in range(ROOMS):
            lines += [
                f"netns add r{number}",
                f"link add r{number}-eth0 mtu 9000 type veth peer name eth0 mtu 9000 netns r{number}",
                f"link set r{number}-eth0 alias netctl:hv1 group 7 up",
            ]
        for number in range(TAPS):
            mac = f"fe:54:00:00:{number >> 8:02x}:{number & 255:02x}"
            lines += [
                f"tuntap add dev t{number}-eth0 mode tap",
                f"link set t{number}-eth0 address {mac} mtu 9000 alias netctl:hv1 group 7 up",
            ]
        batch("\n".join(lines) + "\n")
        for number in range(ROOMS):
            inside = f"link set lo up\naddr add 10.1.{number}.1/24 dev eth0\nlink set eth0 up\n"
            batch(inside, "-n", f"r{number}")

    def offloads() -> None:
        script = "\n".join(
            [f"ethtool -K t{number}-eth0 tx off || :" for number in range(TAPS)]
            + [f"ethtool -K r{number}-eth0 tx off" for number in range(ROOMS)]
            + [f"ip netns exec r{number} ethtool -K eth0 tx off" for number in range(ROOMS)]
        )
        subprocess.run(["sh", "-e"], input=script, text=True, check=True, capture_output=True)

    def remove() -> None:
        batch("link del group 7\n" + "".join(f"netns del r{number}\n" for number in range(ROOMS)))

    return {"make": timed(make), "offloads": timed(offloads), "remove": timed(remove)}


class Announcements:
    """What the kernel announces about devices, and when."""

    def __enter__(self) -> Announcements:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self._socket.bind((0, 1 << RTNLGRP_LINK - 1))
        self._waiting: list[tuple[float, int, Link]] = []
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def gone(self, name: str) -> float:
        return self._at(lambda kind, link: kind == RTM_DELLINK and link.name == name)

    def back(self, name: str) -> float:
        return self._at(lambda kind, link: kind == RTM_NEWLINK and link.name == name and link.up and link.alias)

    def _at(self, condition: Callable[[int, Link], object]) -> float:
        """When the first announcement came that fulfils the condition; earlier ones are dropped."""
        while True:
            for number, (moment, kind, link) in enumerate(self._waiting):
                if condition(kind, link):
                    del self._waiting[: number + 1]
                    return moment
            data = self._socket.recv(1 << 16)
            now = time.perf_counter()
            self._waiting = [(now, kind, read_link(body)) for kind, _, _, body in messages(data)]


def repairs() -> list[float]:
    """Seconds from the announcement that a tap is gone until the one that it is there again, marked and up, by an
    agent that has settled."""
    command = [sys.executable, "-m", "netctl.cli", "agent", "--policy", str(POLICY)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as agent:
        try:
            while not (rundir.read_json("agent-hv1") or {}).get("converged"):
                time.sleep(0.1)
            time.sleep(1)
            took = []
            for number in range(LOSSES):
                name = f"t{number}-eth0"
                with Announcements() as heard, subprocess.Popen(["ip", "link", "del", name]):
                    start = heard.gone(name)
                    took.append(heard.back(name) - start)
                time.sleep(0.5)
            return sorted(took)
        finally:
            agent.terminate()
            agent.wait()


def inside() -> None:
    POLICY.write_text(policy(TAPS, ROOMS))
    loaded = load(POLICY)
    assert loaded.policy, loaded.problems
    print(f"{TAPS} taps and {ROOMS} namespaces with a veth each, seconds, best of {ROUNDS}:")
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    for _ in range(ROUNDS):
        ours.append(by_netctl(loaded))
        theirs.append(by_ip())
    mine = {key: min(each[key] for each in ours) for key in ours[0]}
    ip = {key: min(each[key] for each in theirs) for key in theirs[0]}
    whole = ip["make"] + ip["offloads"]
    print(f"  make    netctl {mine['make']:.2f}  ip -batch {ip['make']:.2f} and ethtool {ip['offloads']:.2f}"
          f"  ratio {mine['make'] / whole:.2f}")
    print(f"  verify  netctl {mine['verify']:.2f}  (a second plan: empty)")
    print(f"  remove  netctl {mine['remove']:.2f}  ip -batch {ip['remove']:.2f}"
          f"  ratio {mine['remove'] / ip['remove']:.2f}")
    for taps, rooms in ((20, 2), (TAPS, ROOMS)):
        POLICY.write_text(policy(taps, rooms))
        took = repairs()
        print(f"  a lost tap is back, of {taps} taps and {rooms} namespaces: "
              f"median {took[len(took) // 2] * 1000:.0f} ms, worst {took[-1] * 1000:.0f} ms")


def main() -> None:
    if sys.argv[1:] == ["inside"]:
        inside()
        return
    with Box() as box:
        print(box.run([sys.executable, "-m", "tests.bench.host_objects", "inside"], timeout=600).stdout, end="")


if __name__ == "__main__":
    main()

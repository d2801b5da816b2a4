"""50 000 wires at once: from the parsed policy to the switch's confirmation, and read back with nothing to do.

    python -m tests.bench.all_wires [WIRES]

Against `ovs-ofctl --bundle add-flows` of the same flows from a file, and against the same flows as the FlowMod
messages that an application of the engine (Ryu or os-ken) would build and send, with one barrier. All begin from an
empty bridge and include their connection. Medians of five, in turns. Needs root and Open vSwitch.
"""

from __future__ import annotations

import gc
import socket
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from netctl.controller.planning import Panel
from netctl.controller.table import Table
from netctl.desired.flow import Flow, Output, SetVlan
from netctl.openflow import engine, frame
from netctl.openflow.local import LocalSwitch
from netctl.policy import Loaded, loads
from tests.bench.many import policy, ports
from tests.e2e.box import Box

ROUNDS = 5


def table(loaded: Loaded, numbers: dict[str, int]) -> Table:
    made = Table(Panel(loaded), "hv1", "br0")
    made.use(numbers)
    return made


def ours(path: Path, loaded: Loaded, numbers: dict[str, int]) -> None:
    made = table(loaded, numbers)
    made.read([])
    plan = made.plan()
    with LocalSwitch(path) as switch:
        changed = switch.change(plan)
    assert changed.ok, changed.errors[:3]


def again(path: Path, loaded: Loaded, numbers: dict[str, int]) -> None:
    """What a controller does that comes back: read all, compare all, and there is nothing to do."""
    made = table(loaded, numbers)
    with LocalSwitch(path) as switch:
        made.read(switch.flows())
    assert not made.plan()


def engines(path: Path, flows: list[Flow]) -> None:
    """The same flows as the engine's own messages."""
    proto, parser = engine.ofproto_v1_3, engine.module("ofproto.ofproto_v1_3_parser")
    datapath = engine.module("ofproto.ofproto_protocol").ProtocolDesc(proto.OFP_VERSION)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(frame.hello(1))
        for flow in flows:
            fields = {"in_port": flow.match.in_port, "vlan_vid": flow.match.vlan and flow.match.vlan | 0x1000}
            match = parser.OFPMatch(**{key: value for key, value in fields.items() if value is not None})
            actions = [
                parser.OFPActionOutput(each.port)
                if isinstance(each, Output)
                else parser.OFPActionSetField(vlan_vid=each.vlan | 0x1000)
                for each in flow.actions
                if isinstance(each, Output | SetVlan)
            ]
            message = parser.OFPFlowMod(
                datapath,
                cookie=flow.cookie,
                priority=flow.priority,
                match=match,
                instructions=[parser.OFPInstructionActions(proto.OFPIT_APPLY_ACTIONS, actions)],
            )
            message.set_xid(7)
            message.serialize()
            connection.sendall(message.buf)
        connection.sendall(frame.barrier_request(9))
        heard = bytearray()
        while True:
            heard += connection.recv(65536)
            for message in frame.split(heard):
                if message[1] == frame.BARRIER_REPLY:
                    return
                assert message[1] != frame.ERROR, message


def as_text(flow: Flow) -> str:
    does = []
    for each in flow.actions:
        assert isinstance(each, SetVlan | Output)
        does.append(f"set_field:{each.vlan | 0x1000}->vlan_vid" if isinstance(each, SetVlan) else str(each))
    match = f"{flow.match}," if flow.match.in_port else ""
    return f"cookie={flow.cookie:#x},priority={flow.priority},{match}actions={','.join(does) or 'drop'}\n"


def timed(work: Callable[[], object]) -> float:
    gc.collect()
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main(wires: int) -> None:
    begin = time.perf_counter()
    loaded = loads(policy(wires), "many.yaml")
    assert not loaded.problems
    print(f"{wires} wires: policy parsed and checked in {time.perf_counter() - begin:.2f} s")
    gc.set_threshold(100_000, 20, 100)
    numbers = {name: number for number, name in enumerate(ports(wires), 1)}
    empty = table(loaded, numbers)
    empty.read([])
    flows = [step.item for step in empty.plan().steps]
    del empty
    took: dict[str, list[float]] = {"netctl": [], "ovs-ofctl": [], "engine": [], "read and compared": []}
    with Box() as box:
        box.start_ovs()
        box.run("ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev protocols=OpenFlow13,OpenFlow14")
        path = box.path("/run/openvswitch/br0.mgmt")
        box.path("/run/flows.txt").write_text("".join(map(as_text, flows)))

        def clear() -> None:
            box.run("ovs-ofctl -O OpenFlow13 del-flows br0")

        def by_hand() -> None:
            box.run("ovs-ofctl -O OpenFlow13 --bundle add-flows br0 /run/flows.txt")

        for _ in range(ROUNDS):
            clear()
            took["netctl"].append(timed(lambda: ours(path, loaded, numbers)))
            took["read and compared"].append(timed(lambda: again(path, loaded, numbers)))
            clear()
            took["ovs-ofctl"].append(timed(by_hand))
            clear()
            took["engine"].append(timed(lambda: engines(path, flows)))
    median = {name: statistics.median(seconds) for name, seconds in took.items()}
    print(f"{len(flows)} flows: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in median.items()))
    print(
        f"ratio to ovs-ofctl --bundle {median['netctl'] / median['ovs-ofctl']:.2f} (bar 1.25), "
        f"{engine.NAME} takes {median['engine'] / median['netctl']:.1f} times as long (bar 4)"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)

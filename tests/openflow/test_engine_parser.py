"""The same bytes mean the same to the parser of the engine, written by other people."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given

from netctl.desired.flow import (
    TPID,
    UNTAGGED,
    Action,
    Clone,
    Flow,
    GotoTable,
    Metered,
    Output,
    PopVlan,
    PushVlan,
    SetVlan,
    ToController,
)
from netctl.openflow import bundle, flowmod, frame, port, stats
from tests.conftest import missing
from tests.openflow.captured import CAPTURED
from tests.openflow.test_codec import flows

try:
    from os_ken.ofproto import ofproto_v1_3_parser as theirs
    from os_ken.ofproto.ofproto_protocol import ProtocolDesc
except ImportError:
    theirs = None

XID = 0x8000_0001


@pytest.fixture(scope="module", autouse=True)
def _parser() -> None:
    if theirs is None:
        missing("needs os-ken")


def parse(message: bytes) -> Any:
    version, kind, length, xid = frame.HEADER.unpack_from(message)
    return theirs.msg_parser(ProtocolDesc(version=4), version, kind, length, xid, message)


def build(flow: Flow, command: int) -> bytes:
    """The flow mod that the engine's own classes make."""
    switch = ProtocolDesc(version=4)
    match: dict[str, int | str] = {}
    if flow.match.in_port is not None:
        match["in_port"] = flow.match.in_port
    if flow.match.eth_dst is not None:
        match["eth_dst"] = flow.match.eth_dst
    if flow.match.eth_type is not None:
        match["eth_type"] = flow.match.eth_type
    if flow.match.vlan is not None:
        match["vlan_vid"] = 0 if flow.match.vlan == UNTAGGED else flow.match.vlan | 0x1000
    instructions = []
    applied = [engines(action) for action in flow.actions if not isinstance(action, Metered | GotoTable)]
    for action in flow.actions:
        if isinstance(action, Metered):
            instructions.append(theirs.OFPInstructionMeter(action.meter))
    if applied:
        instructions.append(theirs.OFPInstructionActions(4, applied))
    for action in flow.actions:
        if isinstance(action, GotoTable):
            instructions.append(theirs.OFPInstructionGotoTable(action.table))
    deleting = command == flowmod.DELETE_STRICT
    message = theirs.OFPFlowMod(
        switch,
        cookie=flow.cookie,
        cookie_mask=0xFFFF_FFFF_FFFF_FFFF if deleting else 0,
        table_id=flow.table,
        command=command,
        priority=flow.priority,
        out_port=0xFFFF_FFFF,
        out_group=0xFFFF_FFFF,
        match=theirs.OFPMatch(**match),
        instructions=[] if deleting else instructions,
    )
    return serialized(message)


def engines(action: Action) -> Any:
    """The same action as the engine has it. It does not know Open vSwitch's clone."""
    if isinstance(action, Output):
        return theirs.OFPActionOutput(action.port, 0)
    if isinstance(action, ToController):
        return theirs.OFPActionOutput(0xFFFF_FFFD, action.length)
    if isinstance(action, PushVlan):
        return theirs.OFPActionPushVlan(TPID)
    if isinstance(action, PopVlan):
        return theirs.OFPActionPopVlan()
    assert isinstance(action, SetVlan)
    return theirs.OFPActionSetField(vlan_vid=action.vlan | 0x1000)


def serialized(message: Any) -> bytes:
    message.set_xid(XID)
    message.serialize()
    return bytes(message.buf)


@given(flows)
def test_flow_mods_are_the_same_bytes(flow: Flow) -> None:
    assume(not any(isinstance(action, Clone) for action in flow.actions))
    assert flowmod.add(flow, XID) == build(flow, flowmod.ADD)
    assert flowmod.delete_strict(flow, XID) == build(flow, flowmod.DELETE_STRICT)


def test_statistics_are_the_same_flows() -> None:
    message = CAPTURED["flows_reply"]
    found, _ = stats.reply(message, "br0")
    parsed = parse(message).body
    assert len(found) == len(parsed)
    for ours, their in zip(found, parsed, strict=True):
        item = ours.item
        assert (item.cookie, item.priority, item.table) == (their.cookie, their.priority, their.table_id)
        fields = dict(their.match.items())
        assert item.match.in_port == fields.get("in_port")
        vid = fields.get("vlan_vid")
        assert item.match.vlan == (vid & 0xFFF if isinstance(vid, int) else None)
        assert len(item.extra.split(",") if item.extra else []) == len(fields) - sum(
            each is not None for each in item.match
        )
        applied = [a for i in their.instructions if i.type == 4 for a in i.actions]
        assert [a.port for a in item.actions if isinstance(a, Output)] == [
            a.port for a in applied if a.type == 0 and a.port != 0xFFFF_FFFD
        ]


def test_ports_are_the_same() -> None:
    ours, _ = port.reply(CAPTURED["ports_reply"])
    for mine, their in zip(ours, parse(CAPTURED["ports_reply"]).body, strict=True):
        assert (mine.number, mine.mac) == (their.port_no, their.hw_addr)
        assert mine.name == their.name.decode()


def test_requests_are_the_same_bytes() -> None:
    switch = ProtocolDesc(version=4)
    flows = theirs.OFPFlowStatsRequest(switch, 0, 0xFF, 0xFFFF_FFFF, 0xFFFF_FFFF, 5, 7, theirs.OFPMatch())
    assert stats.request(XID, 5, 7) == serialized(flows)
    assert port.request(XID) == serialized(theirs.OFPPortDescStatsRequest(switch, 0))
    assert frame.barrier_request(XID) == serialized(theirs.OFPBarrierRequest(switch))
    assert frame.features_request(XID) == serialized(theirs.OFPFeaturesRequest(switch))
    opened = parse(bundle.control(bundle.Control.OPEN_REQUEST, 3, XID))
    assert (opened.experimenter, opened.exp_type) == (bundle.ONF, bundle.CONTROL)

"""Decoding what a real switch sent."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from netctl.controller.snapshot import SwitchPort
from netctl.desired.flow import COOKIE, NORMAL, Flow, Match, Output
from netctl.openflow import bundle, error, flowmod, frame, port, stats
from netctl.openflow.frame import DecodeError
from netctl.plan import Found
from tests.openflow.captured import CAPTURED


def test_hello_and_features() -> None:
    assert frame.offers(CAPTURED["hello"])
    assert frame.datapath_id(CAPTURED["features_reply"]) == 0xAB


def test_ports() -> None:
    ports, more = port.reply(CAPTURED["ports_reply"])
    assert ports == [
        SwitchPort(0xFFFF_FFFE, "br0", "02:00:00:00:00:ff", False, held=True, speed=10_000_000),
        SwitchPort(1, "v1", "02:00:00:00:00:01", True, speed=10_000_000),
        SwitchPort(2, "v2", "02:00:00:00:00:02", False, speed=10_000_000),
    ]
    assert not more


@pytest.mark.parametrize(("name", "reason"), [("port_down", "modify"), ("port_gone", "delete")])
def test_port_status(name: str, reason: str) -> None:
    status = port.status(CAPTURED[name])
    assert status.reason == reason
    assert status.port == SwitchPort(1, "v1", "02:00:00:00:00:01", False, speed=10_000_000)


def test_flows() -> None:
    found, more = stats.reply(CAPTURED["flows_reply"], "br0")
    assert not more
    assert found[0] == Found(Flow("br0", 100, Match(in_port=1), (Output(2),), COOKIE | 7))
    assert found[2] == Found(Flow("br0", 1, Match(vlan=4095)))
    assert found[3] == Found(Flow("br0", 0, Match(), (Output(NORMAL),)))
    assert [each.ours for each in found] == [True, False, True, True, False]


def test_what_netctl_never_writes_is_kept_as_text() -> None:
    found, _ = stats.reply(CAPTURED["flows_reply"], "br0")
    other = found[4].item
    assert other.table == 1
    assert other.match == Match(eth_type=0x0800)
    assert other.extra == "vlan_vid=1000/1000,ipv4_src=0a000000/ff000000,ip_proto=06,tcp_dst=0050,oxm_1_1=00000005"
    assert [str(action) for action in other.actions] == [
        "set_queue:00000003",
        "output:1",
        "CONTROLLER:65535",
        "goto_table:3",
        "idle_timeout=9",
        "hard_timeout=600",
        "flags=1",
    ]
    tagged = found[1].item
    assert tagged.match == Match(in_port=2, vlan=5)
    assert [str(action).partition(":")[0] for action in tagged.actions] == [
        "push_vlan",
        "set_vlan",
        "pop_vlan",
        "write_actions(output",
    ]


def test_a_delete_names_the_very_match_that_was_read() -> None:
    message = CAPTURED["flows_reply"]
    found, _ = stats.reply(message, "br0")
    for each in found:
        delete = flowmod.delete_strict(each.item, 1)
        length = int.from_bytes(delete[50:52], "big")
        assert delete[48 : 48 + length] in message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bad_output", "bad action: bad output port"),
        ("no_such_bundle", "bundle failed: bad bundle id"),
        ("wrong_experimenter", "bad request: bad experimenter"),
    ],
)
def test_errors(name: str, text: str) -> None:
    assert error.error(CAPTURED[name]).text == text


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("bundle_opened", bundle.Control.OPEN_REPLY),
        ("committed", bundle.Control.COMMIT_REPLY),
        ("discarded", bundle.Control.DISCARD_REPLY),
    ],
)
def test_bundle_replies(name: str, what: bundle.Control) -> None:
    assert bundle.control_reply(CAPTURED[name])[0] is what


def test_echo_is_answered_with_its_own_data() -> None:
    request = frame.message(frame.ECHO_REQUEST, 0x8000_000E, b"netctl")
    assert frame.echo_reply(request) == CAPTURED["echo_reply"]
    assert frame.header(CAPTURED["echo_request"]).kind == frame.ECHO_REQUEST


@pytest.mark.parametrize(
    ("decode", "name", "shortest"),
    [
        (port.status, "port_down", 80),
        (error.error, "bad_output", 12),
        (error.error, "no_such_bundle", 16),
        (bundle.control_reply, "committed", 24),
        (frame.datapath_id, "features_reply", 32),
        (lambda message: stats.reply(message, "br0"), "flows_reply", 16),
        (port.reply, "ports_reply", 16),
    ],
)
def test_a_message_that_is_cut_short(decode: Callable[[bytes], Any], name: str, shortest: int) -> None:
    """Below its fixed part it is refused, whether its length says so or not; and it never ends in anything else."""
    message = CAPTURED[name]
    for length in range(len(message)):
        cut = message[:length]
        honest = cut[:2] + length.to_bytes(2, "big") + cut[4:] if length >= 8 else cut
        if length < shortest:
            for each in {cut, honest}:
                with pytest.raises(DecodeError):
                    decode(each)
        else:
            with contextlib.suppress(DecodeError):
                decode(honest)

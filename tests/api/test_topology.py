"""Ryu's topology API: the shape of every answer, without a switch. `test_ryu.py` compares with Ryu itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from werkzeug.test import Client

from netctl.api.wsgi import application
from netctl.controller.snapshot import Snapshot, SwitchView
from tests.api.world import EMPTY, GOOD
from tests.api.world import FAR as DPID_FAR

Make = Callable[[Snapshot], Client]


def port(number: str, mac: str, name: str) -> bytes:
    rest = f'"port_no": "{number}", "hw_addr": "{mac}", "name": "{name}"'
    return b'{"dpid": "00000000000000ab", %b}' % rest.encode()


FIRST = port("00000001", "fe:54:00:00:00:01", "vm1-eth1")
SECOND = port("00000002", "fe:54:00:00:00:02", "vm2-eth1")
LAST = port("ffffff00", "fe:54:00:00:00:03", "last")
FAR = LAST.replace(b"00000000000000ab", b"fedcba9876543210").replace(b"ffffff00", b"00000001")
FAR = FAR.replace(b":03", b":05").replace(b"last", b"eno2")
OTHER = b'{"dpid": "fedcba9876543210", "ports": [%b]}' % FAR
SWITCHES = b'[{"dpid": "00000000000000ab", "ports": [%b, %b, %b]}, %b]' % (FIRST, SECOND, LAST, OTHER)
THERE = b'{"src": %b, "dst": %b}' % (LAST, FAR)
BACK = b'{"src": %b, "dst": %b}' % (FAR, LAST)
HOSTS = b'[{"mac": "52:54:00:84:e3:62", "ipv4": ["10.0.0.1"], "ipv6": ["fe80::1", "fd00::1"], "port": %b}]' % FIRST


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("switches", SWITCHES),
        ("switches?unknown=1", SWITCHES),
        ("switches/fedcba9876543210", b"[%b]" % OTHER),
        ("switches/0000000000000001", b"[]"),
        ("hosts", HOSTS),
        ("hosts/00000000000000ab", HOSTS),
        ("hosts/fedcba9876543210", b"[]"),
        ("links", b"[%b, %b]" % (THERE, BACK)),
        ("links/00000000000000ab", b"[%b]" % THERE),
        ("links/fedcba9876543210", b"[%b]" % BACK),
        ("links/0000000000000001", b"[]"),
    ],
)
def test_answer(client: Make, path: str, body: bytes) -> None:
    answer = client(GOOD).get(f"/v1.0/topology/{path}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.data == body


@pytest.mark.parametrize("noun", ["switches", "links", "hosts"])
def test_nothing_yet(client: Make, noun: str) -> None:
    assert client(EMPTY).get(f"/v1.0/topology/{noun}").data == b"[]"


@pytest.mark.parametrize("dpid", ["ab", "00000000000000AB", "0x000000000000ab", "00000000000000ab/", "1" * 17])
def test_what_is_no_datapath_id_is_not_found(client: Make, dpid: str) -> None:
    assert client(GOOD).get(f"/v1.0/topology/switches/{dpid}").status_code == 404


def test_links_follow_the_snapshot_though_they_are_kept() -> None:
    published = [GOOD]
    client = Client(application(lambda: published[0], engine=""))
    for path, first, then in (
        ("links", b"[%b, %b]" % (THERE, BACK), b"[%b]" % THERE),
        ("links/fedcba9876543210", b"[%b]" % BACK, b"[]"),
    ):
        published[0] = GOOD
        for _ in range(2):
            assert client.get(f"/v1.0/topology/{path}").data == first
        published[0] = replace(GOOD, revision=8, wires=())
        assert client.get(f"/v1.0/topology/{path}").data == first
        published[0] = replace(GOOD, links=GOOD.links[:1])
        assert client.get(f"/v1.0/topology/{path}").data == then
        far = replace(GOOD.switches[1].ports[0], name="eno9")
        published[0] = replace(GOOD, switches=(GOOD.switches[0], SwitchView(DPID_FAR, (far,))))
        assert client.get(f"/v1.0/topology/{path}").data == first.replace(b"eno2", b"eno9")


def test_so_many_answers_are_kept_at_most() -> None:
    client = Client(application(lambda: GOOD, engine=""))
    for dpid in range(100):
        assert client.get(f"/v1.0/topology/links/{dpid:016x}").status_code == 200
    assert client.get("/v1.0/topology/links/00000000000000ab").data == b"[%b]" % THERE


def test_a_link_at_a_port_that_is_gone_is_left_out(client: Make) -> None:
    gone = replace(GOOD, switches=GOOD.switches[:1])
    assert client(gone).get("/v1.0/topology/links").data == b"[]"


def test_ports_are_those_of_the_engine(client: Make) -> None:
    switches = pytest.importorskip("os_ken.topology.switches")
    from os_ken.ofproto import ofproto_v1_3, ofproto_v1_3_parser

    described = [
        ofproto_v1_3_parser.OFPPort(port.number, port.mac, port.name.encode(), 0, 0, 0, 0, 0, 0, 0, 0)
        for port in GOOD.switches[0].ports
    ]

    class Datapath:
        id = GOOD.switches[0].dpid
        ofproto = ofproto_v1_3

    switch = switches.Switch(Datapath())
    for port in described:
        switch.add_port(port)
    answer = client(GOOD).get("/v1.0/topology/switches/00000000000000ab").data
    assert answer == json.dumps([switch.to_dict()]).encode()

    host = switches.Host("52:54:00:84:e3:62", switch.ports[0])
    host.ipv4, host.ipv6 = ["10.0.0.1"], ["fe80::1", "fd00::1"]
    assert client(GOOD).get("/v1.0/topology/hosts").data == json.dumps([host.to_dict()]).encode()

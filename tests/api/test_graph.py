"""What is connected to what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from werkzeug.test import Client

from netctl.api.feed import Feed
from netctl.api.wsgi import application
from netctl.controller.happenings import PortAdded
from netctl.controller.snapshot import LinkView, Snapshot, SwitchPort
from tests.api.world import DPID, EMPTY, FAR, GOOD, TROUBLED

Make = Callable[[Snapshot], Client]

AB, CABLE = "00000000000000ab", "fedcba9876543210"


def test_the_whole(client: Make) -> None:
    graph = client(GOOD).get("/api/v1/topology").json or {}
    assert [(each["dpid"], each["host"], each["bridge"]) for each in graph["switches"]] == [
        (AB, "hv1", "ovbr0"),
        (CABLE, None, None),
    ]
    assert graph["switches"][0]["ports"][1] == {
        "number": 2,
        "name": "vm2-eth1",
        "mac": "fe:54:00:00:00:02",
        "up": False,
        "speed": None,
    }
    assert graph["switches"][1]["ports"][0]["speed"] == 10_000_000
    assert graph["links"] == [
        {
            "ends": [
                {"dpid": AB, "number": 0xFFFFFF00, "port": "last"},
                {"dpid": CABLE, "number": 1, "port": "eno2"},
            ],
            "one_way": False,
            "since": "2026-09-21T14:13:25Z",
        }
    ]
    assert graph["wires"] == [
        {
            "name": "vm1-eth1--vm2-eth1",
            "ends": [
                {"host": "hv1", "bridge": "ovbr0", "port": name, "vlan": None, "dpid": AB}
                for name in ("vm1-eth1", "vm2-eth1")
            ],
            "state": "up",
            "why": "",
        }
    ]
    station = graph["hosts"][0]
    assert (station["mac"], station["port"], station["guest"]) == ("52:54:00:84:e3:62", "vm1-eth1", "vm1")
    assert graph["neighbours"] == [
        {
            "host": "hv1",
            "bridge": "ovbr0",
            "port": "vm1-eth1",
            "wire": "vm1-eth1--vm2-eth1",
            "chassis": "02:00:00:00:00:01",
            "port_id": "eth0",
            "name": "sw-a",
        }
    ]
    assert graph["event"] == ""


def test_what_is_not_connected_has_no_datapath_id(client: Make) -> None:
    graph = client(TROUBLED).get("/api/v1/topology").json or {}
    assert [end["dpid"] for end in graph["wires"][1]["ends"]] == [None, None]


def test_nothing_yet(client: Make) -> None:
    assert client(EMPTY).get("/api/v1/topology").json == {
        **{"event": "", "switches": [], "links": [], "wires": [], "hosts": [], "neighbours": []},
    }


@pytest.mark.parametrize(
    ("links", "told"),
    [
        ([(DPID, 1, DPID, 2), (DPID, 2, DPID, 1)], [((AB, 1), (AB, 2))]),
        ([(DPID, 1, DPID, 2)], [((AB, 1), (AB, 2))]),
        (
            [(DPID, 1, FAR, 1), (DPID, 2, FAR, 1), (FAR, 1, DPID, 2)],
            [((AB, 1), (CABLE, 1)), ((AB, 2), (CABLE, 1))],
        ),
        ([(DPID, 1, DPID, 1)], [((AB, 1), (AB, 1))]),
    ],
    ids=["inside one switch", "one direction", "two into one port", "into itself"],
)
def test_both_directions_of_a_cable_are_one_link(
    client: Make, links: list[tuple[int, int, int, int]], told: list[object]
) -> None:
    views = tuple(LinkView(*each, 1.0, len(links) == 1) for each in links)
    graph = client(replace(GOOD, links=views)).get("/api/v1/topology").json or {}
    ends = [tuple((end["dpid"], end["number"]) for end in link["ends"]) for link in graph["links"]]
    assert ends == told
    assert all(link["one_way"] is (len(links) == 1) for link in graph["links"])


def test_it_says_up_to_which_event_it_goes() -> None:
    feed = Feed(5)
    client = Client(application(lambda: GOOD, engine="", feed=feed))
    assert (client.get("/api/v1/topology").json or {})["event"] == "4"
    first = client.get("/api/v1/topology").headers["ETag"]
    assert client.get("/api/v1/topology", headers={"If-None-Match": first}).status_code == 304
    feed.put([PortAdded(1, SwitchPort(1, "p1", "02:00:00:00:00:01", True))], 0)
    assert (client.get("/api/v1/topology").json or {})["event"] == "5"
    assert client.get("/api/v1/topology", headers={"If-None-Match": first}).status_code == 200

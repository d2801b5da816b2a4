"""What each path answers, field by field; the OpenAPI description is made of these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from netctl.policy import Wire as PolicyWire
from netctl.topology.announcement import Announcement


def dpid_text(dpid: int) -> str:
    """16 lower-case hex digits, as Ryu writes a datapath id (OpenFlow 1.3.5, 7.3.1)."""
    return f"{dpid:016x}"


def _dpid(value: object) -> object:
    return dpid_text(value) if isinstance(value, int) else value


DPID = r"^[0-9a-f]{16}$"

Dpid = Annotated[str, BeforeValidator(_dpid), Field(pattern=DPID, examples=["00000000000000ab"])]


class Answer(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        from_attributes=True,
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,
    )


class Problem(Answer):
    """Something wrong, with what would put it right."""

    message: str
    at: str
    """Where the policy says it, «file:line:col»; empty for a host or a bridge."""


class Policy(Answer):
    """The policy in force, and why a newer one is not."""

    source: str
    """The path that was asked for: a file or a directory."""
    files: list[str]
    digest: str
    """SHA-256 of the policy in force, hex; empty before the first good one."""
    since: datetime | None
    """When it came into force."""
    refused: list[Problem]
    """Why the newest version of the files is not in force; empty when it is."""


class Host(Answer):
    """A hypervisor, seen through its Open vSwitch database."""

    name: str
    ovsdb: str
    """Where its database is, as the policy says; empty for the local one."""
    connected: bool
    problems: list[Problem]


class Bridge(Answer):
    host: str
    name: str
    datapath: str
    unpatched: str
    """What a port without a wire gets."""
    dpid: Dpid | None
    """Null until the bridge exists."""
    connected: bool
    """Whether its OpenFlow session to this controller is up."""
    flows: int
    """Flows of netctl's on the switch as last read or written."""
    pending: list[str]
    """What is still to be done, a line for each step, as `netctl plan` prints them."""
    problems: list[Problem]


class LldpCounts(Answer):
    """What LLDP came in at a port since its switch connected."""

    frames: int
    malformed: int
    refused: int
    """Of neighbours that there was no room for."""
    lost: int
    """Dropped unseen, because there were too many."""
    why: str
    """What is wrong with the last malformed one; empty for none."""


class ProbeCounts(Answer):
    """Frames that came in at a port since its switch connected, looked like netctl's probes, and made no link."""

    forged: int
    """Their token was wrong."""
    replayed: int
    """The port had heard them before."""
    late: int
    """They were sent too long ago."""
    reflected: int
    """They came back to the port that they were sent by."""
    unexpected: int
    """They came when nothing was listened for there."""


class Port(Answer):
    host: str
    bridge: str
    name: str
    number: int | None
    """The OpenFlow port number; null while the switch has not given one."""
    mac: str | None
    up: bool | None
    """Carrier and administrative state together; null while unknown."""
    wire: str | None
    """The wire that ends here, or several, one for each VLAN, with ", " between them."""
    ours: bool
    """Whether netctl made the port on the bridge."""
    error: str | None
    """What Open vSwitch says is wrong with it."""
    lldp: LldpCounts | None = None
    """Null where nothing came in."""
    refused_probes: ProbeCounts | None = None
    """Null where there were none."""


class Neighbour(Answer):
    """Who was heard by LLDP at a port, and all that it said."""

    host: str
    bridge: str
    port: str
    wire: str | None
    """The wire that it was heard on; null on a port without one."""
    since: datetime
    """When it was first heard."""
    changed: datetime
    """When it last said something else than before."""
    announced: Announcement
    """The frame, field by field (IEEE 802.1AB-2016)."""


class WireEnd(Answer):
    host: str
    bridge: str
    port: str
    vlan: int | None
    """The VLAN of the port that is wired; null is the whole port."""


class Rate(Answer):
    """How fast a wire may go in one direction."""

    to: str
    """The port that it leads to, where the rate is kept."""
    rate: Annotated[str, Field(examples=["10mbit"])]
    """As a policy writes it."""
    by: Annotated[str, Field(examples=["linux-htb"])]
    """The mechanism that the database has for it; empty while there is none."""
    why: str
    """Why there is none."""


class Wire(Answer):
    name: str
    ends: Annotated[list[WireEnd], Field(min_length=2, max_length=2)]
    state: Literal["up", "down", "waiting"]
    """up: flows are in, both ends have carrier; down: an end has none; waiting: flows are not in yet."""
    why: str
    """What a wire that is not up waits for."""
    said: str
    """Where the policy asks for it: «file:line:col»."""
    rates: list[Rate]
    """Of the directions that are limited."""


class WireCount(Answer):
    """How many wires are in each state."""

    up: int
    down: int
    waiting: int


class Status(Answer):
    version: str
    """netctl's."""
    engine: str
    """What runs the controller: Ryu or os-ken, with its version."""
    uptime: float
    """Seconds since the start."""
    revision: int
    """Grows with all that the controller hears of; starts anew with the controller."""
    converged: bool
    """All that the policy asks of Open vSwitch is so (a wire may still be down for want of carrier)."""
    why: list[str]
    """What keeps it from being converged; at most 20 lines."""
    flow_changes: int
    """Flow modifications sent since the start."""
    wires: WireCount
    policy: Policy
    hosts: list[Host]


class Health(Answer):
    status: Literal["ok"] = "ok"


class Readiness(Answer):
    ready: Literal[True] = True


class Changed(Answer):
    """What became of a change of wires."""

    result: Literal["unchanged", "planned", "done", "pending"]
    """unchanged: it was so already; planned: a dry run, nothing was touched; done: every switch confirmed it; pending:
    saved, and in force as soon as what it waits for is there."""
    put: list[str]
    """The wires that were asked for, by name."""
    removed: list[str]
    steps: list[str]
    """What was done, or would be, a line each, as `netctl plan` prints them."""
    problems: list[str]
    """What a pending change waits for."""
    saved: str
    """The file that it was written to, or would be; empty when there was nothing to write."""


class SceneName(Answer):
    name: str


class Scene(Answer):
    """A set of wires under a name."""

    name: str
    wires: list[PolicyWire]


class Saved(Answer):
    """A scene that was written."""

    name: str
    wires: int
    """How many there are in it."""
    new: bool
    """Whether there was none of that name."""


class Exchange(Answer):
    """A wire that a scene has otherwise."""

    now: PolicyWire
    then: PolicyWire


class Difference(Answer):
    """What loading a scene would do to the wires."""

    scene: str
    same: bool
    """Whether it would do nothing."""
    add: list[PolicyWire]
    remove: list[PolicyWire]
    change: list[Exchange]


class Mistake(Answer):
    """Something wrong with what was sent."""

    pointer: str
    """Where: a JSON Pointer (RFC 6901) after a `#`."""
    detail: str
    """What is wrong there, and what would be right."""


class ProblemDetails(Answer):
    """An error (RFC 9457)."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    type: str = "about:blank"
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    instance: str
    """The path that was asked for."""
    suggestions: list[str] = []
    """Names close to the one that is unknown."""
    why: list[str] = []
    """What stands against it, a line each: for /readyz, what keeps the controller from being ready."""
    errors: list[Mistake] = []
    """Each mistake in what was sent."""


class TopologyPort(Answer):
    """A port as Ryu's topology API writes it."""

    dpid: Dpid
    port_no: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    hw_addr: str
    name: str


class TopologySwitch(Answer):
    """A switch as Ryu's topology API writes it."""

    dpid: Dpid
    ports: list[TopologyPort]


class TopologyLink(Answer):
    """One direction of a cable between two switches, as Ryu's topology API writes it."""

    src: TopologyPort
    dst: TopologyPort


class TopologyHost(Answer):
    """A host on the network, at the port where it is, as Ryu's topology API writes it."""

    mac: str
    ipv4: list[str]
    ipv6: list[str]
    port: TopologyPort


class GraphPort(Answer):
    """A port of a switch."""

    number: int
    """The OpenFlow port number."""
    name: str
    mac: str
    up: bool
    """Carrier and administrative state together."""
    speed: int | None
    """kbit/s; null while the switch does not say."""


class GraphSwitch(Answer):
    """A connected switch."""

    dpid: Dpid
    host: str | None
    """The hypervisor of the policy that it is on; null for a switch that the policy does not know."""
    bridge: str | None
    ports: list[GraphPort]


class GraphEnd(Answer):
    """A port where a link ends."""

    dpid: Dpid
    number: int
    port: str
    """Its name."""


class GraphLink(Answer):
    """A cable between two ports of switches, found by LLDP."""

    ends: Annotated[list[GraphEnd], Field(min_length=2, max_length=2)]
    """Of a link in one direction only: from the first to the second."""
    one_way: bool
    """Whether nothing comes the other way."""
    since: datetime
    """When it was found."""


class GraphWireEnd(WireEnd):
    dpid: Dpid | None
    """Null while the bridge is not connected."""


class GraphWire(Answer):
    """A wire: what enters at one end leaves at the other."""

    name: str
    ends: Annotated[list[GraphWireEnd], Field(min_length=2, max_length=2)]
    state: Literal["up", "down", "waiting"]
    why: str
    """What a wire that is not up waits for."""


class Station(Answer):
    """A host on the network, at the port where it is."""

    mac: str
    ipv4: list[str]
    ipv6: list[str]
    dpid: Dpid
    port: str
    """The port's name."""
    guest: str
    """The guest of the policy that it is; empty for one that was heard."""
    since: datetime | None
    """When it was first heard; null for one that the policy says is there."""


class GraphNeighbour(Answer):
    """Who was heard by LLDP at a port, in brief; /api/v1/neighbours has all that it said."""

    host: str
    bridge: str
    port: str
    wire: str | None
    chassis: str
    port_id: str
    """What it calls its own port."""
    name: str | None
    """What it calls itself."""


class Graph(Answer):
    """What is connected to what."""

    event: str
    """The id of the last event that this has: /api/v1/events goes on after it. Empty where there are no events."""
    switches: list[GraphSwitch]
    links: list[GraphLink]
    wires: list[GraphWire]
    hosts: list[Station]
    neighbours: list[GraphNeighbour]


class Happened(Answer):
    change: Literal["added", "changed", "removed"]
    at: datetime


class SwitchHappened(Happened):
    """A switch connected, or its connection is gone."""

    dpid: Dpid
    ports: int
    """How many it has."""


class PortHappened(Happened):
    """A port of a connected switch."""

    dpid: Dpid
    port: GraphPort


class LinkHappened(Happened):
    """A link in one direction: a cable is two of these."""

    src: GraphEnd
    dst: GraphEnd
    one_way: bool


class WireHappened(Happened):
    """A wire."""

    wire: Wire
    """As it is now, or as it was when it was taken out."""
    before: str | None
    """The state that it was in; null for a new one."""


class NeighbourHappened(Happened):
    """Who was heard by LLDP."""

    neighbour: Neighbour
    why: str
    """Why it is gone: aged, shutdown or port; else empty."""


class HostHappened(Happened):
    """A host on the network."""

    host: Station
    before: Station | None
    """Of one that changed or moved: as it was."""
    why: str
    """Why it is gone; else empty."""


class Reset(Answer):
    """Some of what happened is not known any more: read /api/v1/topology anew."""

    why: str


Document = dict[str, Any]
"""A JSON object that describes itself."""

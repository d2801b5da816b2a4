"""The table of paths: the one source of what is routed, answered and described."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, TypeVar

from netctl import __version__
from netctl.api import body, graph, happening, models, patching, stream, topology, websocket
from netctl.api.body import Body
from netctl.api.problem import ProblemError, unknown
from netctl.api.readiness import reasons
from netctl.api.route import Call, Parameter, Route
from netctl.controller.snapshot import NeighbourView, PortView, Snapshot, WireView

Local = TypeVar("Local", PortView, NeighbourView)
"""What is at a port of a bridge of a host."""


def _status(call: Call) -> models.Status:
    snapshot = call.snapshot
    states = Counter(wire.state for wire in snapshot.wires)
    return models.Status(
        version=__version__,
        engine=call.engine,
        uptime=round(call.uptime, 3),
        revision=snapshot.revision,
        converged=snapshot.converged,
        why=reasons(snapshot),
        flow_changes=snapshot.flow_changes,
        wires=models.WireCount(up=states["up"], down=states["down"], waiting=states["waiting"]),
        policy=models.Policy.model_validate(snapshot.policy),
        hosts=[models.Host.model_validate(host) for host in snapshot.hosts],
    )


def _wire(call: Call) -> WireView:
    name = call.path["name"]
    for wire in call.snapshot.wires:
        if wire.name == name:
            return wire
    raise unknown("wire", name, (wire.name for wire in call.snapshot.wires))


def _chosen(call: Call, among: Iterable[Local]) -> list[Local]:
    """Those that the query asks for."""
    snapshot = call.snapshot
    known: dict[str, Iterable[str]] = {
        "host": {host.name for host in snapshot.hosts} | {port.host for port in snapshot.ports},
        "bridge": {bridge.name for bridge in snapshot.bridges} | {port.bridge for port in snapshot.ports},
        "wire": {wire.name for wire in snapshot.wires},
    }
    for kind, name in call.query.items():
        if name not in known[kind]:
            raise unknown(kind, name, sorted(known[kind]))
    return [each for each in among if all(_fits(each, key, name) for key, name in call.query.items())]


def _fits(one: PortView | NeighbourView, key: str, name: str) -> bool:
    if key == "wire":
        return name in (one.wire or "").split(", ")
    return bool(getattr(one, key) == name)


def _ready(call: Call) -> models.Readiness:
    if call.snapshot.converged:
        return models.Readiness()
    raise ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "not all that the policy asks of Open vSwitch is so yet; /api/v1/status says more",
        why=reasons(call.snapshot),
    )


def _openapi(_: Call) -> models.Document:
    from netctl.api.openapi import description

    return description()


_DPID = {"dpid": Parameter("A datapath id: 16 lower-case hex digits.", r"[0-9a-f]{16}")}


def _ryu(
    noun: str,
    answer: Any,
    respond: Callable[[Snapshot, str | None], object],
    made_of: Callable[[Snapshot], object] | None = None,
) -> tuple[Route, Route]:
    """Ryu ignores query parameters, sends no entity tag, and has an empty list for an unknown datapath id."""
    path = f"/v1.0/topology/{noun}"
    return (
        Route(
            path=path,
            name=f"topology_{noun}",
            summary=f"All {noun}, as Ryu's topology API answers.",
            answer=answer,
            respond=lambda call: respond(call.snapshot, None),
            many=True,
            ready=True,
            any_query=True,
            tagged=False,
            made_of=made_of,
        ),
        Route(
            path=path + "/{dpid}",
            name=f"topology_{noun}_of",
            summary=f"The {noun} of one switch, as Ryu's topology API answers; empty for an unknown one.",
            answer=answer,
            respond=lambda call: respond(call.snapshot, call.path["dpid"]),
            many=True,
            ready=True,
            parameters=_DPID,
            any_query=True,
            tagged=False,
            made_of=made_of,
            failures=(HTTPStatus.NOT_FOUND,),
        ),
    )


def _at_ports(
    noun: str, summary: str, answer: Any, among: Callable[[Snapshot], Iterable[Local]], who: str, on_wire: str
) -> Route:
    """All that is at ports, or what the query asks for of it."""
    return Route(
        f"/api/v1/{noun}",
        noun,
        summary,
        answer,
        lambda call: _chosen(call, among(call.snapshot)),
        many=True,
        query={
            "host": Parameter(f"Only {who} of this hypervisor."),
            "bridge": Parameter(f"Only {who} of bridges of this name."),
            "wire": Parameter(f"Only {on_wire}."),
        },
        failures=(HTTPStatus.NOT_FOUND,),
    )


_BOOLEAN = ("true", "false")
_DRY_RUN = {"dry_run": Parameter("`true` to be told what would be done, and nothing is touched.", values=_BOOLEAN)}
_REPLACE = {
    "replace": Parameter(
        "`false` to be refused where another wire of that name is there; else it is replaced.", values=_BOOLEAN
    )
}
_WIRE = {"name": Parameter("The wire's name, e.g. `vm1-eth1--vm2-eth1`.")}
_SCENE = {"name": Parameter("The scene's name, e.g. `night`.")}


def _change(method: str, path: str, name: str, summary: str, respond: Callable[[Call], object], **more: Any) -> Route:
    """A path that changes wires."""
    more.setdefault("query", _DRY_RUN)
    more.setdefault("good", patching.DONE)
    return Route(
        path,
        name,
        summary,
        models.Changed,
        respond,
        method=method,
        tagged=False,
        failures=patching.CHANGE_FAILURES,
        **more,
    )


ROUTES: tuple[Route, ...] = (
    Route("/api/v1/status", "status", "How the controller is.", models.Status, _status, tagged=False),
    Route(
        "/api/v1/policy",
        "policy",
        "The policy in force, and why a newer one is not.",
        models.Policy,
        lambda call: call.snapshot.policy,
    ),
    Route(
        "/api/v1/hosts",
        "hosts",
        "The hypervisors of the policy.",
        models.Host,
        lambda call: call.snapshot.hosts,
        many=True,
    ),
    Route(
        "/api/v1/bridges",
        "bridges",
        "The Open vSwitch bridges of the policy.",
        models.Bridge,
        lambda call: call.snapshot.bridges,
        many=True,
    ),
    _at_ports(
        "ports",
        "The ports of the bridges.",
        models.Port,
        lambda snapshot: snapshot.ports,
        "ports",
        "ports where this wire ends",
    ),
    Route(
        "/api/v1/wires",
        "wires",
        "The wires of the policy.",
        models.Wire,
        lambda call: call.snapshot.wires,
        many=True,
    ),
    Route(
        "/api/v1/wires/{name}",
        "wire",
        "One wire.",
        models.Wire,
        _wire,
        parameters=_WIRE,
        failures=(HTTPStatus.NOT_FOUND,),
    ),
    _change(
        "POST",
        "/api/v1/wires",
        "change_wires",
        "Put in and take out several wires at once: all of it or nothing.",
        patching.change_wires,
        body=Body("Change", body.MANY, body.change),
        query={**_DRY_RUN, **_REPLACE},
    ),
    _change(
        "PUT",
        "/api/v1/wires/{name}",
        "put_wire",
        "Put a wire in, in place of the one of that name where there is one.",
        patching.put_wire,
        body=Body("PolicyWire", body.ONE, body.wire),
        parameters=_WIRE,
        query={**_DRY_RUN, **_REPLACE},
        good={**patching.DONE, **patching.CREATED},
    ),
    _change(
        "DELETE",
        "/api/v1/wires/{name}",
        "remove_wire",
        "Take a wire out.",
        patching.remove_wire,
        parameters=_WIRE,
    ),
    Route(
        "/api/v1/scenes",
        "scenes",
        "The panel scenes: sets of wires that are kept under a name.",
        models.SceneName,
        patching.list_scenes,
        many=True,
        failures=(HTTPStatus.SERVICE_UNAVAILABLE,),
    ),
    Route(
        "/api/v1/scenes/{name}",
        "scene",
        "One scene, with its wires as a policy writes them.",
        models.Scene,
        patching.read_scene,
        parameters=_SCENE,
        brief=True,
        failures=patching.SCENE_FAILURES,
    ),
    Route(
        "/api/v1/scenes/{name}",
        "save_scene",
        "Keep a set of wires under a name: those sent, or those in force when nothing is sent.",
        models.Saved,
        patching.save_scene,
        method="PUT",
        body=Body("SceneBody", body.MANY, body.scene, required=False),
        parameters=_SCENE,
        tagged=False,
        good={HTTPStatus.OK: "It is kept in place of the one of that name.", **patching.CREATED},
        failures=(HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.INSUFFICIENT_STORAGE),
    ),
    Route(
        "/api/v1/scenes/{name}",
        "remove_scene",
        "Forget a scene; the wires stay as they are.",
        models.SceneName,
        patching.remove_scene,
        method="DELETE",
        parameters=_SCENE,
        tagged=False,
        failures=(HTTPStatus.NOT_FOUND,),
    ),
    _change(
        "POST",
        "/api/v1/scenes/{name}/load",
        "load_scene",
        "Make the wires those of a scene: what is missing is put in, what differs replaced, the rest taken out.",
        patching.load_scene,
        parameters=_SCENE,
    ),
    Route(
        "/api/v1/scenes/{name}/diff",
        "scene_diff",
        "What loading a scene would do to the wires.",
        models.Difference,
        patching.compare_scene,
        parameters=_SCENE,
        brief=True,
        tagged=False,
        failures=patching.SCENE_FAILURES,
    ),
    _at_ports(
        "neighbours",
        "Who was heard by LLDP, and all that they said.",
        models.Neighbour,
        lambda snapshot: snapshot.neighbours,
        "those at ports",
        "those heard on this wire",
    ),
    Route(
        "/api/v1/topology",
        "topology",
        "What is connected to what: switches with their ports, links, wires, hosts and neighbours.",
        models.Graph,
        lambda call: graph.graph(call.snapshot, str(call.streams.feed.last) if call.streams else ""),
        ready=True,
    ),
    Route(
        "/api/v1/events",
        "events",
        "What happens, as a stream of server-sent events: " + ", ".join(happening.KINDS) + ", and reset.",
        str,
        lambda call: call.events.open(call.headers.get("Last-Event-ID", "")),
        media=stream.CONTENT_TYPE,
        headers={"Last-Event-ID": "The id of the last event that the client has: the stream goes on after it."},
        tagged=False,
        failures=(HTTPStatus.SERVICE_UNAVAILABLE,),
    ),
    *_ryu("switches", models.TopologySwitch, topology.switches),
    *_ryu("links", models.TopologyLink, topology.links, lambda snapshot: (snapshot.links, snapshot.switches)),
    *_ryu("hosts", models.TopologyHost, topology.hosts),
    Route(
        websocket.PATH,
        "topology_events",
        "A WebSocket: what happens to switches, links and hosts, as the JSON-RPC calls of Ryu's ws_topology.",
        str,
        lambda _: None,
        upgrades=True,
        any_query=True,
        tagged=False,
        good={HTTPStatus.SWITCHING_PROTOCOLS: "The WebSocket is open."},
        failures=(HTTPStatus.UPGRADE_REQUIRED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
    Route(
        "/healthz",
        "healthz",
        "200 while the process serves.",
        models.Health,
        lambda _: models.Health(),
        tagged=False,
    ),
    Route(
        "/readyz",
        "readyz",
        "200 when all that the policy asks of Open vSwitch is so, else 503 with why.",
        models.Readiness,
        _ready,
        tagged=False,
        failures=(HTTPStatus.SERVICE_UNAVAILABLE,),
    ),
    Route("/openapi.json", "openapi", "This description (OpenAPI 3.1).", models.Document, _openapi, tagged=False),
)

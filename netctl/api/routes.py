"""The table of paths: the one source of what is routed, answered and described."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter

from netctl import __version__
from netctl.api import models, topology
from netctl.api.problem import ProblemError, unknown
from netctl.api.readiness import reasons
from netctl.controller.snapshot import PortView, Snapshot, WireView


@dataclass(frozen=True)
class Call:
    """A request that has found its route."""

    snapshot: Snapshot
    engine: str
    uptime: float
    """Seconds."""
    path: Mapping[str, str]
    """The path's `{…}`, by name."""
    query: Mapping[str, str]


@dataclass(frozen=True)
class Parameter:
    description: str
    pattern: str | None = None
    """A regular expression without anchors; a path that does not match it is not this route's."""


@dataclass(frozen=True, eq=False)
class Route:
    path: str
    """As OpenAPI writes it: `/wires/{name}`."""
    name: str
    summary: str
    answer: Any
    """The type of the body of a 200, or of each of its items."""
    respond: Callable[[Call], Any]
    """Returns the answer, or anything with its attributes; raises ProblemError."""
    many: bool = False
    """Whether `respond` returns, and the body is, a list of them."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    """Of the path."""
    query: Mapping[str, Parameter] = field(default_factory=dict)
    any_query: bool = False
    """Whether a query parameter that nobody knows is ignored, as Ryu does, or refused."""
    tagged: bool = True
    """Whether the answer has an entity tag, a digest of it, to ask again with If-None-Match."""
    failures: tuple[HTTPStatus, ...] = ()

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.answer)

    def render(self, call: Call) -> str:
        """The body as JSON, spaced as Ryu's. Item by item: with 10 000 models alive at once the
        garbage collector would halt the controller for long."""
        answer = self.respond(call)
        return f"[{', '.join(map(self._json, answer))}]" if self.many else self._json(answer)

    def _json(self, value: Any) -> str:
        return json.dumps(self.adapter.dump_python(self.adapter.validate_python(value), mode="json"))


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


def _ports(call: Call) -> list[PortView]:
    snapshot = call.snapshot
    known: dict[str, Iterable[str]] = {
        "host": {host.name for host in snapshot.hosts} | {port.host for port in snapshot.ports},
        "bridge": {bridge.name for bridge in snapshot.bridges} | {port.bridge for port in snapshot.ports},
        "wire": {wire.name for wire in snapshot.wires},
    }
    for kind, name in call.query.items():
        if name not in known[kind]:
            raise unknown(kind, name, sorted(known[kind]))
    return [port for port in snapshot.ports if all(_fits(port, key, name) for key, name in call.query.items())]


def _fits(port: PortView, key: str, name: str) -> bool:
    if key == "wire":
        return name in (port.wire or "").split(", ")
    return bool(getattr(port, key) == name)


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


def _ryu(noun: str, answer: Any, respond: Callable[[Snapshot, str | None], object]) -> tuple[Route, Route]:
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
            any_query=True,
            tagged=False,
        ),
        Route(
            path=path + "/{dpid}",
            name=f"topology_{noun}_of",
            summary=f"The {noun} of one switch, as Ryu's topology API answers; empty for an unknown one.",
            answer=answer,
            respond=lambda call: respond(call.snapshot, call.path["dpid"]),
            many=True,
            parameters=_DPID,
            any_query=True,
            tagged=False,
            failures=(HTTPStatus.NOT_FOUND,),
        ),
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
    Route(
        "/api/v1/ports",
        "ports",
        "The ports of the bridges.",
        models.Port,
        _ports,
        many=True,
        query={
            "host": Parameter("Only ports of this hypervisor."),
            "bridge": Parameter("Only ports of bridges of this name."),
            "wire": Parameter("Only ports where this wire ends."),
        },
        failures=(HTTPStatus.NOT_FOUND,),
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
        parameters={"name": Parameter("The wire's name, e.g. `vm1-eth1--vm2-eth1`.")},
        failures=(HTTPStatus.NOT_FOUND,),
    ),
    *_ryu("switches", models.TopologySwitch, topology.switches),
    *_ryu("links", models.TopologyLink, topology.links),
    *_ryu("hosts", models.TopologyHost, topology.hosts),
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

"""The flows of one bridge: what is wanted, what was found, and which wires they differ for.

Everything here goes by the owner of a flow: a wire, a port, or the bridge itself. What happens touches owners, and
only their flows are made and compared: a wire more costs the same among 50 000 as among 50.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING

from netctl.desired.flow import COOKIE, MAX_PORT, WHOLE_COOKIE, Flow
from netctl.desired.flows import WIRE_PRIORITY, bridge_flows, rest_flow, why, wire_flows
from netctl.desired.observe import LISTEN_PRIORITY, listening, locating
from netctl.plan import Found, Plan, Step, Wanted, delta
from netctl.plan.delta import NOT_THERE, NOT_WANTED
from netctl.policy import PortRef

if TYPE_CHECKING:
    from netctl.controller.planning import Panel

Owner = int
"""A wire's cookie; or the OpenFlow number of a port, for what is left of its frames; or 0, the bridge."""


def owner(flow: Flow) -> Owner:
    """Whose a flow of netctl's is."""
    if flow.cookie != COOKIE:
        return flow.cookie
    return flow.match.in_port or 0


class Table:
    """See the module. `panel` is the policy in force; `numbers` gives the ports that wires may use yet."""

    def __init__(self, panel: Panel, host: str, bridge: str) -> None:
        self.panel = panel
        self.host = host
        self.bridge = bridge
        self.numbers: Mapping[str, int] = {}
        self.ours: dict[Owner, tuple[Flow, ...]] = {}
        self.others: dict[Hashable, Flow] = {}
        """What somebody else put there, by identity."""
        self.news: set[Owner] = set()
        """Whose flows may have changed; whoever looks at them takes it away."""
        self._count = 0
        self._pending: dict[Owner, None] = {}
        self._names: dict[int, str] = {}
        """Of all ports."""
        self._heard: set[int] = set()
        """The ports whose LLDP the switch sends to the controller."""
        self._seeks = panel.seeks(host, bridge)

    def follow(self, panel: Panel) -> None:
        """Another policy is in force."""
        self.panel = panel
        self._seeks = panel.seeks(self.host, self.bridge)
        self._touch_all()

    def use(self, numbers: Mapping[str, int], there: Mapping[str, int] | None = None) -> None:
        """The ports that wires may use are now these, by name; `there` are all, if those are not."""
        before, self.numbers = self.numbers, numbers
        names, self._names = self._names, {number: name for name, number in (there or numbers).items()}
        if there is not None and there is not numbers:
            self.touch(number for number, _ in names.items() ^ self._names.items())
        if not before:
            self._touch_all()
            return
        for name in before.keys() | numbers.keys():
            if before.get(name) != numbers.get(name):
                self.touch(self.panel.owners_at(PortRef(self.host, self.bridge, name)))
                self.touch(number for number in (before.get(name), numbers.get(name)) if number is not None)

    def touch(self, owners: Iterable[Owner]) -> None:
        """Something changed that the flows of these depend on."""
        touched = dict.fromkeys(owners)
        self._pending.update(touched)
        self.news.update(touched)

    def read(self, found: Iterable[Found[Flow]]) -> None:
        """Every flow of the switch."""
        ours: dict[Owner, list[Flow]] = {}
        self.others = {}
        for flow, is_ours in ((each.item, each.ours) for each in found):
            if is_ours:
                ours.setdefault(owner(flow), []).append(flow)
            else:
                self.others[flow.identity] = flow
        self.ours = {whose: tuple(flows) for whose, flows in ours.items()}
        self._count = sum(map(len, self.ours.values()))
        self._heard = set()
        for whose, there in self.ours.items():
            if whose < COOKIE:
                self._hear(whose, there)
        self._touch_all()

    def check(self, found: Iterable[Found[Flow]], cookies: Collection[int], mask: int) -> bool:
        """Whether what is known of netctl's flows is true, of those whose cookie is one of `cookies` where `mask` has
        a bit: `found` are those and others' that the switch has.

        If not, all have to be read before anything is done: somebody else's may be where one of them was.
        """
        asked = frozenset(cookies)
        ours: dict[Owner, list[Flow]] = {}
        if self.others:
            self.others = {key: flow for key, flow in self.others.items() if flow.cookie & mask not in asked}
        for each in found:
            if each.ours:
                ours.setdefault(owner(each.item), []).append(each.item)
            else:
                self.others[each.item.identity] = each.item
        return ours.keys() == self._known(asked, mask) and all(
            len(flows) == len(known := self.ours[whose]) and all(flow in known for flow in flows)
            for whose, flows in ours.items()
        )

    def done(self, steps: Iterable[Step[Flow]]) -> None:
        """The switch confirmed these."""
        ours: dict[Owner, list[Flow]] = {}

        def flows(whose: Owner) -> list[Flow]:
            return ours.setdefault(whose, list(self.ours.get(whose, ())))

        for step in steps:
            if step.before is not None:
                flows(owner(step.before)).remove(step.before)
            if step.after is not None:
                flows(owner(step.after)).append(step.after)
        self._keep(ours)
        self.touch(ours)

    def plan(self) -> Plan[Flow]:
        """From what was found to what is wanted."""
        self.news.update(self._pending)
        plan, self._pending = self._plan(self._pending)
        return plan

    def plan_of(self, owners: Iterable[Owner]) -> Plan[Flow]:
        """The part of the plan that concerns these; nothing is taken note of."""
        return self._plan(owners)[0]

    def differs(self, owners: Iterable[Owner]) -> bool:
        """Whether one of these is not as it is wanted, or has not been looked at."""
        return any(whose in self._pending for whose in owners)

    @property
    def differing(self) -> bool:
        """Whether anything is not as it is wanted, or has not been looked at."""
        return bool(self._pending)

    def touch_ports(self, names: Iterable[str]) -> None:
        """The wires at these ports changed."""
        self.touch(self.numbers[name] for name in names if name in self.numbers)

    def heard(self) -> set[int]:
        """The ports without a wire whose LLDP comes to the controller, as it should."""
        return {number for number in self._heard if number not in self._pending or self._sought(number)}

    def _sought(self, number: int) -> bool:
        """Whether the policy has links looked for at a port."""
        name = self._names.get(number)
        return name is not None and self.panel.fabric(PortRef(self.host, self.bridge, name))

    def count(self) -> int:
        """How many flows of netctl's the switch has."""
        return self._count

    def flows(self) -> Iterator[Flow]:
        """Those of netctl's that the switch has."""
        for flows in self.ours.values():
            yield from flows

    def installed(self, whose: Owner) -> bool:
        """Whether the switch has all that a wire needs."""
        return whose not in self._pending and whose in self.ours

    def wired(self) -> set[PortRef]:
        """The ports that the switch's flows wire now, whatever the policy says."""
        wired: set[int] = set()
        for flow in self.flows():
            if flow.priority == WIRE_PRIORITY and flow.match.in_port is not None:
                wired.add(flow.match.in_port)
                wired.update(flow.outputs())
        return {PortRef(self.host, self.bridge, self._names[number]) for number in wired if number in self._names}

    def _touch_all(self) -> None:
        self._pending = dict.fromkeys(chain(self.panel.owners(self.host, self.bridge), self._names, self.ours))
        self.news.update(self._pending)

    def _keep(self, ours: Mapping[Owner, Collection[Flow]]) -> None:
        for whose, flows in ours.items():
            self._count += len(flows) - len(self.ours.get(whose, ()))
            if flows:
                self.ours[whose] = tuple(flows)
            else:
                self.ours.pop(whose, None)
            if whose < COOKIE:
                self._hear(whose, flows)

    def _hear(self, whose: Owner, flows: Iterable[Flow]) -> None:
        if any(flow.priority == LISTEN_PRIORITY for flow in flows):
            self._heard.add(whose)
        else:
            self._heard.discard(whose)

    def _known(self, cookies: frozenset[int], mask: int) -> set[Owner]:
        """Who has flows whose cookie is one of these where `mask` has a bit."""
        if mask == WHOLE_COOKIE and COOKIE not in cookies:
            return {whose for whose in cookies if whose in self.ours}
        return {whose for whose in self.ours if (whose if whose > COOKIE else COOKIE) & mask in cookies}

    def _plan(self, owners: Iterable[Owner]) -> tuple[Plan[Flow], dict[Owner, None]]:
        made: list[Step[Flow]] = []
        wanted: list[Wanted[Flow]] = []
        found: list[Found[Flow]] = []
        differing: dict[Owner, None] = {}
        for whose in owners:
            cables = self.panel.owned(self.host, self.bridge, whose)
            flows: tuple[Flow, ...] = ()
            for cable in cables:
                flows += wire_flows(self.bridge, cable, whose, self.numbers)
            have = self.ours.get(whose, ())
            if flows and not have and not self.others:
                differing[whose] = None
                reason = f"{NOT_THERE}; {why(cables[0])}"
                for flow in flows:
                    made.append(Step("add", reason, None, flow))
                continue
            here = () if flows else self._not_a_wire(whose)
            if len(flows) + len(here) == len(have) and all(
                flow in have for flow in (flows or [each.item for each in here])
            ):
                continue
            differing[whose] = None
            reason = why(cables[0]) if cables else ""
            wanted += [self._explained(whose, each) for each in here] or [Wanted(flow, reason) for flow in flows]
            found += map(Found, have)
        if self.others:
            found += [
                Found(self.others[identity], ours=False)
                for identity in (each.item.identity for each in wanted)
                if identity in self.others
            ]
        plan = delta(wanted, found, identity=_identity, why_not=self._why_not)
        return (Plan((*plan.steps, *made), plan.collisions) if made else plan), differing

    def _not_a_wire(self, whose: Owner) -> list[Wanted[Flow]]:
        if whose == 0:
            return bridge_flows(self.bridge, *self.panel.unpatched(self.host, self.bridge))
        name = self._names.get(whose)
        if name is None:
            return []
        if self._seeks and whose <= MAX_PORT:
            ref = PortRef(self.host, self.bridge, name)
            if self.panel.fabric(ref):
                return [Wanted(flow, "") for flow in (listening(self.bridge, whose), *self._locating(whose, ref))]
        if name not in self.numbers or self.panel.unpatched(self.host, self.bridge)[0] != "normal":
            return []
        return rest_flow(self.bridge, whose, name, self.panel.at(PortRef(self.host, self.bridge, name)))

    def _explained(self, whose: Owner, wanted: Wanted[Flow]) -> Wanted[Flow]:
        """With the reason, where that was not worth saying before it was known that there is something to do."""
        if wanted.why:
            return wanted
        name = self._names[whose]
        what = "links" if wanted.item.priority == LISTEN_PRIORITY else "hosts"
        said = self.panel.fabric_said(PortRef(self.host, self.bridge, name))
        return Wanted(wanted.item, f"{what} are looked for at port {name}; {said}")

    def _locating(self, number: int, ref: PortRef) -> Iterable[Flow]:
        if not self.panel.located(ref):
            return ()
        return locating(self.bridge, number, self.panel.unpatched(self.host, self.bridge)[0] == "normal")

    def _why_not(self, flow: Flow) -> str:
        for cable in self.panel.owned(self.host, self.bridge, flow.cookie):
            missing = [end.port for end in cable.ends if end.port not in self.numbers]
            if missing:
                return f"wire {cable.name} has no port {' and no port '.join(missing)}; {cable.said}"
        return NOT_WANTED


def _identity(flow: Flow) -> Hashable:
    return flow.identity

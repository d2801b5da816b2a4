"""`netctl probe throughput`: Mbit/s, loss and latency between two ends."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from netctl.cli.inputs import BAD_INPUT, need_root, say_and_exit
from netctl.cli.places import Nic, NoPlace, Place, Places, ip, pair
from netctl.cli.wire import Signs
from netctl.kernel.errors import KernelError
from netctl.kernel.hop import hop, unanswered
from netctl.probe import echo
from netctl.probe.namespace import at
from netctl.probe.throughput import Flow, NoWay, Point, Say, Trips, measure, pinged
from netctl.probe.unreached import Standing, Tried, standing, why

PINGS, PING_WAIT = 3, 0.3
"""Echo requests that are tried when TCP is not heard, and seconds that each has."""

HEADERS = {4: 28, 6: 48}
"""Octets of IP and ICMP before an echo request's payload."""


@click.command("throughput")
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@click.option(
    "--seconds", type=click.FloatRange(0.2, 3600), default=3.0, show_default=True, help="How long each stream takes."
)
@click.option("--both/--one-way", default=True, show_default=True, help="Also from B to A, afterwards.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def command(one: str, other: str, seconds: float, both: bool, as_json: bool) -> None:
    """Throughput, loss and latency from A to B, and back.

    A and B are ends on this machine: a namespace (ns1), a device in one (ns1/eth0), an address in one (ns1/10.0.0.1),
    the host's side of a veth whose other side is in a namespace (ns1-eth0), a device of the host or an address. «.» is
    the host itself. B may be an address elsewhere: then loss and latency are measured by echo requests.

    Latency and loss are measured at rest, then beside a stream of zeros over TCP as fast as it goes. Nothing but netctl
    is needed. Exit code 0: measured; 1: the ends do not reach each other, which is explained; 2: no such end.

    \b
    netctl probe throughput ns1 ns2
    netctl probe throughput ns1-eth0 ns2-eth0 --seconds 10 --one-way
    netctl probe throughput . 192.0.2.7 --json
    """
    need_root("netctl probe throughput")
    with Places() as places:
        try:
            here, there = places.find(one), places.find(other)
            if here.namespace is None:
                raise NoPlace(
                    f"{one}: nothing on this machine has that address; put it second: `netctl probe throughput . {one}`"
                )
            if there.namespace is None:
                answer = _to_elsewhere(places, here, there, seconds, as_json)
            else:
                answer = _between(places, here, there, seconds, both, as_json)
        except NoPlace as error:
            say_and_exit(str(error), BAD_INPUT)
        except (KernelError, OSError) as error:
            say_and_exit(f"this machine's devices cannot be looked at: {error}", 1)
    raise SystemExit(answer)


def _between(places: Places, one: Place, other: Place, seconds: float, both: bool, as_json: bool) -> int:
    assert one.namespace is not None
    assert other.namespace is not None
    if one.namespace == other.namespace:
        where = f"the namespace {one.namespace}" if one.namespace else "this namespace"
        raise NoPlace(
            f"{one.name} and {other.name} are both in {where}, where the kernel hands packets over without any wire; "
            "name ends in two namespaces"
        )
    ours, theirs = pair(one, other)
    here = Point(one.name, one.namespace, ours, one.device)
    there = Point(other.name, other.namespace, theirs, other.device)
    try:
        broken = standing(_standing(places, here, there), _standing(places, there, here))
        if broken:
            raise NoWay(here, there, "connect", "nothing can pass")
        with progress(as_json) as say:
            flows = measure(here, there, seconds, both, say)
    except NoWay as error:
        reasons = explain(places, error)
        if as_json:
            say_json(str(error), reasons)
        else:
            show_problem(Console(), error, reasons)
        return 1
    if as_json:
        say_json(directions=[each.as_json() for each in flows])
    else:
        show(Console(), flows)
    return 0


def _to_elsewhere(places: Places, here: Place, there: Place, seconds: float, as_json: bool) -> int:
    assert here.namespace is not None
    address = there.addresses[0]
    way = hop(places.rtnl(here.namespace), address)
    if way is None or not way.source:
        message = f"{here.name} has no route to {address}"
        reasons = [f"`{ip(here.namespace)} route add {address} via GATEWAY`, or an address in its network"]
        return _no_echo(message, reasons, as_json)
    source = pair(here, there)[0] if here.device else way.source
    try:
        with progress(as_json) as say:
            trips = pinged(address, Point(here.name, here.namespace, source, here.device), seconds, say)
    except NoWay as error:
        return _no_echo(f"{here.name} cannot send to {address}: {error}", [], as_json)
    if not trips.microseconds:
        asked = way.via or address
        silent = unanswered(places.rtnl(here.namespace), asked)
        what = f"nobody answers for {asked} at {way.device}" if silent else "a filter on the way, or there is nobody"
        return _no_echo(f"{address} does not answer {here.name}", [what], as_json)
    note = (
        f"{address} is not on this machine: loss and latency are of echo requests, there and back; "
        "throughput needs both ends here"
    )
    if as_json:
        echoed = {"from": here.name, "to": address, "addresses": [source, address], "latency": "round-trip"}
        say_json(note=note, directions=[{**echoed, "at_rest": trips.as_json()}])
        return 0
    console = Console()
    table = _table()
    table.add_row(f"{here.name} to {address} and back", "", *_cells(trips, Signs(console).micro))
    console.print(table)
    console.print(note, style="dim")
    return 0


def _no_echo(problem: str, reasons: Sequence[str], as_json: bool) -> int:
    if as_json:
        say_json(problem, reasons)
    else:
        show_lines(Console(), problem, reasons)
    return 1


def say_json(
    problem: str = "", because: Sequence[str] = (), note: str = "", directions: Sequence[Mapping[str, Any]] = ()
) -> None:
    document = {"problem": problem, "because": list(because), "note": note, "directions": list(directions)}
    click.echo(json.dumps(document, indent=2))


def explain(places: Places, error: NoWay) -> list[str]:
    """What is known about why the two points do not reach each other."""
    if error.what == "address":
        return []
    one, other = error.sender, error.receiver
    here, there = _standing(places, one, other), _standing(places, other, one)
    mtu = _nic(places, one).link.mtu
    return standing(here, there) or why(
        here,
        there,
        Tried(error.what, _pings(one, other, 32), _pings(one, other, mtu - HEADERS[one.version]) > 0, mtu),
    )


def _nic(places: Places, point: Point) -> Nic:
    nic = places.nic_of(point.namespace, point.address)
    assert nic is not None, "the address was taken from one"
    return nic


def _standing(places: Places, point: Point, other: Point) -> Standing:
    nic = _nic(places, point)
    rtnl = places.rtnl(point.namespace)
    way = hop(rtnl, other.address, point.address)
    return Standing(
        point.name,
        point.address,
        str(nic),
        nic.link.name,
        ip(point.namespace),
        f"ip netns exec {point.namespace} " if point.namespace else "",
        nic.link.up,
        nic.link.running,
        places.leaves_checksums(nic),
        way is not None,
        way.via if way else "",
        unanswered(rtnl, (way.via if way else "") or other.address),
    )


def _pings(one: Point, other: Point, size: int) -> int:
    with suppress(OSError):
        link = at(one.namespace, lambda: echo.opened(one.version, other.address, one.address, one.device))
        with link:
            return echo.answered(link, one.version, PINGS, PING_WAIT, size)
    return 0


@contextmanager
def progress(quiet: bool) -> Iterator[Say]:
    """A bar on a terminal, and nothing elsewhere."""
    console = Console(stderr=True)
    if quiet or not sys.stderr.isatty():
        yield lambda _what, _part: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=1.0)

        def say(what: str, part: float) -> None:
            bar.update(task, description=what, completed=part)

        yield say


def show(console: Console, flows: Sequence[Flow]) -> None:
    table = _table()
    micro = Signs(console).micro
    for flow in flows:
        ends = f"{flow.sender.name} to {flow.receiver.name}"
        table.add_row(f"{ends}, at rest", "", *_cells(flow.rest, micro))
        table.add_row(f"{ends}, full", rate_text(flow.mbits), *_cells(flow.full, micro), end_section=True)
    console.print(f"{_end(flows[0].sender)}, {_end(flows[0].receiver)}", highlight=False, soft_wrap=True)
    console.print(table)
    for flow in flows:
        if flow.again:
            text = f"{flow.sender.name} to {flow.receiver.name}: TCP sent {flow.again} segments again"
            console.print(text, style="yellow", soft_wrap=True)


def _end(point: Point) -> str:
    return point.name if point.name.endswith(point.address) else f"{point.name} {point.address}"


def _table() -> Table:
    table = Table("way")
    for name in ("throughput", "lost", "min", "median", "99 %"):
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _cells(trips: Trips, micro: str) -> tuple[str, ...]:
    lost = f"{trips.loss:.3g} %"
    return lost, *(time_text(trips.quantile(part), micro) for part in (0, 0.5, 0.99))


def rate_text(mbits: float) -> str:
    """«9.57 Mbit/s», «12.1 Gbit/s»."""
    return f"{mbits:.3g} Mbit/s" if mbits < 999.5 else f"{mbits / 1000:.3g} Gbit/s"


def time_text(microseconds: float | None, micro: str) -> str:
    """«85 µs», «12.3 ms», «1.2 s»; `micro` is how the first unit is written."""
    if microseconds is None:
        return "-"
    for unit, size in ((micro, 1), ("ms", 1000)):
        if microseconds < 1000 * size:
            return f"{microseconds / size:.3g} {unit}"
    return f"{microseconds / 1e6:.3g} s"


def show_problem(console: Console, error: NoWay, reasons: Sequence[str]) -> None:
    ends = "" if error.what == "address" else f"{_end(error.sender)} to {_end(error.receiver)}: "
    show_lines(console, f"{ends}{error}", reasons)


def show_lines(console: Console, problem: str, reasons: Sequence[str]) -> None:
    console.print(problem, style="red", soft_wrap=True, highlight=False, markup=False)
    for reason in reasons:
        console.print(f"  because  {reason}", style="yellow", soft_wrap=True, highlight=False, markup=False)

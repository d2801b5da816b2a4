"""`netctl probe symmetric`: whether each address of a host answers from its own NIC with its own MAC."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_interface

import click
from rich.console import Console
from rich.table import Table

from netctl.cli.inputs import BAD_INPUT, need_root, say_and_exit
from netctl.cli.places import HERE, Nic, NoPlace, Places, bare
from netctl.desired.routing import Sysctl
from netctl.kernel import rule, sysctl
from netctl.kernel.errors import KernelError
from netctl.kernel.hop import hop
from netctl.probe.symmetric import look
from netctl.probe.verdict import Facts, Fault, Seat, Vantage, Verdict, judge, setting

TABLES = 1000
"""Where the numbers of tables begin that are proposed; the NIC's index is added."""

ALIKE = 3
"""Namespaces of one network that ask, where nobody says which: a host may have hundreds of guests."""

DEAF = "net.ipv4.icmp_echo_ignore_all"


@click.command("symmetric")
@click.option("--address", "addresses", multiple=True, help="Only this address of the host; may be given again.")
@click.option(
    "--from",
    "origins",
    multiple=True,
    metavar="NETNS|./NIC",
    help="Ask from this namespace, or by this NIC of the host; may be given again. Else from what reaches it.",
)
@click.option("--of", default=HERE, metavar="NETNS", help="The host that is asked: a namespace; else this machine.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def command(addresses: tuple[str, ...], origins: tuple[str, ...], of: str, as_json: bool) -> None:
    """Does each address of this host answer from its own NIC, with its own MAC?

    It is asked from outside: from other namespaces of this machine, neighbours or behind a router, and by the host's
    own NICs, which ask for each other. ARP tells which MACs answer for an address. An echo request tells by which NIC
    the answer leaves. What is wrong is said with its reason and what mends it.

    Exit code 0: every address that could be asked answers as it should; 1: one does not, or none could be asked; 2: no
    such namespace or address.

    \b
    netctl probe symmetric
    netctl probe symmetric --from client --from lan --address 192.168.1.253
    netctl probe symmetric --of router --json
    """
    need_root("netctl probe symmetric")
    host = "" if of == HERE else of
    with Places() as places:
        try:
            if host and host not in places.namespaces():
                raise NoPlace(f"there is no namespace {host}; there is {', '.join(places.namespaces()) or 'none'}")
            seats = _seats(places, host, addresses)
            questions = list(_questions(places, host, seats, origins))
            seen = look(host, questions)
            facts = _facts(places, host, questions)
        except NoPlace as error:
            say_and_exit(str(error), BAD_INPUT)
        except (KernelError, OSError) as error:
            say_and_exit(f"this machine's devices cannot be looked at: {error}", 1)
    verdicts = [judge(*question, found, facts) for question, found in zip(questions, seen, strict=True)]
    told = [each for each in verdicts if each.tried or (origins and not each.vantage.own)]
    if as_json:
        _say_json(seats, told)
    else:
        show(Console(), seats, told)
    good = all(each.clean for each in told) and bool(told)
    raise SystemExit(0 if good else 1)


def _seats(places: Places, host: str, chosen: Sequence[str]) -> list[Seat]:
    """The addresses of the host that are to be asked. Raises NoPlace."""
    seats = []
    for nic in places.nics(host):
        for each in nic.addresses:
            interface = ip_interface(each)
            table = TABLES + nic.link.index
            seats.append(Seat(bare(each), str(interface.network), nic.link.name, nic.link.mac, table))
    known = [seat.address for seat in seats]
    for each in chosen:
        try:
            text = str(ip_address(each))
        except ValueError:
            raise NoPlace(f"--address {each}: this is no address") from None
        if text not in known:
            raise NoPlace(f"--address {each}: the host has no such address; it has {', '.join(known) or 'none'}")
    wanted = {str(ip_address(each)) for each in chosen}
    if not seats:
        raise NoPlace("the host has no address but that of its loopback")
    return [seat for seat in seats if not wanted or seat.address in wanted]


def _questions(
    places: Places, host: str, seats: Sequence[Seat], origins: Sequence[str]
) -> Iterator[tuple[Seat, Vantage]]:
    """Every address from every place that may ask for it. Raises NoPlace."""
    namespaces, nics = _origins(places, host, origins)
    for seat in seats:
        asking: Counter[str] = Counter()
        for namespace in namespaces:
            vantage = _outside(places, namespace, seat)
            if vantage is None:
                continue
            network = _network(places, vantage)
            asking[network] += 1
            if origins or asking[network] <= ALIKE:
                yield seat, vantage
        if ":" not in seat.address:
            for nic in nics:
                link = nic.link
                yield seat, Vantage(f"./{link.name}", host, link.name, link.mac, "", near=True, own=True)


def _network(places: Places, vantage: Vantage) -> str:
    """That of the address which it asks from."""
    nic = places.nic_of(vantage.namespace, vantage.source)
    mine = [each for each in nic.addresses if bare(each) == vantage.source] if nic else []
    return str(ip_interface(mine[0]).network) if mine else vantage.source


def _origins(places: Places, host: str, origins: Sequence[str]) -> tuple[list[str], list[Nic]]:
    """The namespaces, and the host's own NICs, that ask. Raises NoPlace."""
    mine = [nic for nic in places.nics(host) if nic.link.running and nic.link.kind not in ("bridge", "tun")]
    others = [each for each in places.namespaces() if each != host] + ([""] if host else [])
    if not origins:
        having = [nic for nic in mine if any(ip_interface(each).version == 4 for each in nic.addresses)]
        return others, having if len(having) > 1 else []
    namespaces: list[str] = []
    nics: list[Nic] = []
    for each in origins:
        device = each.removeprefix("./")
        found = next((nic for nic in mine if nic.link.name == device), None)
        if each in others or (each == HERE and host):
            namespaces.append("" if each == HERE else each)
        elif found is not None:
            nics.append(found)
        else:
            names = [other or HERE for other in others] + [f"./{nic.link.name}" for nic in mine]
            raise NoPlace(f"--from {each}: nothing of that name can ask; there is {', '.join(names) or 'nothing'}")
    return namespaces, nics


def _outside(places: Places, namespace: str, seat: Seat) -> Vantage | None:
    """How a namespace asks for an address; None where it has no way, or the address is its own."""
    way = hop(places.rtnl(namespace), seat.address)
    if way is None or way.local or not way.source:
        return None
    nic = next((each for each in places.nics(namespace) if each.link.name == way.device), None)
    if nic is None:
        return None
    return Vantage(namespace or HERE, namespace, way.device, nic.link.mac, way.source, near=not way.via)


def _facts(places: Places, host: str, questions: Sequence[tuple[Seat, Vantage]]) -> Facts:
    rtnl = places.rtnl(host)
    nics = places.nics(host)
    names = ["all", *(nic.link.name for nic in nics)]
    wanted = [setting(name, what) for name in names for what in ("rp_filter", "arp_ignore")]
    items = [each.item for each in sysctl.look(host, [*wanted, DEAF], ())]
    found = {item.name: item.value for item in items if isinstance(item, Sysctl)}

    def in_force(what: str) -> dict[str, int]:
        """The larger of the NIC's own and that of all (ip-sysctl.rst)."""
        values = {name: int(found.get(setting(name, what), "0")) for name in names}
        return {name: max(value, values["all"]) for name, value in values.items()}

    read = [rule.read(body, host) for body in rtnl.matching(rule.RTM_GETRULE, bytes(12))]
    rules = [each for each in read if each is not None]
    ways = {}
    for seat, vantage in questions:
        back = hop(rtnl, vantage.source, seat.address) if vantage.source else None
        if back is not None:
            ways[seat.address, vantage.source] = back.device
    return Facts(
        nics={nic.link.mac: nic.link.name for nic in nics},
        rp_filter=in_force("rp_filter"),
        arp_ignore=in_force("arp_ignore"),
        ways=ways,
        ruled=frozenset(each.source for each in rules if each.source),
        twins={seat.address: _twins(nics, seat) for seat, _ in questions},
        networks=tuple({str(ip_interface(each).network): None for nic in nics for each in nic.addresses}),
        keeps_specifics=any(each.suppress_prefixlength == 0 for each in rules),
        deaf=found.get(DEAF) == "1",
        enter=f"ip netns exec {host} " if host else "",
    )


def _twins(nics: Sequence[Nic], seat: Seat) -> frozenset[str]:
    """The other devices with an address in the network of one."""
    return frozenset(
        nic.link.name
        for nic in nics
        if nic.link.name != seat.nic and any(str(ip_interface(each).network) == seat.network for each in nic.addresses)
    )


def _say_json(seats: Sequence[Seat], told: Sequence[Verdict]) -> None:
    addresses = []
    for seat in seats:
        trials = [each for each in told if each.seat == seat]
        addresses.append(
            {
                "address": seat.address,
                "nic": seat.nic,
                "mac": seat.mac,
                "tried": any(each.tried for each in trials),
                "clean": bool(trials) and all(each.clean for each in trials),
                "trials": [each.as_json() for each in trials],
            }
        )
    clean = bool(told) and all(each.clean for each in told)
    click.echo(json.dumps({"clean": clean, "addresses": addresses}, indent=2))


def show(console: Console, seats: Sequence[Seat], told: Sequence[Verdict]) -> None:
    """A row for each address and what was seen of it, and under it what is wrong."""
    table = Table("address", "NIC", "asked from", "ARP by", "answer by", "verdict")
    for seat in seats:
        rows: dict[tuple[str, ...], list[str]] = {}
        for each in told:
            if each.seat == seat:
                rows.setdefault(_row(each, told), []).append(each.vantage.name)
        for (macs, left, verdict), names in rows.items():
            style = {"clean": "green", "not reached": "yellow"}.get(verdict, "red")
            table.add_row(seat.address, seat.nic, ", ".join(names), macs, left, f"[{style}]{verdict}[/]")
        if not rows:
            table.add_row(seat.address, seat.nic, "", "", "", "[yellow]nobody here can ask[/]")
    console.print(table)
    faults: dict[Fault, None] = dict.fromkeys(fault for each in told for fault in each.faults)
    for fault in faults:
        for text, style in (
            (fault.said, "red"),
            (f"  because  {fault.because}", "yellow"),
            (f"  mend     {fault.remedy}", "green"),
        ):
            console.print(text, style=style, soft_wrap=True, highlight=False, markup=False)
    asked = [each for each in seats if any(one.tried for one in told if one.seat == each)]
    good = [each for each in asked if all(one.clean for one in told if one.seat == each)]
    style = "green" if len(good) == len(asked) and asked else "red"
    console.print(f"{len(good)} of {len(asked)} addresses that could be asked answer from their own NIC.", style=style)


def _row(verdict: Verdict, told: Sequence[Verdict]) -> tuple[str, str, str]:
    """By whom ARP was answered, by which NIC the answer left, and the verdict."""
    macs = {each.seat.mac: each.seat.nic for each in told}
    seen = verdict.seen
    answered = ", ".join(macs.get(mac, mac) for mac in seen.macs)
    faults = ", ".join(dict.fromkeys(each.kind for each in verdict.faults))
    return answered, seen.left[0] if seen.left else "", faults or ("clean" if verdict.tried else "not reached")

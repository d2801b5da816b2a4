"""What a policy may say. The text of each field is what docs/policy.md and the JSON Schema say about it.

Values come out in one form however they were written: short forms are long, a wire has its name. What fits together
is a matter of `rules`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    StrictBool,
    StrictInt,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from netctl.policy import name as names
from netctl.policy.brief import Brief
from netctl.policy.guest import Guest
from netctl.policy.link import Link
from netctl.policy.rate import Amount, Rate, as_written
from netctl.policy.value import (
    Addresses,
    AnyMac,
    DeviceName,
    InterfaceAddresses,
    Mac,
    Network,
    Ovsdb,
    Part,
    PlainName,
    PortSpec,
    SysctlName,
    SysctlValue,
    VlanId,
    WireName,
)


class Port(Part):
    """A port of a bridge that is no guest's. Short form: just its name."""

    short: ClassVar[dict[str, Any] | None] = {"type": "string", "description": "The name of the port."}

    name: DeviceName = Field(description="The network device that becomes the port.")
    role: Literal["fabric"] | None = Field(
        None,
        description="`fabric` for a port to another switch: links are looked for there, by LLDP of netctl's own. "
        "No wire may end there.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_short(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class Bridge(Part):
    """An Open vSwitch bridge, made and kept by the controller."""

    datapath: Literal["system", "netdev"] = Field(
        "system", description="`system` is the kernel's datapath, `netdev` the one in user space."
    )
    unpatched: Literal["drop", "normal"] = Field(
        "drop",
        description="What ports without a wire get: `drop` passes nothing, "
        "`normal` makes them a learning switch among themselves.",
    )
    ports: tuple[Port, ...] = Field((), description="Ports that are not a guest's.")
    discover: StrictBool = Field(
        False,
        description="Whether links to other switches are looked for at every port without a wire, and not only at "
        "those with `role: fabric`; and the hosts at those ports.",
    )
    adopt: StrictBool = Field(
        False,
        description="Whether it is a bridge that somebody else made, which netctl takes over as it runs and gives "
        "back in the end: its settings, and the ports and flows that others put on it, stay as they are. `unpatched` "
        "is then about netctl's own ports only: with `drop` the bridge's NORMAL does not reach them, with `normal` "
        "it does.",
    )


class Uplink(Part):
    """A NIC of the host with a default route of its own; its table, rules and kernel settings follow. One with IPv4 and
    IPv6 has a list of addresses and a gateway for each."""

    address: InterfaceAddresses = Field(description="Its address, with the prefix length; or several.")
    gateway: Addresses = Field(description="The next hop of its default route; with addresses of both families, two.")
    table: Annotated[StrictInt, Field(ge=1, le=2**32 - 1)] = Field(
        description="The number of its routing table: not 253 to 255, which are the kernel's."
    )


class Queue(Part):
    """A share of a wire's rate."""

    min: Rate | None = Field(None, description="What it gets even when others want more.")
    max: Rate | None = Field(None, description="What it never exceeds.")
    priority: Annotated[StrictInt, Field(ge=0, le=2**32 - 1)] | None = Field(
        None, description="Lower is served first with what is left."
    )
    burst: Amount | None = Field(None, description="How much may pass at once, above `max`.")


class Rates(Part):
    """A rate for each direction. Short form: one rate, for both."""

    short: ClassVar[dict[str, Any] | None] = {"$ref": "#/$defs/Rate"}

    a_to_b: Rate | None = Field(None, description="From the first end to the second.")
    b_to_a: Rate | None = Field(None, description="From the second end to the first.")

    @model_validator(mode="before")
    @classmethod
    def _from_short(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {"a_to_b": value, "b_to_a": value}

    @property
    def bits(self) -> tuple[int | None, int | None]:
        """Bits per second, a_to_b and b_to_a; None where none are said."""
        return self.a_to_b.bits if self.a_to_b else None, self.b_to_a.bits if self.b_to_a else None


class Match(Part):
    """Which frames: those to which everything said applies. Nothing said: every frame."""

    eth_type: Annotated[StrictInt, Field(ge=0x600, le=0xFFFF)] | None = Field(
        None, description="E.g. `0x0806` for ARP."
    )
    eth_src: Mac | None = Field(None, description="The sender's MAC.")
    eth_dst: AnyMac | None = Field(None, description="The receiver's MAC.")
    vlan: VlanId | None = Field(None, description="The VLAN of its tag.")
    vlan_pcp: Annotated[StrictInt, Field(ge=0, le=7)] | None = Field(None, description="The priority of its tag.")
    ip_dscp: Annotated[StrictInt, Field(ge=0, le=63)] | None = Field(None, description="E.g. `46` for voice.")
    ip_proto: Annotated[StrictInt, Field(ge=0, le=255)] | None = Field(None, description="E.g. `6` for TCP.")
    ip_src: Network | None = Field(None, description="The sender's address or network.")
    ip_dst: Network | None = Field(None, description="The receiver's address or network.")
    tcp_src: Annotated[StrictInt, Field(ge=0, le=65535)] | None = Field(None, description="The sender's TCP port.")
    tcp_dst: Annotated[StrictInt, Field(ge=0, le=65535)] | None = Field(None, description="The receiver's TCP port.")
    udp_src: Annotated[StrictInt, Field(ge=0, le=65535)] | None = Field(None, description="The sender's UDP port.")
    udp_dst: Annotated[StrictInt, Field(ge=0, le=65535)] | None = Field(None, description="The receiver's UDP port.")


class Class(Part):
    """Frames that go through a queue."""

    match: Match = Field(description="Which frames; `{}` for all that no earlier entry took.")
    queue: PlainName = Field(description="The queue, by its name under `queues`.")


class End(Part):
    """One end of a wire: a port, or one VLAN of it. Short form: just the port."""

    short: ClassVar[dict[str, Any] | None] = {
        "type": "string",
        "description": "The port: [host/[bridge/]]port, as little as is unique.",
    }

    port: PortSpec = Field(description="`[host/[bridge/]]port`, as little as is unique.")
    vlan: VlanId | None = Field(
        None,
        description="Only this VLAN of the port, 1 to 4094. Between VLANs its tag is rewritten; "
        "towards a whole port it is taken off, and from there put on.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_short(cls, value: Any) -> Any:
        return {"port": value} if isinstance(value, str) else value


class Wire(Part):
    """A cable: what enters at one end leaves at the other, nothing else does. Short form: its two ends."""

    short: ClassVar[dict[str, Any] | None] = {
        "type": "array",
        "items": {"$ref": "#/$defs/End"},
        "minItems": 2,
        "maxItems": 2,
        "description": "The two ends.",
    }

    name: WireName = Field("", description="What it is called; A--B, from the names of its ports, when left out.")
    ends: tuple[End, End] = Field(description="Its two ends.")
    rate: Rates | None = Field(
        None,
        description="How fast it may go; as fast as it can when left out. A direction is "
        "limited at the port where it leaves.",
    )
    classify: tuple[Class, ...] = Field((), description="Which frames go through which queue; the first that matches.")
    observe: Literal["lldp"] | None = Field(
        None,
        description="`lldp` for a copy of LLDP to the controller, for `netctl show neighbours`; "
        "the frame itself passes untouched.",
    )
    carrier: Literal["follow", "ignore"] | None = Field(
        None,
        description="When one end has no carrier: `follow` (which is meant when it is left out) takes the other down, "
        "as a cable would; `ignore` leaves it.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_short(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            value = {"ends": value}
        if isinstance(value, dict) and "name" not in value:
            ends = value.get("ends")
            if isinstance(ends, list | tuple) and len(ends) == 2:
                return {**value, "name": default_name(ends)}
        return value


class TapCopy(Part):
    """A copy of all that enters a wire, at either end and as it comes in, for a monitor port."""

    of: WireName = Field(description="The wire, by its name.")
    to: PortSpec = Field(description="The port that gets the copy; what it sends goes nowhere.")


class Host(Part):
    """A hypervisor."""

    ovsdb: Ovsdb | None = Field(
        None,
        description="Where its Open vSwitch database is: unix:PATH, tcp:ADDRESS:PORT or ssl:ADDRESS:PORT. "
        "This machine's own when left out: unix:/var/run/openvswitch/db.sock, or db.sock in OVS_RUNDIR.",
    )
    bridges: dict[DeviceName, Bridge] = Field({}, description="Open vSwitch bridges, the controller's work.")
    guests: dict[PlainName, Guest] = Field({}, description="Virtual machines and namespaces, the agent's work.")
    links: dict[DeviceName, Link] = Field({}, description="Plain network devices, the agent's work.")
    foreign_taps: Literal["report", "enforce"] = Field(
        "report",
        description="What becomes of a tap that somebody else attaches to one of the bridges and whose MAC breaks the "
        "rule that netctl's taps keep (the first octet 0xFE or 0xFA, never the guest's own MAC): it is told of, or it "
        "gets another MAC.",
    )
    uplinks: dict[DeviceName, Uplink] = Field({}, description="NICs with a default route each, by device.")
    sysctls: dict[SysctlName, SysctlValue] = Field({}, description="Kernel settings under net, given back later.")


def _unless_brief(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    return value if type(value) is Brief else handler(value)


class Policy(Part):
    """All that a policy says."""

    version: Annotated[Literal[1], BeforeValidator(names.version)] = Field(
        description="The version of the language, `1`; every file says it."
    )
    hosts: dict[PlainName, Host] = Field({}, description="The hypervisors, by name.")
    queues: dict[PlainName, Queue] = Field({}, description="Queues that wires put frames in, by name.")
    wires: tuple[Annotated[Wire, WrapValidator(_unless_brief)], ...] = Field((), description="What is wired to what.")
    unwire: tuple[WireName, ...] = Field(
        (),
        description="Wires of the other files that are not to be, by name; one that no file has is no error. "
        "What is patched at run time says it.",
    )
    taps: tuple[TapCopy, ...] = Field((), description="Copies of wires.")


def rates_of(a_to_b: int | None, b_to_a: int | None) -> Rates:
    """Rates of so many bits per second."""
    told = {"a_to_b": a_to_b, "b_to_a": b_to_a}
    return Rates.model_validate({key: as_written(bits) for key, bits in told.items() if bits is not None})


def default_name(ends: Iterable[Any]) -> str:
    """What a wire is called that has no name, from its ends as they were written."""
    specs = [end.get("port") if isinstance(end, dict) else end for end in ends]
    return "--".join(spec.rpartition("/")[2] if isinstance(spec, str) else "" for spec in specs)

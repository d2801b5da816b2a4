"""What a policy may say. The text of each field is what docs/policy.md and the JSON Schema say about it.

Values come out in one form however they were written: short forms are long, MACs are lower case, addresses
are as `ipaddress` prints them, a wire has its name. What fits together is a matter of `rules`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)

from netctl.policy import name as names
from netctl.policy.brief import Brief
from netctl.policy.rate import Amount, Rate

DeviceName = Annotated[
    StrictStr,
    AfterValidator(names.device_name),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": names.IFNAMSIZ, "pattern": "^[^/:%\\s]+$"}),
]
PlainName = Annotated[
    StrictStr,
    AfterValidator(names.plain_name),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$"}),
]
WireName = Annotated[
    StrictStr,
    AfterValidator(names.wire_name),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[!-.0-~]+$"}),
]
AnyMac = Annotated[
    StrictStr,
    AfterValidator(names.any_mac),
    WithJsonSchema({"type": "string", "pattern": "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$"}),
]
Mac = Annotated[
    StrictStr,
    AfterValidator(names.mac),
    WithJsonSchema({"type": "string", "pattern": "^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$"}),
]
InterfaceAddress = Annotated[
    StrictStr,
    AfterValidator(names.interface),
    WithJsonSchema({"type": "string", "pattern": "^[0-9A-Fa-f.:]+/[0-9.]+$", "examples": ["10.120.1.11/24"]}),
]
Address = Annotated[
    StrictStr,
    AfterValidator(names.address),
    WithJsonSchema({"type": "string", "pattern": "^[0-9A-Fa-f.:]+$", "examples": ["192.168.1.254"]}),
]
Network = Annotated[
    StrictStr,
    AfterValidator(names.network),
    WithJsonSchema({"type": "string", "pattern": "^[0-9A-Fa-f.:]+(/[0-9.]+)?$", "examples": ["10.0.0.0/8"]}),
]
Ovsdb = Annotated[
    StrictStr,
    AfterValidator(names.ovsdb),
    WithJsonSchema({"type": "string", "pattern": "^(unix:/.+|(tcp|ssl):.+:[0-9]+)$"}),
]
SysctlName = Annotated[
    StrictStr, AfterValidator(names.sysctl), WithJsonSchema({"type": "string", "pattern": "^net[./].+$"})
]
SysctlValue = Annotated[int | str, PlainValidator(names.sysctl_value), WithJsonSchema({"type": ["integer", "string"]})]
User = Annotated[int | str, PlainValidator(names.user), WithJsonSchema({"type": ["integer", "string"]})]
GroupMask = Annotated[
    int,
    PlainValidator(names.group_mask),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 0xFFFF},
                {"enum": list(names.GROUPS)},
                {"type": "array", "items": {"enum": list(names.GROUPS)}},
            ]
        }
    ),
]
Mtu = Annotated[StrictInt, Field(ge=68, le=65535)]
VlanId = Annotated[StrictInt, Field(ge=1, le=4094)]
PortSpec = Annotated[StrictStr, Field(min_length=1)]
MacvtapMode = Literal["vepa", "bridge", "private", "passthru", "source"]


class Part(BaseModel):
    """What every section of the language shares: nothing unknown in it, nothing changed after it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    short: ClassVar[dict[str, Any] | None] = None
    """The JSON Schema of the short form, where there is one."""


class Port(Part):
    """A port of a bridge that is no guest's. Short form: just its name."""

    short = {"type": "string", "description": "The name of the port."}

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


class BaseNic(Part):
    name: DeviceName | None = Field(
        None, description="The name of the host side; GUEST-NIC when left out. At most 15 characters."
    )
    mac: Mac | None = Field(None, description="The guest's MAC; one that never changes is made up when left out.")
    bridge: DeviceName | None = Field(None, description="The bridge that the host side becomes a port of.")
    mtu: Mtu = Field(1500, description="Bytes, 68 to 65535, on both sides.")
    addresses: tuple[InterfaceAddress, ...] = Field(
        (), description="The guest's addresses, each with its prefix length."
    )


class TapNic(BaseNic):
    """A tap, for a virtual machine to open. Its MAC is the guest's with 0xFE as the first octet."""

    device: Literal["tap"] = Field(description="`tap`.")


class VethNic(BaseNic):
    """A veth pair whose other end is moved into the guest's namespace, under the NIC's name."""

    device: Literal["veth"] = Field(description="`veth`.")


class MacvtapNic(BaseNic):
    """A macvtap on a device of the host, for a virtual machine to open."""

    device: Literal["macvtap"] = Field(description="`macvtap`.")
    lower: DeviceName = Field(description="The device that the macvtap sits on.")
    mode: MacvtapMode = Field("vepa", description="How macvtaps on one device reach each other.")


Nic = Annotated[TapNic | VethNic | MacvtapNic, Field(discriminator="device")]


class Guest(Part):
    """A virtual machine, or a namespace that plays one."""

    namespace: StrictBool = Field(False, description="Whether the guest is a network namespace, made by the agent.")
    nics: dict[DeviceName, Nic] = Field({}, description="Its network interfaces, by the name that the guest sees.")


class BridgePort(Part):
    """How a device behaves as a port of the Linux bridge that is its `master`."""

    group_fwd_mask: GroupMask | None = Field(
        None, description="Reserved multicast that this port forwards: a number, a name or a list of names."
    )
    hairpin: StrictBool = Field(False, description="Whether a frame may leave by the port that it came in by.")
    isolated: StrictBool = Field(False, description="Whether the port reaches only ports that are not isolated.")
    pvid: VlanId | None = Field(None, description="The VLAN of untagged frames, in and out.")
    vlans: tuple[VlanId, ...] = Field((), description="The VLANs that pass tagged.")


class BaseLink(Part):
    mtu: Mtu | None = Field(None, description="Bytes, 68 to 65535; the kernel's when left out.")
    mac: Mac | None = Field(None, description="Its MAC; the kernel's when left out.")
    up: StrictBool = Field(True, description="Whether it is administratively up.")
    promisc: StrictBool = Field(False, description="Whether it takes frames for every address.")
    allmulticast: StrictBool = Field(False, description="Whether it takes every multicast frame.")
    txqueuelen: Annotated[StrictInt, Field(ge=0, le=2**32 - 1)] | None = Field(
        None, description="Frames in its send queue; the kernel's when left out."
    )
    offloads: dict[str, StrictBool] = Field(
        {},
        description="Offloads to turn on or off, by ethtool's name, e.g. `{tx-checksum-ip-generic: false}`.",
    )
    netns: PlainName | None = Field(None, description="The network namespace it is moved into.")
    master: DeviceName | None = Field(None, description="The Linux bridge or bond it is a port of.")
    port: BridgePort | None = Field(None, description="How it behaves as a port of its Linux bridge.")
    addresses: tuple[InterfaceAddress, ...] = Field((), description="Its addresses, each with its prefix length.")


class VethLink(BaseLink):
    """One end of a veth pair. The other end may have an entry of its own, which names this one."""

    kind: Literal["veth"] = Field(description="`veth`.")
    peer: DeviceName = Field(description="The name of the other end.")


class BridgeLink(BaseLink):
    """A Linux bridge. Devices join it by their `master`."""

    kind: Literal["bridge"] = Field(description="`bridge`.")
    group_fwd_mask: GroupMask | None = Field(
        None,
        description="Reserved multicast (IEEE 802.1D, 01-80-C2-00-00-0X) that the bridge forwards: "
        "a number, a name or a list of names.",
    )
    stp: StrictBool = Field(False, description="Whether it speaks the spanning tree protocol.")
    forward_delay: Annotated[StrictInt, Field(ge=0, le=30)] | None = Field(
        None, description="Seconds before a new port forwards; the kernel's when left out."
    )
    ageing: Annotated[StrictInt, Field(ge=0, le=1_000_000)] | None = Field(
        None, description="Seconds before a learned address is forgotten; the kernel's when left out."
    )
    vlan_filtering: StrictBool = Field(False, description="Whether it looks at VLAN tags.")


class VlanLink(BaseLink):
    """A VLAN of a device."""

    kind: Literal["vlan"] = Field(description="`vlan`.")
    link: DeviceName = Field(description="The device that carries the VLAN.")
    id: VlanId = Field(description="The VLAN, 1 to 4094.")
    protocol: Literal["802.1Q", "802.1ad"] = Field("802.1Q", description="The kind of tag.")


class BondLink(BaseLink):
    """Several devices as one (bonding.rst of the Linux kernel)."""

    kind: Literal["bond"] = Field(description="`bond`.")
    mode: Literal[
        "balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"
    ] = Field(description="How the ports share the work.")
    ports: tuple[DeviceName, ...] = Field((), description="The devices it is made of.")
    miimon: Annotated[StrictInt, Field(ge=0, le=60_000)] = Field(
        100, description="Milliseconds between looks at the ports' carrier; 0 never looks."
    )
    hash_policy: Literal["layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac"] | None = Field(
        None,
        description="What decides a frame's port, where the mode hashes; the kernel's when left out.",
    )
    lacp_rate: Literal["slow", "fast"] | None = Field(None, description="How often LACP speaks, for mode 802.3ad.")
    primary: DeviceName | None = Field(None, description="The port to prefer, where only one is active.")


class VxlanLink(BaseLink):
    """Ethernet over UDP (RFC 7348)."""

    kind: Literal["vxlan"] = Field(description="`vxlan`.")
    id: Annotated[StrictInt, Field(ge=0, le=0xFFFFFF)] = Field(description="The network identifier, 0 to 16777215.")
    link: DeviceName | None = Field(None, description="The device that carries it; routing decides when left out.")
    local: Address | None = Field(None, description="The address it sends from.")
    remote: Address | None = Field(
        None, description="Where frames for unknown addresses go: a host or a multicast group."
    )
    dstport: Annotated[StrictInt, Field(ge=1, le=65535)] = Field(4789, description="The UDP port.")
    learning: StrictBool = Field(True, description="Whether it learns which host has which address.")
    ttl: Annotated[StrictInt, Field(ge=0, le=255)] | None = Field(
        None, description="Of the outer packets; the kernel's when left out."
    )


class MacvlanLink(BaseLink):
    """A second MAC on a device."""

    kind: Literal["macvlan"] = Field(description="`macvlan`.")
    lower: DeviceName = Field(description="The device that it sits on.")
    mode: MacvtapMode = Field("vepa", description="How macvlans on one device reach each other.")


class MacvtapLink(BaseLink):
    """A second MAC on a device, for a program to open."""

    kind: Literal["macvtap"] = Field(description="`macvtap`.")
    lower: DeviceName = Field(description="The device that it sits on.")
    mode: MacvtapMode = Field("vepa", description="How macvtaps on one device reach each other.")


class DummyLink(BaseLink):
    """A device that leads nowhere."""

    kind: Literal["dummy"] = Field(description="`dummy`.")


class TapLink(BaseLink):
    """A tap that is no guest's. Persistent, without packet information."""

    kind: Literal["tap"] = Field(description="`tap`.")
    owner: User | None = Field(None, description="The user, by name or number, who may open it; root when left out.")
    group: User | None = Field(None, description="The group, by name or number, that may open it.")
    multi_queue: StrictBool = Field(False, description="Whether it may be opened several times, a queue each.")
    vnet_hdr: StrictBool = Field(False, description="Whether frames carry a virtio header.")


class IfbLink(BaseLink):
    """Where traffic that comes in is sent through a queue."""

    kind: Literal["ifb"] = Field(description="`ifb`.")


Link = Annotated[
    VethLink | BridgeLink | VlanLink | BondLink | VxlanLink | MacvlanLink | MacvtapLink | DummyLink | TapLink | IfbLink,
    Field(discriminator="kind"),
]


class Uplink(Part):
    """A NIC of the host with a default route of its own; its table, rule and kernel settings follow."""

    address: InterfaceAddress = Field(description="Its address, with the prefix length.")
    gateway: Address = Field(description="The next hop of its default route.")
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

    short = {"$ref": "#/$defs/Rate"}

    a_to_b: Rate | None = Field(None, description="From the first end to the second.")
    b_to_a: Rate | None = Field(None, description="From the second end to the first.")

    @model_validator(mode="before")
    @classmethod
    def _from_short(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {"a_to_b": value, "b_to_a": value}


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

    short = {"type": "string", "description": "The port: [host/[bridge/]]port, as little as is unique."}

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

    short = {
        "type": "array",
        "items": {"$ref": "#/$defs/End"},
        "minItems": 2,
        "maxItems": 2,
        "description": "The two ends.",
    }

    name: WireName = Field("", description="What it is called; A--B, from the names of its ports, when left out.")
    ends: tuple[End, End] = Field(description="Its two ends.")
    rate: Rates | None = Field(None, description="How fast it may go; as fast as it can when left out.")
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
    uplinks: dict[DeviceName, Uplink] = Field({}, description="NICs with a default route each, by device.")
    sysctls: dict[SysctlName, SysctlValue] = Field({}, description="Kernel settings under net.")


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


def default_name(ends: Iterable[Any]) -> str:
    """What a wire is called that has no name, from its ends as they were written."""
    specs = [end.get("port") if isinstance(end, dict) else end for end in ends]
    return "--".join(spec.rpartition("/")[2] if isinstance(spec, str) else "" for spec in specs)

"""What was found on the way of a frame. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Counters:
    """What passed a device since it was made, in frames."""

    rx: int = 0
    tx: int = 0
    rx_dropped: int = 0
    tx_dropped: int = 0
    rx_errors: int = 0
    tx_errors: int = 0

    def since(self, before: Counters) -> Counters:
        return Counters(
            self.rx - before.rx,
            self.tx - before.tx,
            self.rx_dropped - before.rx_dropped,
            self.tx_dropped - before.tx_dropped,
            self.rx_errors - before.rx_errors,
            self.tx_errors - before.tx_errors,
        )


@dataclass(frozen=True)
class Device:
    """A network device of this machine."""

    name: str
    namespace: str = ""
    """The named network namespace that it is in; "" for this machine's own."""
    kind: str = ""
    """"veth", "tun" (taps too), "bridge", "macvtap", "macvlan"…; "" for hardware."""
    mtu: int = 1500
    """Octets, without the Ethernet header and a tag."""
    up: bool = True
    """Administratively."""
    carrier: bool = True
    mode: str = ""
    """How a macvtap or macvlan reaches others: "vepa", "bridge", "private", "passthru" or "source"."""
    promisc: bool = False
    allmulticast: bool = False
    tx_checksum: bool | None = None
    """Whether it may leave checksums of what it sends to the receiver; None where that is not known."""
    group_fwd_mask: int = 0
    """Of a Linux bridge: bit X set forwards 01-80-C2-00-00-0X."""
    port_group_fwd_mask: int = 0
    """The same, of a port of a Linux bridge."""
    stp: bool = False
    """Of a Linux bridge: whether it speaks the spanning tree protocol."""
    vlan_filtering: bool = False
    """Of a Linux bridge: whether it looks at tags."""
    forwarding: bool = True
    """Of a port of a Linux bridge: whether its state is «forwarding»."""

    def __str__(self) -> str:
        return f"{self.name} in namespace {self.namespace}" if self.namespace else self.name

    @property
    def key(self) -> tuple[str, str]:
        return (self.namespace, self.name)


@dataclass(frozen=True)
class Side:
    """One end of a wire: the devices from the guest's NIC to the port, and the port."""

    port: str
    devices: tuple[Device, ...] = ()
    """In the order in which a frame from the guest meets them, the port's own last. A tap whose guest is a process
    is alone: the guest holds it."""
    gap: str = ""
    """Why the way between the guest and the port is not known; empty when it is."""
    number: int | None = None
    """The port's OpenFlow number; None where it is not on the bridge."""
    error: str = ""
    """Why Open vSwitch has no such port, in its own words."""
    link: bool = True
    """Whether Open vSwitch sees carrier at the port."""
    down: bool = False
    """OFPPC_PORT_DOWN (OpenFlow 1.3.5, 7.2.1)."""
    no_receive: bool = False
    """OFPPC_NO_RECV."""
    no_forward: bool = False
    """OFPPC_NO_FWD."""
    lldp: bool = False
    """`lldp:enable` of the Interface."""
    policing: int = 0
    """kbit/s that the Interface takes in (`ingress_policing_rate`); 0 is all."""
    spanning: str = ""
    """The port's state in the bridge's spanning tree, where that is not «forwarding»."""


@dataclass(frozen=True)
class Path:
    """A wire with what is known about both its ends and the bridge between them."""

    bridge: str
    sides: tuple[Side, Side]
    datapath: str = "system"
    """"system" or "netdev"."""
    stp: bool = False
    """`stp_enable` of the bridge."""
    rstp: bool = False
    forward_bpdu: bool = False
    """`other_config:forward-bpdu`: whether NORMAL forwards reserved multicast."""
    filtered: frozenset[str] = frozenset()
    """What br_netfilter hands to the firewall on Linux bridges: "iptables", "ip6tables", "arptables"."""
    problem: str = ""
    """Why nothing could be asked of the switch; empty when it could."""

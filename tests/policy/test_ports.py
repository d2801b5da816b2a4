"""Which port an end of a wire means."""

from __future__ import annotations

import pytest

from netctl.policy import AmbiguousPort, Policy, PortRef, Ports, UnknownPort, VethNic

POLICY = {
    "version": 1,
    "hosts": {
        "hv1": {
            "bridges": {"ovbr0": {"ports": ["eno1", "trunk"]}, "ovbr1": {}},
            "guests": {
                "ns1": {
                    "namespace": True,
                    "nics": {
                        "eth0": {"device": "veth", "bridge": "ovbr0"},
                        "eth1": {"device": "veth", "bridge": "ovbr1", "name": "spare"},
                        "eth2": {"device": "veth"},
                    },
                }
            },
        },
        "hv2": {"bridges": {"ovbr0": {"ports": ["trunk", "only2"]}}},
    },
    "wires": [["ns1-eth0", "hv1/ovbr0/extra"], ["ovbr1/spare", "ovbr1/more"], ["nobody", "hv9/x/y"]],
}


@pytest.fixture
def ports() -> Ports:
    return Ports(Policy.model_validate(POLICY))


@pytest.mark.parametrize(
    ("spec", "port"),
    [
        ("ns1-eth0", "hv1/ovbr0/ns1-eth0"),
        ("spare", "hv1/ovbr1/spare"),
        ("hv2/trunk", "hv2/ovbr0/trunk"),
        ("hv1/ovbr0/trunk", "hv1/ovbr0/trunk"),
        ("ovbr0/only2", "hv2/ovbr0/only2"),
        ("ovbr1/anything", "hv1/ovbr1/anything"),
        ("hv2/ovbr0/anything", "hv2/ovbr0/anything"),
    ],
)
def test_as_little_as_is_unique(ports: Ports, spec: str, port: str) -> None:
    assert str(ports.resolve(spec)) == port


def test_ambiguous(ports: Ports) -> None:
    with pytest.raises(AmbiguousPort, match="'trunk' can be any of hv1/ovbr0/trunk, hv2/ovbr0/trunk") as caught:
        ports.resolve("trunk")
    assert caught.value.candidates == (PortRef("hv1", "ovbr0", "trunk"), PortRef("hv2", "ovbr0", "trunk"))
    with pytest.raises(AmbiguousPort):
        ports.resolve("ovbr0/undeclared")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("ns1-eht0", r"no port is called 'ns1-eht0'; did you mean 'ns1-eth0'\? \(a port .* is written bridge/port\)"),
        ("ns1-eth2", "no port is called 'ns1-eth2'"),
        ("ovbr2/x", r"no bridge is called 'ovbr2'; did you mean 'ovbr1'\?"),
        ("hv2/onyl2", r"host hv2 has no port 'onyl2'; did you mean 'only2'\? .* is written hv2/bridge/port"),
        ("hv2/ovbr1/x", r"host hv2 has no bridge 'ovbr1'; did you mean 'ovbr0'\?"),
        ("hv3/ovbr0/x", r"no host is called 'hv3'"),
        ("", "no port is called ''"),
        ("/x", "'/x' is not a port: write port, bridge/port or host/bridge/port"),
        ("a/b/c/d", "is not a port"),
        ("ovbr1/a-very-long-port-name", "has 21 characters; Linux takes at most 15"),
    ],
)
def test_unknown(ports: Ports, spec: str, message: str) -> None:
    with pytest.raises(UnknownPort, match=message):
        ports.resolve(spec)


def test_where_ports_come_from(ports: Ports) -> None:
    declared = ports.declared[PortRef("hv1", "ovbr1", "spare")]
    assert declared.path == ("hosts", "hv1", "guests", "ns1", "nics", "eth1")
    assert isinstance(declared.nic, VethNic)
    assert declared.guest == "ns1"
    assert ports.declared[PortRef("hv1", "ovbr0", "trunk")].path == ("hosts", "hv1", "bridges", "ovbr0", "ports", 1)


def test_implied_ports_are_those_that_only_a_wire_names(ports: Ports) -> None:
    assert ports.implied == {
        PortRef("hv1", "ovbr0", "extra"): ("wires", 0, "ends", 1),
        PortRef("hv1", "ovbr1", "more"): ("wires", 1, "ends", 1),
    }
    assert len(dict(ports.all())) == len(ports.declared) + 2

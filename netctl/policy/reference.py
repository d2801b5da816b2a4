"""The reference of the language, for people: `python -m netctl.policy.reference > docs/policy.md`."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

from netctl.policy import guest, link, model, route, value
from netctl.policy.name import GROUPS
from netctl.policy.rate import Amount, Rate
from netctl.policy.refuse import NOT_YET
from netctl.policy.value import Part

EXAMPLE = """\
version: 1

hosts:
  hv1:                                  # a hypervisor
    bridges:
      ovbr0:                            # an Open vSwitch bridge
        datapath: netdev
        ports: [eno2]                   # a port that is no guest's
    guests:
      vm1:                              # a virtual machine
        nics:
          eth1: {device: tap, bridge: ovbr0, mac: "52:54:00:84:e3:62"}    # the port vm1-eth1
      ns1:                              # a namespace as a guest
        namespace: true
        nics:
          eth0: {device: veth, bridge: ovbr0, addresses: [10.120.1.11/24]}
          eth1: {device: veth, bridge: ovbr0, name: spare}

wires:
  - [vm1-eth1, ns1-eth0]                # short: two ports
  - name: outside                       # long: a name of its own
    ends: [spare, hv1/ovbr0/eno2]
  - name: trunk-100                     # a VLAN of a port, and a VLAN of another
    ends: [{port: ovbr0/eno3, vlan: 100}, {port: ovbr0/eno4, vlan: 200}]

taps:
  - {of: outside, to: ovbr0/eno5}       # a copy of a wire for a monitor port
"""

_INTRODUCTION = """\
# The policy language

A policy says which port is wired to which, and what the host needs under it. It is YAML, in one file or in all
the `*.yaml` of one directory. `netctl check PATH` says whether it is right; `netctl check --schema` prints a JSON
Schema, with which an editor completes and checks it while you write.

<!-- Generated from netctl/policy by: python -m netctl.policy.reference > docs/policy.md -->
"""

_GENERAL = """\
## How things are written

**Ports.** The end of a wire is written `[host/[bridge/]]port`, as little as is unique: `vm1-eth1`,
`ovbr0/vm1-eth1` or `hv1/ovbr0/vm1-eth1`. A port that the policy does not declare, because something else makes its
device, is written with its bridge: `ovbr0/eno3`.

**Names** of hosts, guests and queues have letters, digits, `-`, `_` and `.`. The name of a network device has at
most 15 characters, as Linux has it; that is also so for `GUEST-NIC`, which is what the host side of a NIC is called
when `name` does not say otherwise.

**MAC addresses** are six pairs of hex digits with colons, and those of devices are unicast: the first octet is even.

**Rates** have a unit: `500kbit`, `100mbit`, `1.5gbit`, always bits per second and always powers of ten; or they are
a share, `10%`. **Amounts** are bits (`800kbit`) or bytes (`100kB`).

**YAML** is YAML 1.2: `true` and `false` are the only words for yes and no, and `52:54:00:11:22:33` is text without
quotes too. Anchors and aliases work; tags, merge keys (`<<`) and several documents in one file are refused. A key
without a value is an error: leave it out.

## Several files

The files of a directory are one policy. Each says `version: 1`. Hosts, the names within each of their sections, and
queues come together from all files; wires and taps follow one another in the order of the files' names. The same
name twice is an error that says where the first one is. Files that do not end in `.yaml`, and directories inside, are
not read.

## What is patched at run time

Wires that are put in, moved or taken out while the controller runs are written to `patched.yaml` in the policy's
directory, so that a restart keeps them. For a policy that is one file, `lab.yaml`, it is `lab.patched.yaml` beside it,
which is read with it.

```yaml
version: 1
unwire:                               # wires of the other files that are not to be
  - outside
wires:                                # and these in their place, or beside them
  - {name: outside, ends: [hv1/ovbr0/spare, hv1/ovbr0/eno4]}
```

`unwire` drops the wires of those names that other files have; then the wires of this file are put in, as those of any
file are. A name that no wire has is no error, and the taps of a wire that is dropped copy nothing until it is back. A
wire that is put back as its own file says it is that file's again. netctl writes the file whole or not at all, keeps
its mode, and removes it when it would say nothing; take it away yourself to get back what the other files say. It may
be edited, like any other.

A **scene** is a set of wires under a name: the file `scenes/NAME.yaml` in the policy's directory, or in the `scenes`
folder beside a policy that is one file. It says `version: 1` and `wires`, nothing else, and is no part of the policy:
its wires are put in when it is loaded. Its name has letters, digits, `-`, `_` and `.`, at most 63 characters, the
first no `-` or `.`.

## What is wrong

All problems are told at once, each as `file:line:col: what is wrong, and what would be right`. A policy with
a problem never replaces one that is in force. What the language has and this version does not do yet is refused as
`not supported yet`; in the tables it is marked so.
"""

SECTIONS: tuple[tuple[str, type[Part]], ...] = (
    ("The top", model.Policy),
    ("Hosts", model.Host),
    ("Bridges", model.Bridge),
    ("Ports of a bridge", model.Port),
    ("Guests", guest.Guest),
    ("NICs", guest.BaseNic),
    ("NIC: tap or veth", guest.BridgedNic),
    ("NIC: tap", guest.TapNic),
    ("NIC: veth", guest.VethNic),
    ("NIC: macvtap", guest.MacvtapNic),
    ("Wires", model.Wire),
    ("Ends of a wire", model.End),
    ("Rates of a wire", model.Rates),
    ("Classes of a wire", model.Class),
    ("Matches", model.Match),
    ("Queues", model.Queue),
    ("Taps", model.TapCopy),
    ("Uplinks", model.Uplink),
    ("Links", link.BaseLink),
    ("Routes", route.Route),
    ("Ports of a Linux bridge", link.BridgePort),
    ("Link: veth", link.VethLink),
    ("Link: bridge", link.BridgeLink),
    ("Link: vlan", link.VlanLink),
    ("Link: bond", link.BondLink),
    ("Link: vxlan", link.VxlanLink),
    ("Link: macvlan", link.MacvlanLink),
    ("Link: macvtap", link.MacvtapLink),
    ("Link: dummy", link.DummyLink),
    ("Link: tap", link.TapLink),
    ("Link: ifb", link.IfbLink),
    ("Link: nic", link.NicLink),
)

_GROUP_NAMES = ", ".join(f"`{each}`" for each in GROUPS)
_NAMED: tuple[tuple[Any, str], ...] = (
    (value.DeviceName, "device name"),
    (value.PlainName, "name"),
    (value.WireName, "name"),
    (value.Mac, "unicast MAC"),
    (value.AnyMac, "MAC"),
    (value.InterfaceAddress, "address/prefix length"),
    (value.Address, "IP address"),
    (value.Network, "IP address or network"),
    (value.RouteTo, "IP address or network, or `default`"),
    (value.InterfaceAddresses, "address/prefix length, or a list"),
    (value.Addresses, "IP address, or a list"),
    (value.Ovsdb, "`unix:`, `tcp:` or `ssl:`"),
    (value.SysctlName, "kernel setting"),
    (value.SysctlValue, "number or text"),
    (value.User, "name or number"),
    (value.GroupMask, f"number, or of {_GROUP_NAMES}"),
    (value.PortSpec, "port"),
    (guest.Nic, "[NIC](#nics)"),
    (link.Link, "[link](#links)"),
    (Rate, "rate"),
    (Amount, "amount"),
    (str, "name"),
)


def text() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _INTRODUCTION
    yield f"```yaml\n{EXAMPLE}```\n"
    yield _GENERAL
    yield "## All keys"
    for heading, part in SECTIONS:
        yield f"\n### {heading}\n"
        yield _about(part)
        shared = {
            name
            for base in (guest.BaseNic, guest.BridgedNic, link.BaseLink)
            if issubclass(part, base) and part is not base
            for name in base.model_fields
        }
        hints = get_type_hints(part, include_extras=True)
        yield "\n| key | what | default | values |\n|---|---|---|---|"
        for name, field in part.model_fields.items():
            if name not in shared:
                yield _row(part, name, field, hints[name])


def _about(part: type[Part]) -> str:
    if part is guest.BaseNic:
        return "What every NIC has, whatever its `device`."
    if part is guest.BridgedNic:
        return "What a NIC has that is a tap or a veth."
    if part is link.BaseLink:
        return "What every link has, whatever its `kind`. A link is a plain network device, made by the agent."
    about = " ".join((part.__doc__ or "").split())
    return about + _mark(part, None)


def _mark(part: type[Part], field: str | None) -> str:
    """Says that something is not there yet; in the words of the refusal where only a part of it is not."""
    told = [each.what for each in NOT_YET if each.model is part and each.field == field]
    if not told:
        return ""
    whole = field is None or told == [field]
    return " **Not supported yet.**" if whole else f" **Not supported yet: {'; '.join(told)}.**"


def _row(part: type[Part], name: str, field: FieldInfo, hint: Any) -> str:
    what = (field.description or "") + _mark(part, name)
    values = _values(hint)
    return f"| `{name}` | {what} | {_default(part, name, field)} | {values} |"


def _default(part: type[Part], name: str, field: FieldInfo) -> str:
    if field.is_required():
        return "must be there"
    if part is model.Wire and name == "name":
        return "A--B"
    if field.default is None:
        return ""
    if field.default in ((), {}):
        return "none"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def _values(hint: Any) -> str:
    for named, said in _NAMED:
        if hint == named:
            return said
    for heading, part in SECTIONS:
        if hint is part:
            return f"[{heading.lower()}](#{heading.lower().replace(':', '').replace(' ', '-')})"
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _bounded(inside[0], inside[1:])
    if origin in (Union, types.UnionType):
        return " or ".join(_values(each) for each in inside if each is not type(None))
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in inside)
    if origin is tuple:
        return f"list of {_values(inside[0])}" if inside[1] is ... else f"two {_values(inside[0])}"
    if origin is dict:
        return f"{_values(inside[0])}: {_values(inside[1])}"
    return {bool: "`true`, `false`", int: "number"}.get(hint, str(hint))


def _bounded(kind: Any, metadata: tuple[Any, ...]) -> str:
    bounds: dict[str, Any] = {}
    for each in metadata:
        for one in each.metadata if isinstance(each, FieldInfo) else (each,):
            bounds |= {bound: getattr(one, bound) for bound in ("ge", "le") if getattr(one, bound, None) is not None}
    inner = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return f"{bounds['ge']} to {bounds['le']}" if "le" in bounds else _values(inner)


if __name__ == "__main__":
    sys.stdout.write(text())

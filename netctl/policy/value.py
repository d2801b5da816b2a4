"""The values that a policy is written in, and what all sections of it share.

They come out in one form however they were written: MACs are lower case, addresses are as `ipaddress` prints them.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StrictInt,
    StrictStr,
    WithJsonSchema,
)

from netctl.policy import name as names

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
RouteTo = Annotated[
    StrictStr,
    AfterValidator(names.route_to),
    WithJsonSchema({"type": "string", "pattern": "^(default|[0-9A-Fa-f.:]+(/[0-9.]+)?)$", "examples": ["10.0.0.0/8"]}),
]
Ovsdb = Annotated[
    StrictStr,
    AfterValidator(names.ovsdb),
    WithJsonSchema({"type": "string", "pattern": "^(unix:/.+|(tcp|ssl):.+:[0-9]+)$"}),
]
_INTERFACE = {"type": "string", "pattern": "^[0-9A-Fa-f.:]+/[0-9.]+$", "examples": ["192.168.1.1/24"]}
_ADDRESS = {"type": "string", "pattern": "^[0-9A-Fa-f.:]+$", "examples": ["192.168.1.254"]}
InterfaceAddresses = Annotated[
    tuple[InterfaceAddress, ...],
    BeforeValidator(names.listed),
    WithJsonSchema({"anyOf": [_INTERFACE, {"type": "array", "items": _INTERFACE, "minItems": 1}]}),
]
Addresses = Annotated[
    tuple[Address, ...],
    BeforeValidator(names.listed),
    WithJsonSchema({"anyOf": [_ADDRESS, {"type": "array", "items": _ADDRESS, "minItems": 1, "maxItems": 2}]}),
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

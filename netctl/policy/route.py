"""What a policy says of the routes of a device."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StrictInt, model_validator

from netctl.policy.value import Address, Part, RouteTo


class Route(Part):
    """A way out by the device, to a network or to everywhere else."""

    to: RouteTo = Field(description="Where to: a network, an address, or `default`.")
    via: Address | None = Field(
        None,
        description="The gateway, in the network of one of the device's addresses; when left out, `to` is right there.",
    )
    src: Address | None = Field(None, description="Which of the device's addresses to send from; IPv4 only.")
    metric: Annotated[StrictInt, Field(ge=1, le=2**32 - 1)] | None = Field(
        None, description="Of two routes to the same place, that with the lower one counts; the kernel's when left out."
    )
    table: Annotated[StrictInt, Field(ge=1, le=2**32 - 1)] | None = Field(
        None, description="The number of its routing table; main, 254, when left out."
    )

    @model_validator(mode="before")
    @classmethod
    def _of_gateway(cls, value: Any) -> Any:
        """`default` is everywhere in the family of the gateway."""
        if isinstance(value, dict) and value.get("to") == "default" and isinstance(value.get("via"), str):
            return {**value, "to": "::/0" if ":" in value["via"] else "0.0.0.0/0"}
        return value

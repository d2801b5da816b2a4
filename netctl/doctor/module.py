"""Modules of the kernel that the policy needs."""

from __future__ import annotations

from collections.abc import Iterator

from netctl.doctor.command import said
from netctl.doctor.finding import Finding
from netctl.doctor.picture import Picture
from netctl.doctor.wishes import Wishes

CHECK = "kernel-module"


def check(picture: Picture, wishes: Wishes) -> Iterator[Finding]:
    for name in sorted(picture.lacking):
        yield Finding(
            CHECK,
            name,
            f"the policy {wishes.source} needs the module {name}, which this kernel does not load",
            "`netctl apply` stops at the first device that needs it; a bridge of Open vSwitch has no datapath, its "
            "ports an error",
            (said("modprobe", name),),
        )

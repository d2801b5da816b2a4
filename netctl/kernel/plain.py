"""Devices that have nothing of their own."""

from __future__ import annotations

from netctl.desired.link import Dummy, Ifb
from netctl.kernel.link import Kind


class DummyKind(Kind[Dummy]):
    device = Dummy
    module = "dummy"


class IfbKind(Kind[Ifb]):
    device = Ifb
    module = "ifb"

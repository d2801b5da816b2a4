"""What a host has -> the policy that asks for it. Pure."""

from netctl.export.draft import Draft, Path, Scope
from netctl.export.policy import draft
from netctl.export.text import Written, write

__all__ = ["Draft", "Path", "Scope", "Written", "draft", "write"]

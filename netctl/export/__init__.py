"""What a host has -> the policy that asks for it, and what a person sees of it. Pure."""

from netctl.export.draft import Draft, Path, Scope
from netctl.export.policy import draft
from netctl.export.text import Written, write
from netctl.export.view import Known, View, known, view

__all__ = ["Draft", "Known", "Path", "Scope", "View", "Written", "draft", "known", "view", "write"]

"""What happened that others may want to be told, one by one and in their order (`Brain.happened`)."""

from __future__ import annotations

from dataclasses import dataclass

from netctl.controller.snapshot import LinkView


@dataclass(frozen=True)
class LinkAdded:
    """A link was found, in one direction."""

    link: LinkView


@dataclass(frozen=True)
class LinkChanged:
    """It turned out to be a link in one direction only, or not to be one any more."""

    link: LinkView


@dataclass(frozen=True)
class LinkDeleted:
    """A link is gone."""

    link: LinkView


Happening = LinkAdded | LinkChanged | LinkDeleted

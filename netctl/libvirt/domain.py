"""What netctl reads in the XML of a libvirt domain (https://libvirt.org/formatdomain.html)."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

NAMESPACE = "urn:netctl:libvirt"
"""Of the metadata element `nics` and its children, a `nic` each."""


class BadDomain(Exception):
    """The XML cannot be read, or asks for what cannot be."""


@dataclass(frozen=True)
class Interface:
    """An <interface> with a device that libvirt is to find, and not to make: <target dev='…' managed='no'/>."""

    dev: str
    mac: str = ""
    """In lower case; "" where the domain leaves it to libvirt, which then makes one up at every start."""
    queues: int = 1
    mtu: int | None = None
    """Bytes."""


@dataclass(frozen=True)
class Domain:
    name: str
    interfaces: tuple[Interface, ...] = ()
    nics: tuple[dict[str, str], ...] = ()
    """The attributes of each <netctl:nic> of its metadata."""

    def interface(self, dev: str) -> Interface | None:
        return next((each for each in self.interfaces if each.dev == dev), None)


def parse(text: str) -> Domain:
    """Raises BadDomain."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise BadDomain(f"the domain's XML cannot be read: {error}") from error
    if root.tag == "hookData":  # as the hook of networks gets it
        raise BadDomain("this is no domain's XML: the hook is for guests, as hooks/qemu or in hooks/qemu.d")
    interfaces = tuple(
        _interface(each)
        for each in root.iterfind("devices/interface")
        if (target := each.find("target")) is not None and target.get("managed") == "no" and target.get("dev")
    )
    nics = root.iterfind(f"metadata/{{{NAMESPACE}}}nics/{{{NAMESPACE}}}nic")
    return Domain(root.findtext("name", ""), interfaces, tuple(dict(each.attrib) for each in nics))


def _interface(element: Element) -> Interface:
    return Interface(
        dev=_attribute(element, "target", "dev") or "",
        mac=(_attribute(element, "mac", "address") or "").lower(),
        queues=_number(element, "driver", "queues") or 1,
        mtu=_number(element, "mtu", "size"),
    )


def _attribute(element: Element, child: str, name: str) -> str | None:
    found = element.find(child)
    return None if found is None else found.get(name)


def _number(element: Element, child: str, name: str) -> int | None:
    text = _attribute(element, child, name)
    if text is None:
        return None
    if not text.isdecimal():
        raise BadDomain(f"<{child} {name}={text!r}> is not a number")
    return int(text)

"""What things may be called, and how addresses are written: text in, one form of it out, or ValueError."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from ipaddress import ip_address, ip_interface, ip_network

IFNAMSIZ = 15
"""Bytes in the name of a Linux network device, without the closing zero (linux/if.h says 16 with it)."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}", re.ASCII)
_WIRE = re.compile(r"[!-.0-~]{1,64}", re.ASCII)
_GOOD_DEVICE = re.compile(r"[!-$&-.0-9;-~]{1,15}", re.ASCII)
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.ASCII)
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}", re.ASCII)
_SYSCTL = re.compile(r"[a-z0-9_]+([./][A-Za-z0-9_@:-]+)+", re.ASCII)


GROUPS = {"stp": 0x0, "pause": 0x1, "lacp": 0x2, "eapol": 0x3, "lldp": 0xE}
"""The last digit of each protocol's reserved multicast address 01-80-C2-00-00-0X."""


def device_name(text: str) -> str:
    """The name of a network device, by the kernel's own rule (dev_valid_name) and, so that it stays readable
    in commands, only visible ASCII and no `%`, which the kernel replaces by a number."""
    if _GOOD_DEVICE.fullmatch(text) and text not in (".", ".."):
        return text
    if not text:
        raise ValueError("the name of a network device cannot be empty")
    if len(text.encode(errors="replace")) > IFNAMSIZ:
        raise ValueError(
            f"{shown(text)} has {len(text.encode(errors='replace'))} characters; "
            f"Linux takes at most {IFNAMSIZ} in the name of a network device"
        )
    if text in (".", ".."):
        raise ValueError(f"{shown(text)} cannot be the name of a network device")
    bad = sorted({each for each in text if not "!" <= each <= "~" or each in "/:%"})
    if bad:
        raise ValueError(
            f"{shown(text)} cannot be the name of a network device: {', '.join(map(shown, bad))} "
            "is not allowed; write letters, digits, '-', '_' and '.'"
        )
    return text


def is_plain_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def plain_name(text: str) -> str:
    """The name of a host, guest, namespace, queue or scene."""
    if not is_plain_name(text):
        raise ValueError(
            f"{shown(text)} cannot be a name here: write letters, digits, '-', '_' and '.', "
            "a letter, digit or '_' first, at most 63"
        )
    return text


def is_wire_name(text: str) -> bool:
    return _WIRE.fullmatch(text) is not None


def wire_name(text: str) -> str:
    if not is_wire_name(text):
        raise ValueError(f"{shown(text)} cannot be a wire's name: 1 to 64 visible ASCII characters other than '/'")
    return text


def any_mac(text: str) -> str:
    """A MAC in lower case, of one receiver or many."""
    lower = text.lower()
    if not _MAC.fullmatch(lower):
        raise ValueError(
            f"{shown(text)} is not a MAC address: write six pairs of hex digits, such as 52:54:00:84:e3:62"
        )
    return lower


def mac(text: str) -> str:
    """A unicast MAC in lower case."""
    lower = any_mac(text)
    if lower == "ff:ff:ff:ff:ff:ff":
        raise ValueError("ff:ff:ff:ff:ff:ff is the broadcast address; a device needs a unicast MAC")
    if lower == "00:00:00:00:00:00":
        raise ValueError("00:00:00:00:00:00 is no device's address; leave it out to get one")
    if int(lower[:2], 16) & 1:
        right = f"{int(lower[:2], 16) & 0xFE:02x}{lower[2:]}"
        raise ValueError(
            f"{lower} is a multicast address (its first octet is odd); a device needs a unicast MAC, such as {right}"
        )
    return lower


def interface(text: str) -> str:
    """An address with its prefix length, IPv4 or IPv6."""
    if "%" in text:
        raise ValueError(f"{shown(text)} names a zone; the device is clear here: leave out what follows the %")
    if "/" not in text:
        try:
            address = ip_address(text)
        except ValueError:
            pass
        else:
            most = 24 if address.version == 4 else 64
            raise ValueError(f"{shown(text)} needs its prefix length, such as {address}/{most}")
    try:
        parsed = ip_interface(text)
    except ValueError:
        raise ValueError(
            f"{shown(text)} is not an address with a prefix length, such as 10.120.1.11/24 or fd00::1/64"
        ) from None
    if parsed.ip.is_multicast:
        raise ValueError(f"{shown(text)} is a multicast address; a device needs a unicast one")
    if parsed.ip.is_unspecified:
        raise ValueError(f"{shown(text)} is no device's address")
    if parsed.version == 4 and parsed.network.prefixlen < 31 and parsed.ip == parsed.network.broadcast_address:
        raise ValueError(f"{shown(text)} is the broadcast address of {parsed.network}")
    if parsed.version == 4 and parsed.network.prefixlen < 31 and parsed.ip == parsed.network.network_address:
        raise ValueError(f"{shown(text)} is the network {parsed.network} itself; a device needs an address in it")
    return str(parsed)


def address(text: str) -> str:
    """An IPv4 or IPv6 address without prefix length."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"{shown(text)} is not an IP address, such as 192.168.1.254 or fd00::1") from None


def network(text: str) -> str:
    """An address or a network."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise ValueError(f"{shown(text)} is not an address or network, such as 10.0.0.0/8") from None


def route_to(text: str) -> str:
    """Where a route leads."""
    if text == "default":
        raise ValueError("'default' without a gateway: write 0.0.0.0/0 for all of IPv4, or ::/0 for all of IPv6")
    return network(text)


def listed(value: object) -> object:
    """One thing is a list of one."""
    return value if isinstance(value, list | tuple) else (value,)


def version(value: object) -> int:
    """The version of the language. Neither 1.0 nor true is 1."""
    if type(value) is not int or value != 1:
        written = shown(value) if isinstance(value, str) else str(value).lower()[:40]
        what = f", not {written}" if isinstance(value, str | int | float) else ""
        raise ValueError(f"the version of the language is 1{what}")
    return value


def user(value: object) -> str | int:
    """A user or group, by name or number."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32 - 1:
        return value
    if isinstance(value, str) and _USER.fullmatch(value):
        return value
    raise ValueError(f"{shown(str(value))} is not the name or number of a user or group")


def group_mask(value: object) -> int:
    """The reserved multicast that a bridge forwards, as the kernel's bit mask: bit X for 01-80-C2-00-00-0X
    (IEEE 802.1D, table 7-10). Given as that number, a name, or a list of names."""
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value <= 0xFFFF:
            return value
        raise ValueError(f"a mask is 0 to 0xffff, not {str(value)[:20]}")
    mask = 0
    for each in value if isinstance(value, list | tuple) else (value,):
        if not isinstance(each, str) or each not in GROUPS:
            near = suggest(each, GROUPS) if isinstance(each, str) else ""
            right = f"; it is one of {', '.join(GROUPS)}, a list of them, or a number such as 0x4000"
            raise ValueError(f"{shown(str(each))} is no reserved multicast that netctl knows{near or right}")
        mask |= 1 << GROUPS[each]
    return mask


def sysctl_value(value: object) -> str | int:
    if isinstance(value, bool):
        raise ValueError(f"a kernel setting is a number or text: write {int(value)}")
    if isinstance(value, int) and abs(value) < 2**64:
        return value
    if isinstance(value, str) and value.isprintable() and value.strip():
        return value
    raise ValueError("a kernel setting is a number, or text on one line")


def sysctl(text: str) -> str:
    if not _SYSCTL.fullmatch(text) or ".." in text:
        raise ValueError(f"{shown(text)} is not the name of a kernel setting, such as net.ipv4.ip_forward")
    if not text.startswith(("net.", "net/")):
        raise ValueError(f"{shown(text)} is not netctl's: only settings under net, such as net.ipv4.ip_forward, are")
    return text


def ovsdb(text: str) -> str:
    """A way to an ovsdb-server: unix:PATH, tcp:ADDR:PORT or ssl:ADDR:PORT (ovsdb(7))."""
    scheme, _, rest = text.partition(":")
    if scheme == "unix" and rest.startswith("/") and "\0" not in rest:
        return text
    if scheme in ("tcp", "ssl"):
        where, _, port = rest.rpartition(":")
        bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.%a-z]+)\]", where)
        named = re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?", where)
        number = port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535
        if number and (bracketed or named):
            return text
    raise ValueError(
        f"{shown(text)} is not a way to an Open vSwitch database: write unix:/path/to/db.sock, "
        "tcp:ADDRESS:6640 or ssl:ADDRESS:6640 (an IPv6 address in brackets)"
    )


def suggest(word: str, known: Iterable[str]) -> str:
    """«; did you mean …?», or nothing when nothing is near."""
    near = get_close_matches(word[:64], list(known), n=1)
    return f"; did you mean {shown(near[0])}?" if near else ""


def shown(text: str) -> str:
    """What somebody wrote, quoted, short, and on one line."""
    cut = text if len(text) <= 60 else text[:57] + "..."
    return f"'{printable(cut)}'"


def printable(text: object) -> str:
    """Text, or a path, whose name is any bytes, as any stream takes it on one line."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in str(text))

"""Other programs that take themselves for the master of the network, and remove what they did not make."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterator

from netctl.doctor.command import said
from netctl.doctor.finding import Finding
from netctl.doctor.picture import Picture
from netctl.doctor.wishes import Wishes

CHECK = "foreign-manager"

NETWORKD = "/etc/systemd/networkd.conf.d/50-keep-foreign.conf"
NETWORKMANAGER = "/etc/NetworkManager/conf.d/50-unmanaged.conf"

_NO = ("no", "false", "off", "0")
_NAMED = re.compile(r"interface-name:=?([^;,\s\"']+)")


def check(picture: Picture, wishes: Wishes) -> Iterator[Finding]:
    nics = picture.kept | wishes.uplinks
    for manager in picture.managers:
        if manager.name == "systemd-networkd" and (picture.routed or nics) and not _keeps(manager.told):
            text = r"[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n"
            yield _finding(
                manager.name,
                "it removes routes and rules that it did not make",
                NETWORKD,
                text,
                "systemctl restart systemd-networkd",
            )
        if manager.name == "NetworkManager":
            missing = sorted(_managed(nics, manager.told))
            if missing:
                match = ";".join(f"interface-name:={name}" for name in missing)
                yield _finding(
                    manager.name,
                    f"it manages {', '.join(missing)}, whose addresses and routes are netctl's",
                    NETWORKMANAGER,
                    rf"[device-50-unmanaged]\nmatch-device={match}\nmanaged=0\n",
                    "systemctl reload NetworkManager",
                )


def _finding(name: str, why: str, file: str, text: str, reload: str) -> Finding:
    return Finding(
        CHECK,
        name,
        f"{name} runs here, and {why}",
        "all is well until it is started again, or a cable is plugged: then tables are empty, and answers leave by "
        "the wrong NIC",
        (said("mkdir", "-p", file.rpartition("/")[0]), f"printf {said(text)} > {file}", reload),
        f"{name} may set up its NICs anew when it reads this: run the commands when that does no harm",
    )


def _keeps(told: str) -> bool:
    values: dict[str, str] = {}
    for line in told.splitlines():
        name, _, value = line.partition("=")
        values[name.strip()] = value.strip().lower()
    return all(values.get(name) in _NO for name in ("ManageForeignRoutes", "ManageForeignRoutingPolicyRules"))


def _managed(nics: Collection[str], told: str) -> Iterator[str]:
    """Those of `nics` that NetworkManager was not told to leave alone."""
    patterns: list[str] = []
    matched: list[str] = []
    for line in [*told.splitlines(), "["]:
        name, _, value = (part.strip() for part in line.partition("="))
        if line.startswith("["):
            matched = []
        elif name == "unmanaged-devices":
            patterns += _NAMED.findall(value)
        elif name == "match-device":
            matched = _NAMED.findall(value)
        elif name == "managed" and value.lower() in _NO:
            patterns += matched
    return (nic for nic in nics if not any(fnmatch.fnmatchcase(nic, pattern) for pattern in patterns))

"""Which modules of the kernel are not to be had. Asking makes nothing that stays, and loads what the kernel would load
by itself."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from netctl.doctor.wishes import OPENVSWITCH
from netctl.kernel import netns
from netctl.kernel.attribute import nested, text
from netctl.kernel.kinds import KINDS
from netctl.kernel.rtnl import (
    IFLA_IFNAME,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    NLM_F_ACK,
    NLM_F_CREATE,
    NLMSG_ERROR,
    RTM_NEWLINK,
    Rtnl,
    link_message,
    messages,
    packed,
)

LOADER = Path("/proc/sys/kernel/modprobe")
NETLINK_GENERIC, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME = 16, 16, 3, 2
TUN = Path("/dev/net/tun")


def lacking(kinds: Collection[str]) -> frozenset[str]:
    """The modules that devices of these kinds need, or «openvswitch», and that the kernel has not got and does not
    load."""
    modules = {kind: kind if kind == OPENVSWITCH else KINDS[kind].module for kind in kinds}
    doubtful = {kind: name for kind, name in modules.items() if not _loaded(name)}
    loadable = _loadable() if doubtful else frozenset()
    return frozenset(name for kind, name in doubtful.items() if name not in loadable and not _works(kind))


def _loaded(module: str) -> bool:
    return Path("/sys/module", module.replace("-", "_")).is_dir()


def _loadable() -> frozenset[str]:
    """Those that the kernel finds by itself when something asks for them."""
    with suppress(OSError):
        loader = LOADER.read_text(encoding="utf-8").strip()
        if Path(loader).name == "modprobe" and os.access(loader, os.X_OK):
            folder = Path("/lib/modules", os.uname().release)
            lines = (folder / "modules.dep").read_text(encoding="utf-8").splitlines()
            paths = [*(line.partition(":")[0] for line in lines)]
            with suppress(OSError):
                paths += (folder / "modules.builtin").read_text(encoding="utf-8").splitlines()
            return frozenset(path.rpartition("/")[2].partition(".")[0].replace("-", "_") for path in paths)
    return frozenset()


def _works(kind: str) -> bool:
    """Also where that cannot be tried."""
    if kind == OPENVSWITCH:
        return _has_family("ovs_datapath")
    if kind == "tap":
        with suppress(OSError):
            os.close(os.open(TUN, os.O_RDWR | os.O_CLOEXEC))
            return True
        return False
    try:
        with netns.fresh() as rtnl:
            return _knows(rtnl, kind)
    except OSError:
        return True


def _knows(rtnl: Rtnl, kind: str) -> bool:
    """Whether it refuses to make such a device for any other reason than not knowing what that is."""
    info = nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, kind))
    try:
        rtnl.ask(RTM_NEWLINK, link_message(0, text(IFLA_IFNAME, "probe"), info), NLM_F_CREATE)
    except OSError as error:
        return error.errno != errno.EOPNOTSUPP
    return True


def _has_family(name: str) -> bool:
    """Whether generic netlink knows a family."""
    with suppress(OSError), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as asked:
        asked.settimeout(1.0)
        body = bytes([CTRL_CMD_GETFAMILY, 1, 0, 0]) + text(CTRL_ATTR_FAMILY_NAME, name)
        asked.send(packed(body, GENL_ID_CTRL, NLM_F_ACK))
        return all(kind != NLMSG_ERROR or not any(answer[:4]) for kind, _, _, answer in messages(asked.recv(1 << 16)))
    return False

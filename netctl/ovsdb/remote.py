"""Where a database is, in the form of ovsdb(7), and why it may not answer."""

from __future__ import annotations

import os
import re
import stat

from netctl.vswitch import START, run_dir


class BadRemote(ValueError):
    """A remote of a form that netctl cannot connect to; the message says which it can."""


def default_remote() -> str:
    """The database of this machine, where Open vSwitch's own tools look for it."""
    return f"unix:{run_dir()}/db.sock"


def check(remote: str) -> None:
    """Raises BadRemote."""
    form = re.fullmatch(r"unix:/[^\0]+|tcp:.+:([0-9]{1,5})", remote)
    if form is None or int(form[1] or 0) > 65535:
        why = "ssl: is not supported yet; " if remote.startswith("ssl:") else ""
        raise BadRemote(f"{remote}: {why}a database is reached by unix:/PATH or tcp:ADDRESS:PORT")


def reachable(remote: str) -> bool:
    """Whether it is worth trying: false where the socket is not even there."""
    return not remote.startswith("unix:") or os.access(remote.removeprefix("unix:"), os.R_OK | os.W_OK)


def silence(remote: str) -> str:
    """Why nobody answers at `remote`, and what to do about it."""
    kind, _, where = remote.partition(":")
    if kind == "tcp":
        port = where.rpartition(":")[2]
        return f"nobody answers at {remote}; «ovs-vsctl set-manager ptcp:{port}» over there makes it listen"
    try:
        if not stat.S_ISSOCK(os.stat(where).st_mode):
            return f"{where} is not a socket"
    except FileNotFoundError:
        return f"Open vSwitch is not running: there is no {where}; {START}"
    except OSError as reason:
        return f"{where}: {reason.strerror}"
    if not os.access(where, os.R_OK | os.W_OK):
        return f"{where}: permission denied; run as root"
    return f"Open vSwitch is not running: nobody answers at {where}; {START}"

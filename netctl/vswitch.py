"""Open vSwitch on this machine: where its sockets are, and how it is started."""

from __future__ import annotations

import os
from pathlib import Path

START = (
    "start it with «systemctl start openvswitch-switch», or where no service manager runs with "
    "«/usr/share/openvswitch/scripts/ovs-ctl start»"
)
"""What to do when it does not run; goes behind a sentence that says so."""


def run_dir() -> Path:
    """Where its sockets and pid files are: OVS_RUNDIR, or what its own tools take without that."""
    return Path(os.environ.get("OVS_RUNDIR") or "/var/run/openvswitch")

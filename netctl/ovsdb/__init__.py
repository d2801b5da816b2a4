"""The Open_vSwitch database of a switch (OVSDB, RFC 7047; its tables: ovs-vswitchd.conf.db(5)).

`Database` keeps a connection, says what is in it as the same rows that the policy asks for
(`netctl.desired.row`), and carries out a plan in one transaction.
"""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")
    from netctl.ovsdb.database import Database, Outcome
from netctl.ovsdb.remote import BadRemote, default_remote

__all__ = ["BadRemote", "Database", "Outcome", "default_remote"]

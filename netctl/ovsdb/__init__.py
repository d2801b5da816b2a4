"""The Open vSwitch of a machine: its database (OVSDB, RFC 7047; its tables: ovs-vswitchd.conf.db(5)), and its datapath.

`database.Database` keeps a connection, says what is in it as the same rows that the policy asks for
(`netctl.desired.row`), and carries out a plan in one transaction. Nothing is imported here: whoever needs
`datapath` alone does without the `ovs` library, and without eventlet, which that imports where it is installed.
"""

import warnings

warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")

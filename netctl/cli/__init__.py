"""The `netctl` command, one file per group of sub-commands."""

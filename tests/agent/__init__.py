"""The agent: its core by events and commands, the daemon as a process in a box."""

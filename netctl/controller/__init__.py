"""The brain of the controller: events in, commands out. Pure: no sockets, no clock, no framework."""

"""OpenFlow 1.3 on the wire: messages, what passes with one switch, the local client, the engine's seam."""

"""What is at the other end of a port: LLDP, and the neighbours that it tells of. Pure."""

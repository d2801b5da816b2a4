"""From a policy to what should be there: flows, OVSDB rows, host objects. Pure."""

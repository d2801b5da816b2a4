"""REST: what the published snapshot looks like from outside."""

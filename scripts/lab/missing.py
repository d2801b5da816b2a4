"""Why the lab cannot run."""


class Missing(Exception):
    """What is not there, and how to get it."""

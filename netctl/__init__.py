"""netctl: a programmable patch panel for hypervisors."""

__version__ = "0.1.0"

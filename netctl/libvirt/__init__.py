"""Guests that libvirt runs: the interface elements for their NICs, and the hook that makes the devices behind these.

A hook has 0.3 s: what it does not need, the policy's language above all, is not imported by what it does.
"""

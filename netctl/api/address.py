"""Where the REST API may listen."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address


def bare(host: str) -> str:
    """An IPv6 address without the brackets that a URL needs around it."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`; of names, only `localhost` is trusted to be so."""
    try:
        address = ip_address(bare(host))
    except ValueError:
        return host.lower() == "localhost"
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def refuse_address(host: str, insecure: bool) -> str | None:
    """Why netctl does not listen on `host`, for people; None when it may.

    There is no TLS yet, so any other address than a loopback one needs `insecure`, an explicit consent.
    """
    if insecure or is_loopback(host):
        return None
    return (
        f"the REST API does not listen on {host or 'every address'}: it has no TLS yet, so "
        "everybody between it and a reader could read and forge what it says. Listen on 127.0.0.1, which "
        "`ssh -L 8080:127.0.0.1:8080 HOST` or a reverse proxy with TLS makes reachable from elsewhere; "
        "or accept the risk with --netctl-insecure."
    )

"""Netlink attributes as they are packed (the kernel's userspace-api/netlink/intro)."""

from __future__ import annotations

from struct import Struct

NESTED = 0x8000

_HEAD = Struct("=HH")
_U8, _U16, _U32, _I32 = Struct("=B"), Struct("=H"), Struct("=I"), Struct("=i")
_BE16 = Struct("!H")


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, filled up to a multiple of four bytes."""
    return _HEAD.pack(4 + len(value), kind) + value + bytes(-len(value) % 4)


def nested(kind: int, *parts: bytes) -> bytes:
    return attribute(kind | NESTED, b"".join(parts))


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def u8(kind: int, value: int) -> bytes:
    return attribute(kind, _U8.pack(value))


def u16(kind: int, value: int) -> bytes:
    return attribute(kind, _U16.pack(value))


def u32(kind: int, value: int) -> bytes:
    return attribute(kind, _U32.pack(value))


def i32(kind: int, value: int) -> bytes:
    return attribute(kind, _I32.pack(value))


def be16(kind: int, value: int) -> bytes:
    return attribute(kind, _BE16.pack(value))


def mac(kind: int, value: str) -> bytes:
    return attribute(kind, bytes.fromhex(value.replace(":", "")))

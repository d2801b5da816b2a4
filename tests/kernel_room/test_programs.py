"""Virtual machines by the words of QEMU's command line."""

from __future__ import annotations

import pytest

from netctl.doctor.picture import Guest
from netctl.kernel.programs import read_guests

MAC = "52:54:00:84:e3:62"


@pytest.mark.parametrize(
    ("device", "guests"),
    [
        (f"virtio-net-pci,netdev=n0,mac={MAC}", [Guest(MAC)]),
        (f"virtio-net-pci,netdev=n0,mac={MAC.upper()},csum=off,gso=off", [Guest(MAC, checksum=False)]),
        (f"virtio-net-pci,guest_csum=off,mac={MAC}", [Guest(MAC)]),
        (f'{{"driver":"virtio-net-pci","csum":false,"guest_csum":false,"mac":"{MAC}"}}', [Guest(MAC, checksum=False)]),
        (f'{{"driver": "virtio-net-pci", "guest_csum": false, "mac": "{MAC}", "bus": "pci.1"}}', [Guest(MAC)]),
        ("virtio-blk-pci,drive=d0,smac=no", []),
        ("mac=52:54:00", []),
    ],
)
def test_what_libvirt_and_people_write(device: str, guests: list[Guest]) -> None:
    words = ("qemu-system-x86_64", "-device", device, "-m", "512")
    assert list(read_guests(b"\0".join(word.encode() for word in words) + b"\0")) == guests


def test_two_nics() -> None:
    command = b"qemu\0-device\0e1000,mac=52:54:00:00:00:01\0-device\0e1000,mac=52:54:00:00:00:02\0"
    assert [each.mac for each in read_guests(command)] == ["52:54:00:00:00:01", "52:54:00:00:00:02"]

"""What the hook knows of a policy: every guest's devices with what they stand on, kept until a file changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from netctl import rundir
from netctl.desired.host import devices
from netctl.libvirt import guests as module
from netctl.libvirt.guests import BadPolicy, Guests, guests, keep
from netctl.policy import load, loads

POLICY = """
version: 1
hosts:
  hv1:
    bridges: {ovbr0: {datapath: netdev, ports: [up_b]}}
    guests:
      vm1:
        nics:
          eth1: {mac: "52:54:00:84:e3:62", device: tap, bridge: ovbr0, multi_queue: true, mtu: 9000}
          eth2: {device: tap, master: br1, port: {pvid: 5, vlans: [7, 6]}}
      vm2: {nics: {eth1: {device: macvtap, lower: up_a.7}}}
      ns1: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0}}}
    links:
      br1: {kind: bridge, vlan_filtering: true}
      up_a: {kind: veth, peer: up_b, addresses: [10.0.0.1/24]}
      up_b: {kind: veth, peer: up_a}
      up_a.7: {kind: vlan, link: up_a, id: 7, offloads: {tso: false}}
"""


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NETCTL_RUN_DIR", str(tmp_path / "run"))
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    return file


def names(known: Guests) -> dict[str, set[str]]:
    return {guest: {want.item.key[-1] for want in known.of(guest)} for guest in known.packed}


def test_a_guest_has_its_devices_and_what_they_stand_on(policy: Path) -> None:
    assert names(guests(str(policy), None, "hv1")) == {
        "vm1": {"vm1-eth1", "vm1-eth2", "br1"},
        "vm2": {"vm2-eth1", "up_a.7", "up_a", "up_b"},
    }


def test_what_is_kept_is_what_was_read(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = guests(str(policy), None, "hv1")
    monkeypatch.setattr(module, "_keep", None)
    kept = guests(str(policy), None, "hv1")
    assert names(kept) == names(first)
    whole = {want.item.key: want.item for want in devices(loads(POLICY), "hv1")}
    for guest in kept.packed:
        assert kept.of(guest) == first.of(guest)
        for want in kept.of(guest):
            assert want.item == whole[want.item.key]
            assert want.item.facts() == whole[want.item.key].facts()


def test_what_another_process_kept_is_taken(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(load(policy), str(policy), "hv1", "machine")
    with monkeypatch.context() as patched:
        patched.setattr(module, "_keep", None)
        for host in (None, "hv1"):
            assert "vm1" in names(guests(str(policy), host, "machine"))
    policy.write_text(POLICY + "  hv2: {}\n")
    keep(load(policy), str(policy), "hv2", "machine")
    with pytest.raises(BadPolicy, match="none of the policy's hosts is called 'machine'"):
        guests(str(policy), None, "machine")
    assert guests(str(policy), "hv2", "machine") == Guests("hv2", {})


def test_another_policy_host_or_file_is_read_anew(policy: Path) -> None:
    guests(str(policy), None, "hv1")
    policy.write_text(POLICY.replace("vm2:", "vm3:"))
    assert "vm3" in names(guests(str(policy), None, "hv1"))
    with pytest.raises(BadPolicy, match="no host 'hv7'"):
        guests(str(policy), "hv7", "hv1")
    folder = policy.with_name("folder")
    folder.mkdir()
    (folder / "a.yaml").write_text(POLICY)
    assert "vm2" in names(guests(str(folder), None, "hv1"))
    (folder / "b.yaml").write_text('version: 1\nhosts: {hv1: {guests: {vm4: {nics: {e: {device: tap}}}}}}\n')
    assert names(guests(str(folder), None, "hv1"))["vm4"] == {"vm4-e"}


def test_a_wrong_policy_is_told_and_a_broken_file_of_ours_is_no_matter(policy: Path) -> None:
    guests(str(policy), None, "hv1")
    policy.write_text("version: 1\nhots: {}\n")
    with pytest.raises(BadPolicy, match=r"policy\.yaml:2:1"):
        guests(str(policy), None, "hv1")
    policy.write_text(POLICY)
    rundir.write_json("libvirt", {"asked": 5})
    assert "vm1" in names(guests(str(policy), None, "hv1"))

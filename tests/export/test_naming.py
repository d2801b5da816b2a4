from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from netctl.export.naming import named
from netctl.policy.name import is_wire_name


@given(st.integers(0, 2**32 - 1))
def test_every_crc_has_a_name_that_a_policy_takes(check: int) -> None:
    name = named(check)
    assert crc32(name.encode()) == check
    assert is_wire_name(name)

from __future__ import annotations

import pytest

from netctl.api.address import refuse_address


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.8.8", "localhost", "LOCALHOST", "::1", "[::1]", "::ffff:127.0.0.1"]
)
def test_this_machine_alone_is_fine(host: str) -> None:
    assert refuse_address(host, insecure=False) is None


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "[::]", "192.0.2.1", "::ffff:192.0.2.1", "fe80::1", "hv1.example", "*"]
)
def test_others_need_consent(host: str) -> None:
    why = refuse_address(host, insecure=False)
    assert why is not None
    assert (host or "every address") in why
    assert "no TLS" in why
    assert "--netctl-insecure" in why
    assert refuse_address(host, insecure=True) is None

from __future__ import annotations

from collections.abc import Callable

import pytest
from werkzeug.test import Client

from netctl.api.wsgi import application
from netctl.controller.snapshot import Snapshot
from tests.api.board import Shelf


@pytest.fixture
def client() -> Callable[[Snapshot], Client]:
    """A client of the REST API over one snapshot."""
    return lambda snapshot: Client(application(lambda: snapshot, engine="os-ken 4.2.2", scenes=Shelf()))

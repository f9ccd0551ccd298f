"""What the tests of the ways out share: a reactor, and connections on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.http_connection import Connector, ManualReactor


@pytest.fixture
def reactor() -> ManualReactor:
    """The reactor, moved by hand."""
    return ManualReactor()


@pytest.fixture
def connect(reactor: ManualReactor) -> Iterator[Connector]:
    """What makes connections; they are closed behind the test."""
    with Connector(reactor) as connect:
        yield connect

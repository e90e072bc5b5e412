"""Fixtures of the streamer's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.streamer.cold import Surroundings


@pytest.fixture
def around() -> Iterator[Surroundings]:
    """Flights over a fake network, that leave nothing behind."""
    made = Surroundings()
    yield made
    made.close()

"""Fixtures of the tests of real clients."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.integration.clients.running import Run, ran
from tests.integration.content_site import content
from tests.servers.reactor import IReactor

__all__ = ["content"]


@pytest.fixture
def run(reactor: IReactor, tmp_path: Path) -> Run:
    """Run a program in ``tmp_path``: ``await run(program, *arguments, environ=None)``."""
    return partial(ran, reactor, tmp_path)

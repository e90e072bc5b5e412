"""With whom a daemon shares what it fetches."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from twisted_pulp.jobs import Nodes
from twisted_pulp.service._share import crew_of


@pytest.mark.parametrize(
    ("roles", "others", "rivals"),
    [
        ((), 0, False),
        ((("api",),), 0, False),
        ((("content",), ("api",)), 0, True),
        ((("api", "worker"), ("content",)), 1, True),
    ],
)
def test_crew(roles: tuple[tuple[str, ...], ...], others: int, rivals: bool) -> None:
    """Work is shared with those that run jobs, and files are claimed where clients' may be fetched, too."""
    catalog: Any = None
    nodes = Nodes(reactor=None, catalog=catalog, name="one", roles=("worker",), version="1")
    found: Any = tuple(SimpleNamespace(roles=each) for each in roles)
    nodes._others = found
    running: Any = SimpleNamespace(jobs=None, claims=None, nodes=nodes)
    crew = crew_of(running)
    assert (others, rivals) == (crew.others, crew.rivals)

"""The registry of filters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from zope.interface import implementer
from zope.interface.verify import verifyObject

from twisted_pulp.content.simple import SIMPLE
from twisted_pulp.errors import SettingsError
from twisted_pulp.streamer import Filters, IBodyFilter, LinkedPage, registered_filters

MODULE = """
class Upper:
    types = ("text/plain",)
    def filtered(self, body, kind, page):
        return body.upper()

UPPER, NOTHING = Upper(), object()
"""


@implementer(IBodyFilter)
class Upper:
    """Has everything in capitals."""

    types = ("text/plain",)

    def filtered(self, body: bytes, kind: str, page: LinkedPage) -> bytes | None:
        return body.upper()


UPPER = Upper()


@pytest.fixture
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have what another project calls upper registered."""
    (tmp_path / "capitals_of_a_project.py").write_text(MODULE)
    info = tmp_path / "capitals_of_a_project-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: capitals_of_a_project\nVersion: 1\n")
    monkeypatch.syspath_prepend(tmp_path)

    def registered(value: str) -> None:
        (info / "entry_points.txt").write_text(f"[twisted_pulp.filters]\nupper = {value}\n")

    return registered


@pytest.mark.parametrize("kind", ["text/plain", "Text/Plain; charset=utf-8", "text/plain ;a=b"])
def test_of(kind: str) -> None:
    """A page's filter is found by its media type, whatever its parameters."""
    assert UPPER is Filters([UPPER]).of(kind)


@pytest.mark.parametrize("kind", [None, "", "text/plainer", "application/json"])
def test_nothing(kind: str | None) -> None:
    """Pages of other types have none."""
    assert Filters([UPPER]).of(kind) is None


def test_ours() -> None:
    """The filter of simple indexes needs no registration."""
    assert SIMPLE is registered_filters().of("application/vnd.pypi.simple.v1+json")
    verifyObject(IBodyFilter, SIMPLE)


def test_others(register: Callable[[str], None]) -> None:
    """Filters of other projects are found by their entry points."""
    register("capitals_of_a_project:UPPER")
    found = registered_filters().of("text/plain")
    assert b"A" == found.filtered(b"a", "text/plain", None)


@pytest.mark.parametrize("name", ["no.such.module:it", "capitals_of_a_project:NOTHING", "capitals_of_a_project:nobody"])
def test_not_one(register: Callable[[str], None], name: str) -> None:
    """What cannot be imported, or is no filter, is named."""
    register(name)
    with pytest.raises(SettingsError, match="upper"):
        registered_filters()

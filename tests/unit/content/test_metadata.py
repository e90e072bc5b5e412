"""Metadata for whoever makes a content type: its lines, its errors, and what is kept of it."""

from __future__ import annotations

import os
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred, succeed

from tests.unit.stages.surroundings import SITE
from twisted_pulp.catalog import versions
from twisted_pulp.content import Metadata, synchronize
from twisted_pulp.content._metadata import LONGEST_LINE
from twisted_pulp.errors import MetadataError, StorageFull
from twisted_pulp.settings import Remote
from twisted_pulp.stages import Content, DeclarativeContent, Stage
from twisted_pulp.storage import MemoryStorage
from twisted_pulp.testing import FakeSite

URL = SITE + "lines"


class LinesStage(Stage):
    """Puts a unit for each line."""

    def __init__(self, keeps: bool) -> None:
        super().__init__()
        self.keeps = keeps

    async def run(self) -> None:
        """Read them."""
        async with Metadata(self.sync, url=URL) as metadata:
            number = 0
            async for line in metadata.lines():
                number += 1
                if line == b"bad":
                    raise metadata.error(number, "bad")
                content = Content(type="lines", key=(f"{number}", line[:9].decode()))
                await self.put(DeclarativeContent(content=content))
            if self.keeps:
                await metadata.keep("kept/lines")


class Lines:
    """A content type whose units are lines."""

    type = "lines"

    def __init__(self, keeps: bool = False) -> None:
        self.keeps = keeps

    def first_stage(self, force: bool) -> LinesStage:
        """Return the stage."""
        return LinesStage(self.keeps)


@pytest.fixture
def given(fields: dict[str, Any]) -> dict[str, Any]:
    """What a sync needs beside type and repository."""
    return {"remote": Remote(), **fields}


@pytest.mark.parametrize(
    ("body", "units"),
    [(b"", 0), (b"a", 1), (b"a\n", 1), (b"a\n\nb", 3), (b"x" * 200_000 + b"\n" + b"y" * 200_000 + b"\nz\n", 3)],
)
@ensureDeferred
async def test_lines(given: dict[str, Any], repository: Any, site: FakeSite, body: bytes, units: int) -> None:
    """Each line is given once, the empty ones too, in whatever pieces they came."""
    site.files[URL] = body
    assert units == (await synchronize(Lines(), repository, **given)).added


@ensureDeferred
async def test_long_line(given: dict[str, Any], repository: Any, site: FakeSite) -> None:
    """A line without an end is refused when it is too long, not when it is all there."""
    site.files[URL] = b"a\n" + b"x" * (LONGEST_LINE + 100_000)
    with pytest.raises(MetadataError, match=f"line 2: longer than {LONGEST_LINE} bytes"):
        await synchronize(Lines(), repository, **given)


@ensureDeferred
async def test_error(given: dict[str, Any], repository: Any, site: FakeSite) -> None:
    """An error names the line and the URL."""
    site.files[URL] = b"a\nbad\n"
    with pytest.raises(MetadataError, match=rf"line 2: bad \({URL}\)"):
        await synchronize(Lines(), repository, **given)


@ensureDeferred
async def test_kept(given: dict[str, Any], repository: Any, site: FakeSite, storage: MemoryStorage) -> None:
    """What is kept belongs to the version, byte for byte."""
    site.files[URL] = body = b"a\nb\n"
    await synchronize(Lines(keeps=True), repository, **given)
    kept = given["catalog"].now(versions.kept, repository.id, 1)
    assert body == await storage.read(kept["kept/lines"])


class Full:
    """A storage that is full."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage

    def adopt(self, files: Any) -> Deferred[list[StorageFull]]:
        """Take nothing."""
        return succeed([StorageFull(detail="no room") for _ in files])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)


@ensureDeferred
async def test_not_kept(given: dict[str, Any], repository: Any, site: FakeSite, storage: MemoryStorage) -> None:
    """What cannot be kept is no version, and leaves no file behind."""
    site.files[URL] = b"a\n"
    with pytest.raises(StorageFull):
        await synchronize(Lines(keeps=True), repository, **{**given, "storage": Full(storage)})
    assert given["catalog"].now(versions.latest, repository.id) is None
    assert [] == os.listdir(os.path.dirname(storage.temporary("x")))

"""Save units, their files, and where those come from."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define, field
from pytest_twisted import ensureDeferred
from sqlalchemy import Column, Connection, ForeignKey, Integer, MetaData, Table, Text, insert
from sqlalchemy.schema import CreateTable

from tests.unit.stages.surroundings import SITE, MemoryCatalog, file_of, through, unit_of
from twisted_pulp.catalog._tables import content, content_artifact, source
from twisted_pulp.catalog._tables import remote as remote_table
from twisted_pulp.download import Source
from twisted_pulp.settings import Remote
from twisted_pulp.stages import Content, ContentSaver, DeclarativeContent, QueryExistingContents, SourceSaver, Sync


@ensureDeferred
async def test_saved(sync: Sync, catalog: MemoryCatalog) -> None:
    """Units are saved with their data and files, in one transaction for the batch; each then has an id."""
    both = DeclarativeContent(
        content=Content(type="t", key=("u", "1"), data={"summary": "s"}),
        artifacts=[file_of("a", b"a"), file_of("b", b"b", size=None, digests={})],
    )
    none = DeclarativeContent(content=Content(type="t", key=("none",), place="p"))
    taken = await through(sync, [both, none], ContentSaver())
    assert [both, none] == taken
    assert {
        (both.content_id, "t", '["u","1"]', None, (("summary", "s"),)),
        (none.content_id, "t", '["none"]', "p", ()),
    } == {(*row, tuple(data.items())) for *row, data in catalog.rows(content, "id", "type", "key", "place", "data")}
    assert [(both.content_id, "a", 1, both.artifacts[0].digests), (both.content_id, "b", None, {})] == catalog.rows(
        content_artifact, "content_id", "path", "size", "digests"
    )
    assert ["_save"] == catalog.written
    assert [each.file_id for each in both.artifacts] == [number for (number,) in catalog.rows(content_artifact, "id")]


@ensureDeferred
async def test_same_unit_twice(sync: Sync, catalog: MemoryCatalog) -> None:
    """A unit that comes twice, in one batch or in two, is one row."""
    first, second = unit_of("f", b"body"), unit_of("f", b"body")
    await through(sync, [first, second], ContentSaver())
    (third,) = await through(sync, [unit_of("f", b"body")], QueryExistingContents(), ContentSaver())
    assert 1 == len({first.content_id, second.content_id, third.content_id})
    assert (1, 1) == (len(catalog.rows(content, "id")), len(catalog.rows(content_artifact, "id")))


@ensureDeferred
async def test_sources(sync: Sync, catalog: MemoryCatalog) -> None:
    """Each place that a file can come from is saved with its priority and the Remote that reaches it."""
    mine, theirs, unknown = (Remote(url=f"http://{name}/") for name in ("site", "other", "unknown"))
    for name in ("mine", "theirs"):
        row = {"name": name, "type": "file", "settings": {}, "created": 0.0, "updated": 0.0}
        catalog.now(Connection.execute, insert(remote_table).values(row))
    sync.remote, sync.remote_id, sync.remote_ids = mine, 1, {theirs: 2}
    wanted = [SITE + "f", Source("http://other/f", 2, theirs), Source("http://unknown/f", 3, unknown)]
    await through(sync, [unit_of("f", b"body", *wanted)], ContentSaver(), SourceSaver())
    assert {(SITE + "f", 1, 1), ("http://other/f", 2, 2), ("http://unknown/f", None, 3)} == set(
        catalog.rows(source, "url", "remote_id", "priority")
    )


@ensureDeferred
async def test_no_sources(sync: Sync, catalog: MemoryCatalog) -> None:
    """Where no file has a source, nothing is written."""
    await through(sync, [DeclarativeContent(content=Content(type="t", key=("u",)))], ContentSaver(), SourceSaver())
    assert ["_save"] == catalog.written


OWN = Table(
    "advisory",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("content_id", Integer, ForeignKey(content.c.id), nullable=False),
    Column("text", Text),
)


@define(eq=False)
class Advised(ContentSaver):
    """Relate units to rows of another table."""

    error: Exception | None = None
    batches_seen: list[int] = field(factory=list)

    def saving(self, connection: Any, batch: list[DeclarativeContent]) -> None:
        """Save a row for each unit."""
        rows = [{"content_id": unit.content_id, "text": unit.attachment} for unit in batch]
        connection.execute(insert(OWN), rows)
        self.batches_seen.append(len(batch))
        if self.error is not None:
            raise self.error


@pytest.fixture
def own(catalog: MemoryCatalog) -> None:
    """A table of somebody else's in the catalog's database."""
    catalog.now(Connection.execute, CreateTable(OWN))


@pytest.mark.usefixtures("own")
@ensureDeferred
async def test_saving(sync: Sync, catalog: MemoryCatalog) -> None:
    """Rows of other tables are saved in the transaction of their units, whose ids they can refer to."""
    units = [unit_of(name, b"body") for name in "ab"]
    for unit in units:
        unit.attachment = f"about {unit.content.place}"
    await through(sync, units, Advised())
    assert [(unit.content_id, unit.attachment) for unit in units] == catalog.rows(OWN, "content_id", "text")


@pytest.mark.usefixtures("own")
@ensureDeferred
async def test_saving_fails(sync: Sync, catalog: MemoryCatalog) -> None:
    """When that fails, the units are not saved either."""
    with pytest.raises(ValueError, match="refused"):
        await through(sync, [unit_of("a", b"body")], Advised(ValueError("refused")))
    assert ([], []) == (catalog.rows(content, "id"), catalog.rows(OWN, "id"))

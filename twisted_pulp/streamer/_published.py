"""What a request's path stands for: a file of a version, one that is yet to come, a directory, a place upstream."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Literal
from urllib.parse import unquote

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from twisted_pulp.catalog import Catalog
from twisted_pulp.catalog.paths import FileAt, Name
from twisted_pulp.catalog.pulled import PulledFile
from twisted_pulp.download import DownloadReport, Source
from twisted_pulp.errors import DownloadError, PulpError
from twisted_pulp.settings import Remote
from twisted_pulp.streamer._bases import Base, Bases
from twisted_pulp.streamer._entity import IMMUTABLE, REVALIDATE, Entity
from twisted_pulp.streamer._found import Cold, Directory, Found, Kept, Moved, Through
from twisted_pulp.streamer._gathered import Gathered
from twisted_pulp.streamer._known_files import KnownFile, KnownFiles
from twisted_pulp.streamer._links import Link
from twisted_pulp.streamer._lookup import LISTED, AtPath, at_path
from twisted_pulp.streamer._manifests import MANIFEST, Manifests
from twisted_pulp.streamer._media import media_type
from twisted_pulp.streamer._path import RequestPath
from twisted_pulp.streamer._recent import Recent
from twisted_pulp.streamer._records import FailedSource, FetchedFile, PulledThrough, Records, WantedArtifact
from twisted_pulp.streamer._upstream import Place, artifact_of, passed_on, pulled_entity, source_of, spot_of
from twisted_pulp.streamer._wanted import Wanted

__all__ = ["Published"]

#: Files that came lately and are served without asking the catalog whether it knows.
_ARRIVED = 1000
#: Seconds for which nothing is noted of a file that is wanted again and again.
_DAY = 86400.0


class Published:
    """
    Find what is served at a path.

    What is stored is remembered; that holds until its distribution serves something else, which is seen within a
    second.

    :param catalog: what is known.
    :param records: where it is noted what came.
    :param manifests: of versions that have none.
    :param seconds: the reactor's clock.
    :param most: how many paths are remembered; default 50,000.
    :param clock: what is asked in one of its turns is looked up together; default None: each at once.
    """

    def __init__(
        self,
        catalog: Catalog,
        records: Records,
        manifests: Manifests,
        seconds: Callable[[], float],
        most: int = 50_000,
        clock: IReactorTime | None = None,
    ) -> None:
        self._catalog, self._records, self._manifests = catalog, records, manifests
        self._gathered = Gathered(catalog, clock=clock)
        self._bases = Bases(catalog, seconds)
        self._seconds = seconds
        self._remembered: Recent[bytes, tuple[Base, Kept, float]] = Recent(most)
        self._known = KnownFiles(catalog, records.now, seconds, clock)
        # What the catalog may not know yet, or did not when it was asked.
        self._arrived: Recent[Hashable, Kept | tuple[str, PulledFile]] = Recent(_ARRIVED)

    def remembered(self, raw: bytes) -> Kept | None:
        """Return the stored file that was at the path *raw* a moment ago, if it was asked for lately."""
        known = self._remembered.get(raw)
        if known is None or not self._bases.fresh(known[0]) or self._seconds() > known[2]:
            return None
        return known[1]

    async def find(self, raw: bytes, path: RequestPath, *, missing: bool = False) -> Found | None:
        """
        Return what there is at *path*, or None.

        :param raw: the path as it was sent, by which it is remembered.
        :param missing: whether the bytes, of which the catalog says that they are stored, are not.
        :raises PulpError: when it cannot be said, or there is a file that nobody has.
        """
        base = await self._bases.find(path.plain)
        if base is None:
            return None
        known = self._remembered.get(raw)
        lately = known is not None and known[0] is base and self._seconds() <= known[2]
        if known is not None and lately and path.query is None and not missing:
            return known[1]
        below = path.below(base.depth)
        if not below.names:
            return Moved()
        found = await self._below(base, below, missing)
        if isinstance(found, Kept) and path.query is None:
            self._remembered.put(raw, (base, found, self._seconds() + _DAY))
        return found

    async def _below(self, base: Base, path: RequestPath, missing: bool) -> Found | None:
        text = path.text
        if base.number is not None and text is not None:
            found = await self._of_version(base, base.number, path, text, missing)
            if found is not None:
                return found
        if base.remote is not None and base.row.remote_id is not None:
            return await self._upstream(base, base.remote, base.row.remote_id, path, missing)
        return Directory("", ()) if text == "" else None

    # files of a version
    async def _of_version(self, base: Base, number: int, path: RequestPath, text: str, missing: bool) -> Found | None:
        bases, repository, after, key = self._bases, base.row.repository_id, _after(path), self._catalog.key
        assert repository is not None
        at = await self._gathered.read(at_path, repository, number, text, after, missing, bases.known_remotes, key)
        bases.learn(at.remotes)
        if at.file is not None:
            return self._file(base, text, at.file, at, missing)
        if not at.names:
            return await self._manifest(base, number, missing) if text == MANIFEST and base.remote is None else None
        if not path.directory:
            return Moved()
        return Directory(text, at.names[:LISTED], at.names[LISTED - 1] if len(at.names) > LISTED else None)

    async def _manifest(self, base: Base, number: int, missing: bool) -> Kept:
        assert base.row.repository_id is not None
        sha256, size = await self._manifests.of(base.row.repository_id, number, missing=missing)
        return Kept(Entity(size=size, sha256=sha256, type=media_type(MANIFEST), cache_control=_control(base)))

    def _file(self, base: Base, path: str, file: FileAt, at: AtPath, missing: bool) -> Found | None:
        sha256 = file.sha256 or file.digests.get("sha256")
        entity = Entity(
            size=file.size, sha256=sha256, modified=file.modified, type=media_type(path), cache_control=_control(base)
        )
        if file.sha256 is not None and not missing:
            return Kept(entity)
        arrived = None if missing else self._come(("file", file.id))
        if arrived is not None:
            return arrived
        tried = {row.id: source for row in at.sources if (source := source_of(row, at.remotes)) is not None}
        if tried:
            return Cold(entity, self._wanted_file(base, file, entity, tried))
        if base.remote is None:
            raise DownloadError(detail=f"{path} is not stored, and nobody is known to have it")
        return None

    def _wanted_file(self, base: Base, file: FileAt, entity: Entity, tried: dict[int, Source]) -> Wanted:
        records, ids = self._records, {source.url: number for number, source in tried.items()}

        def keep(report: DownloadReport, sha256: str) -> Deferred[None]:
            self._arrived.put(("file", file.id), Kept(evolve(entity, sha256=sha256, size=report.size)))
            came = None if report.source is None else ids.get(report.source.url)
            return records.add(FetchedFile(artifact_of(report), file.id, came))

        def failed(source: Source, error: PulpError) -> None:
            if source.url in ids:
                records.note(FailedSource(ids[source.url], str(error)))

        sources = tuple(tried.values())
        return Wanted(
            sources=sources,
            remote=sources[0].remote or Remote(),
            scope=("file", file.id),
            size=file.size,
            digests=file.digests if file.sha256 is None else {**file.digests, "sha256": file.sha256},
            policy=_policy(base, sources[0].remote),
            early_ranges=base.rules.early_ranges,
            keep=keep,
            failed=failed,
        )

    # what is upstream
    async def _upstream(
        self, base: Base, remote: Remote, remote_id: int, path: RequestPath, missing: bool
    ) -> Found | None:
        spot = spot_of(remote, path)
        if spot is None:
            return None
        immutable = path.query is None and not path.directory and base.rules.immutable(spot.text)
        known = await self._known.find(remote_id, spot, immutable)
        place, digests = spot.place, {} if known.link is None else dict(known.link.digests)
        if place is None:  # somewhere else; a page must have said so
            if known.link is None:
                return None
            place = Place(known.link.url, known.link.name)
        immutable = immutable or bool(digests)
        kept = (
            self._kept(remote_id, place, spot.text, known, digests.get("sha256")) if immutable and not missing else None
        )
        if kept is not None:
            return kept
        wanted = self._wanted_there(base, remote, remote_id, place, spot.text, immutable, digests)
        return Through(
            remote_id,
            place,
            spot.text,
            path.reference,
            immutable,
            wanted,
            streamed=_policy(base, remote) == "streamed",
            caching=base.rules.caching.of(spot.text),
        )

    def _kept(self, remote_id: int, place: Place, text: str, known: KnownFile, sha256: str | None) -> Kept | None:
        if known.pulled is not None:
            self._wanted(known.pulled)
            return Kept(pulled_entity(text, known.pulled))
        if known.stored is not None:
            size, found = known.stored.size, known.stored.sha256
            return Kept(Entity(size=size, sha256=found, type=media_type(text), cache_control=IMMUTABLE))
        arrived = self._come((remote_id, place.name))
        return arrived if arrived is not None and sha256 in (None, arrived.entity.sha256) else None

    def _wanted(self, file: PulledFile) -> None:
        """Note once a day that *file* is wanted."""
        if file.artifact_id is not None and file.wanted is not None and self._records.now() - file.wanted > _DAY:
            self._records.note(WantedArtifact(file.artifact_id))

    def _come(self, key: Hashable) -> Kept | None:
        """Return what has come lately; most of it is never asked for again so soon."""
        found = self._arrived.get(key)
        return Kept(pulled_entity(*found)) if isinstance(found, tuple) else found

    async def learn(self, remote_id: int, links: Iterable[Link]) -> None:
        """Remember the files that a page of a Remote has named, before a client can ask for them."""
        if await self._known.learn(remote_id, links):
            self._remembered.clear()

    def _wanted_there(
        self,
        base: Base,
        remote: Remote,
        remote_id: int,
        place: Place,
        path: str,
        immutable: bool,
        digests: Mapping[str, str],
    ) -> Wanted:
        def keep(report: DownloadReport, sha256: str) -> Deferred[None]:
            headers = passed_on(report)
            file = PulledFile(sha256, report.size or 0, headers, report.finished)
            self._arrived.put((remote_id, place.name), (path, file))
            return self._records.add(PulledThrough(artifact_of(report), remote_id, place.name, headers))

        kept = immutable and _policy(base, remote) != "streamed"
        return Wanted(
            sources=(Source(place.url),),
            remote=remote,
            scope=remote_id,
            digests=digests,
            policy="on_demand" if kept else "streamed",
            early_ranges=base.rules.early_ranges,
            keep=keep if kept else None,
        )


def _control(base: Base) -> str:
    # Under the path of a version that is said by its number nothing ever changes.
    return REVALIDATE if base.row.number is None else IMMUTABLE


def _policy(base: Base, remote: Remote | None) -> Literal["on_demand", "streamed"]:
    """Return what the distribution says, or else the Remote."""
    said = base.row.policy or (None if remote is None else remote.policy)
    return "streamed" if said == "streamed" else "on_demand"


def _after(path: RequestPath) -> Name | None:
    """Return the name after which a page of a directory begins, as `next_page` wrote it."""
    key, _, value = (path.query or "").partition("=")
    if key != "after" or not value or not path.directory:
        return None
    name = unquote(value)
    return Name(name.removesuffix("/"), name.endswith("/"))

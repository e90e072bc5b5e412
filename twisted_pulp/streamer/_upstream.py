"""What is below a Remote's URL: where it is, and what is known of what came from there."""

from __future__ import annotations

from attrs import frozen

from twisted_pulp.catalog.artifacts import NewArtifact
from twisted_pulp.catalog.pulled import PulledFile
from twisted_pulp.catalog.sources import SourceRow
from twisted_pulp.download import DownloadReport, Source
from twisted_pulp.errors import SettingsError
from twisted_pulp.settings import Remote
from twisted_pulp.streamer._bases import Known
from twisted_pulp.streamer._entity import IMMUTABLE, Entity
from twisted_pulp.streamer._fields import forwarded
from twisted_pulp.streamer._links import FILES, canonical, elsewhere
from twisted_pulp.streamer._media import media_type
from twisted_pulp.streamer._path import RequestPath
from twisted_pulp.urls import prepared

__all__ = ["Place", "Spot", "artifact_of", "passed_on", "place_below", "pulled_entity", "source_of", "spot_of"]

_PLAIN = Remote()
# Headers that were right when the answer came, and are not any more.
_OF_THAT_ANSWER = frozenset({"Age", "Expires"})


@frozen
class Place:
    """
    A place below a Remote's URL.

    :ivar url: that is asked for.
    :ivar name: the same without the query of the Remote's own URL, which may be a secret: it is known by this.
    """

    url: str
    name: str


@frozen
class Spot:
    """
    What a path below a distribution stands for upstream.

    :ivar place: below the Remote's URL; None: somewhere else, where only a page can have said.
    :ivar name: by which pages have named it, if they have; None: they cannot have.
    :ivar text: the decoded path, which says what kind of a file it is.
    """

    place: Place | None
    name: str | None
    text: str


def spot_of(remote: Remote, path: RequestPath) -> Spot | None:
    """Return what *path* stands for; None where that cannot be anything."""
    if path.names[0] == FILES:
        name = elsewhere(path.quoted[1:], path.query)
        return None if name is None else Spot(None, name, "/".join(path.names[3:]))
    place = place_below(remote, path)
    return None if place is None else Spot(place, canonical(place.name), "/".join(path.names))


def place_below(remote: Remote, path: RequestPath) -> Place | None:
    """
    Return where *path* is below the URL of *remote*, quoted as it came; None where that cannot be.

    The query of the Remote's URL goes with every request; beside it there is no place for one of the client's.
    """
    if remote.url is None:
        return None
    base, mark, query = remote.url.partition("?")
    if mark and path.query is not None:
        return None
    try:
        name = prepared((base if base.endswith("/") else f"{base}/") + path.reference)
    except SettingsError:
        return None
    return Place(f"{name}?{query}" if mark else name, name)


def source_of(row: SourceRow, remotes: Known) -> Source | None:
    """Return a source of the catalog as one that can be tried; None if it cannot be."""
    # Without its Remote a source has still its URL.
    found = None if row.remote_id is None else remotes.get(row.remote_id)
    try:
        return Source(row.url, min(max(row.priority, 1), 999999), _PLAIN if found is None else found[1])
    except SettingsError:
        return None


def artifact_of(report: DownloadReport) -> NewArtifact:
    """Return what the catalog shall know of bytes that came."""
    digests = dict(report.digests)
    return NewArtifact(digests.pop("sha256"), report.size or 0, digests)


def passed_on(report: DownloadReport) -> tuple[tuple[str, str], ...]:
    """Return the headers of what came that are passed on whenever it is served."""
    pairs = getattr(report.headers, "pairs", None)
    told = forwarded(() if pairs is None else pairs())
    modified = report.headers.get("last-modified") if told.modified is not None else None
    found = [("Content-Type", told.type), ("Last-Modified", modified), *told.fields]
    return tuple((name, value) for name, value in found if value is not None and name not in _OF_THAT_ANSWER)


def pulled_entity(path: str, file: PulledFile) -> Entity:
    """Return what is known of a file that was pulled through, and is stored."""
    told = forwarded((name.encode("latin-1"), value.encode("latin-1")) for name, value in file.headers)
    return Entity(
        size=file.size,
        sha256=file.sha256,
        modified=told.modified,
        type=told.type or media_type(path),
        cache_control=IMMUTABLE,
        fields=told.fields,
    )

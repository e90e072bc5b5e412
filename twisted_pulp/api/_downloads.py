"""Downloads: jobs whose items are files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from twisted_pulp.api._call import Call
from twisted_pulp.api._intake import decoded
from twisted_pulp.api._jobs import accepted, check_open, getting, items, listing, verbs
from twisted_pulp.api._lines import Lines
from twisted_pulp.api._problems import Refused, wrong
from twisted_pulp.api._query import query_of
from twisted_pulp.api._route import KEY, Answer, Parameter, Route
from twisted_pulp.documents import InvalidDocument, Job, NewDownload, NewDownloads, read_document
from twisted_pulp.errors import PulpError, SettingsError
from twisted_pulp.urls import origin_of

__all__ = ["ROUTES", "lines_of"]

KIND = "download"
#: Items that are looked at before others get their turn: it takes the reactor a few milliseconds.
_SLICE = 100
_PRIORITY = Parameter(
    name="priority", kind="integer", least=-1000, most=1000, says="Of JSON lines: as `priority` of the document."
)
_REMOTE = Parameter(
    name="remote", most=255, pattern=r"^[A-Za-z0-9_.+~-]+$", says="Of JSON lines: as `remote` of the document."
)
_PARAMETERS = (_REMOTE, _PRIORITY, KEY)


async def _create(call: Call) -> Answer:
    check_open(call.running)
    key = call.given.get("Idempotency-Key")
    intake = getattr(call.request, "intake", None)
    if isinstance(intake, Lines):
        return accepted(call, await intake.finish(key), "downloads")
    body = call.body()
    if not call.given.keys() <= {"Idempotency-Key"}:
        raise wrong("", "remote and priority stand in the document, unless it is of JSON lines")
    wanted = await _read(call, body)
    await _check_remote(call, wanted.remote)
    specs: list[Any] = []
    for at in range(0, len(wanted.items), _SLICE):
        specs += _specs(call.running, wanted.items[at : at + _SLICE], at)
        await deferLater(call.running.reactor, 0)
    submitted = await call.running.jobs.submit(
        KIND,
        {"remote": wanted.remote},
        specs,
        priority=wanted.priority,
        remote=wanted.remote,
        key=key,
        fingerprint=None if key is None else hashlib.sha256(body).hexdigest(),
        owner=call.principal.id,
    )
    return accepted(call, submitted, "downloads")


async def _read(call: Call, body: bytes) -> NewDownloads:
    """Return what *body* asks for; long lists are read bit by bit, so that others get their turn."""
    try:
        parts = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        items = msgspec.json.decode(parts.pop("items"), type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError):
        return read_document(NewDownloads, decoded(body))  # says what is wrong with it
    most = call.running.settings.limits.items
    if len(items) > most:
        raise Refused(status=413, code="too_many_items", detail=f"More than {most} items; send them as JSON lines.")
    head = {name: decoded(bytes(part)) for name, part in parts.items()}
    wanted = read_document(NewDownloads, {**head, "items": [decoded(bytes(each)) for each in items[:1]]})
    for at in range(1, len(items), _SLICE):
        some = [decoded(bytes(each)) for each in items[at : at + _SLICE]]
        wanted.items.extend(_documents(some, at))
        await deferLater(call.running.reactor, 0)
    return wanted


def _documents(items: Sequence[Any], first: int) -> list[NewDownload]:
    try:
        return read_document(list[NewDownload], items)
    except InvalidDocument:
        return [read_document(NewDownload, each, f"/items/{at}") for at, each in enumerate(items, first)]


def _specs(running: Any, wanted: Sequence[NewDownload], first: int, before: str = "/items") -> list[Any]:
    """Return what the jobs are told of the items *wanted*, whose pointers begin with *before*."""
    from twisted_pulp.jobs import ItemSpec

    made, seen = [], set()
    for at, each in enumerate(wanted, first):
        digests = None if each.digests is None else each.digests.given()
        try:
            made.append(ItemSpec(each.url, each.path, each.size, digests))
        except SettingsError as error:
            raise wrong(f"{before}/{at}/{error.field.replace('.', '/')}", f"must be {error.allowed}") from error
        origin = origin_of(each.url)
        blocked = None if origin in seen else _blocked(running, each.url)
        seen.add(origin)  # most are of one
        if blocked is not None:
            raise Refused(status=403, code="blocked_address", detail=f"{before}/{at}/url: {blocked}")
    return made


def _blocked(running: Any, url: str) -> PulpError | None:
    """Return why *url* must not be asked for, if its own text says so; what names lead to is seen later."""
    policy = getattr(running.context, "policy", None)
    return None if policy is None else policy.literal(url)


async def _check_remote(call: Call, name: str | None) -> None:
    """Refuse the name of a remote that is not there."""
    if name is not None:
        await remote_exists(call.running, name)


async def remote_exists(running: Any, name: str) -> None:
    """:raises Refused: when there is no remote of this *name*."""
    from twisted_pulp.catalog import remotes
    from twisted_pulp.errors import NotInCatalog

    try:
        await running.data.catalog.read(remotes.get, name)
    except NotInCatalog as error:
        raise wrong("/remote", str(error)) from error


def lines_of(running: Any, request: Any, target: bytes, principal: Any) -> Lines:
    """Return what takes in the body of *request*, JSON lines, and makes a job of it."""
    check_open(running)
    given = query_of(target, (_REMOTE, _PRIORITY))

    def begin() -> Deferred[Any]:
        return Deferred.fromCoroutine(_drafted(running, given, principal))

    return Lines(request, begin, partial(_made, running))


async def _drafted(running: Any, given: dict[str, Any], principal: Any) -> Any:
    remote = given.get("remote")
    if remote is not None:
        await remote_exists(running, remote)
    priority = given.get("priority", 0)
    return await running.jobs.draft(KIND, {"remote": remote}, priority=priority, remote=remote, owner=principal.id)


def _made(running: Any, lines: Sequence[bytes], first: int) -> list[Any]:
    found = []
    for at, line in enumerate(lines, first):
        if not line.strip():
            continue
        try:
            data = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(status=400, code="malformed_json", detail=f"line {at + 1}: no JSON: {error}") from error
        found += _specs(running, [read_document(NewDownload, data, f"/{at}")], at, "")
    return found


ROUTES = (
    Route(
        method="POST",
        path="/downloads",
        says="Hand in files to be downloaded; what was answered is done, whatever happens.",
        run=_create,
        scope="write",
        takes=NewDownloads,
        gives=Job,
        status=202,
        parameters=_PARAMETERS,
        streams=True,
    ),
    listing("downloads", KIND, "List jobs that download, the latest first."),
    getting("downloads", KIND, "Show a job that downloads."),
    items("downloads", KIND),
    *verbs("downloads", KIND),
)

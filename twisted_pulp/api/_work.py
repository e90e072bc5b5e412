"""Syncs, verifications and cleanups: what is handed in as a job."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from twisted_pulp.api._call import Call
from twisted_pulp.api._jobs import accepted, check_open, getting, listing, verbs
from twisted_pulp.api._problems import wrong
from twisted_pulp.api._route import KEY, Answer, Route
from twisted_pulp.catalog import remotes, repositories
from twisted_pulp.documents import Job, NewCleanup, NewSync, NewVerification, read_document
from twisted_pulp.errors import NotInCatalog

__all__ = ["ROUTES"]


async def _submitted(call: Call, noun: str, kind: str, body: bytes, payload: Mapping[str, Any], remote: Any) -> Answer:
    check_open(call.running)
    key = call.given.get("Idempotency-Key")
    submitted = await call.running.jobs.submit(
        kind,
        payload,
        remote=remote,
        key=key,
        fingerprint=None if key is None else hashlib.sha256(kind.encode() + b"\n" + body).hexdigest(),
        owner=call.principal.id,
    )
    return accepted(call, submitted, noun)


async def _sync(call: Call) -> Answer:
    body, data = call.body_and_data()
    wanted = read_document(NewSync, data)
    remote = await call.catalog.read(_remote_of, wanted)
    payload: dict[str, Any] = {"repository": wanted.repository, "remote": remote, "mirror": wanted.mirror}
    payload |= {"force": wanted.force, "keep_going": wanted.keep_going}
    payload |= {
        name: value for name, value in (("policy", wanted.policy), ("tolerance", wanted.tolerance)) if value is not None
    }
    return await _submitted(call, "syncs", "sync", body, payload, remote)


def _remote_of(connection: Any, wanted: NewSync) -> str:
    """
    Return the name of the remote to sync from.

    :raises Refused: when there is none, or no such repository.
    """
    try:
        repository = repositories.get(connection, wanted.repository)
    except NotInCatalog as error:
        raise wrong("/repository", str(error)) from error
    try:
        if wanted.remote is not None:
            return remotes.get(connection, wanted.remote).name
        if repository.remote_id is not None:
            return remotes.by_id(connection, repository.remote_id).name
    except NotInCatalog as error:
        raise wrong("/remote", str(error)) from error
    raise wrong("/remote", f"the repository {wanted.repository} has no remote; name one")


async def _verify(call: Call) -> Answer:
    body, data = call.body_and_data()
    wanted = read_document(NewVerification, data)
    return await _submitted(call, "verifications", "verify", body, {"repair": wanted.repair}, None)


async def _cleanup(call: Call) -> Answer:
    body, data = call.body_and_data()
    wanted = read_document(NewCleanup, data)
    payload = {"grace": wanted.grace, "unused": wanted.unused, "capacity": wanted.capacity}
    return await _submitted(call, "cleanups", "cleanup", body, payload, None)


def _routes(noun: str, kind: str, says: tuple[str, str, str], run: Any, takes: Any, scope: Any) -> tuple[Route, ...]:
    handing, listed, shown = says
    return (
        Route(
            method="POST",
            path=f"/{noun}",
            says=handing,
            run=run,
            scope=scope,
            takes=takes,
            gives=Job,
            status=202,
            parameters=(KEY,),
        ),
        listing(noun, kind, listed),
        getting(noun, kind, shown),
        *verbs(noun, kind),
    )


ROUTES = (
    *_routes(
        "syncs",
        "sync",
        ("Sync a repository with its upstream.", "List syncs, the latest first.", "Show a sync."),
        _sync,
        NewSync,
        "write",
    ),
    *_routes(
        "verifications",
        "verify",
        (
            "Read every stored file again, and find what is damaged.",
            "List verifications, the latest first.",
            "Show a verification.",
        ),
        _verify,
        NewVerification,
        "write",
    ),
    *_routes(
        "cleanups",
        "cleanup",
        (
            "Remove everything that nothing refers to any more.",
            "List cleanups, the latest first.",
            "Show a cleanup.",
        ),
        _cleanup,
        NewCleanup,
        "write",
    ),
)

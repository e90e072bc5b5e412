"""The form for new downloads."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from twisted_pulp.catalog import remotes
from twisted_pulp.dashboard._lines import lines_of
from twisted_pulp.dashboard._visit import Elsewhere, Page, Route, Visit
from twisted_pulp.errors import PulpError, SettingsError

__all__ = ["ROUTES"]

_PRIORITY = 1000
#: Mistakes that are told at once.
_MISTAKES = 20


async def _form(visit: Visit) -> Page:
    return await _page(visit, {"remote": visit.text("remote"), "priority": 0}, ())


async def _page(visit: Visit, given: dict[str, Any], mistakes: Any, status: int = 200) -> Page:
    names = [row.name for row in await visit.catalog.read(remotes.list)]
    values = {"remotes": names, "mistakes": list(mistakes)[:_MISTAKES], "more": max(0, len(mistakes) - _MISTAKES)}
    shared = {"urls": "", "key": secrets.token_urlsafe(16)}
    return Page("submit.html", {**shared, **values, **given}, status)


async def _submit(visit: Visit) -> Page | Elsewhere:
    from twisted_pulp.jobs import ItemSpec

    text, remote = visit.fields.get("urls", ""), visit.text("remote")
    lines, mistakes = lines_of(text)
    specs = []
    paths: dict[str, int] = {}
    for line in lines:
        try:
            spec = ItemSpec(line.url, None, None, line.digests)
        except SettingsError as error:
            mistakes.append((line.number, f"{error.field} must be {error.allowed}"))
            continue
        blocked = _blocked(visit.running.context, line.url)
        if blocked is not None:
            mistakes.append((line.number, str(blocked)))
        elif paths.setdefault(spec.path, line.number) != line.number:
            mistakes.append((line.number, f"line {paths[spec.path]} is called {spec.path}, too"))
        specs.append(spec)
    if not specs and not mistakes:
        mistakes.append((1, "there is no URL"))
    given = {"urls": text, "remote": remote, "priority": visit.text("priority")}
    if mistakes:
        return await _page(visit, given, sorted(mistakes), 422)
    job = (await _handed_in(visit, specs, remote or None)).job
    return Elsewhere(f"/jobs/{job.uid}", "The job is handed in: it will be done, whatever happens.")


async def _handed_in(visit: Visit, specs: list[Any], remote: str | None) -> Any:
    priority = visit.number("priority") or 0
    if abs(priority) > _PRIORITY:
        raise SettingsError("priority", priority, f"a whole number from -{_PRIORITY} to {_PRIORITY}")
    if remote is not None:
        await visit.catalog.read(remotes.get, remote)
    # Who sends the form twice gets one job.
    key = visit.text("key") or None
    said = "\n".join([visit.fields.get("urls", ""), remote or "", str(priority)])
    return await visit.running.jobs.submit(
        "download",
        {"remote": remote},
        specs,
        priority=priority,
        remote=remote,
        key=key,
        fingerprint=None if key is None else hashlib.sha256(said.encode("utf-8", "replace")).hexdigest(),
        owner=visit.session.token,
    )


def _blocked(context: Any, url: str) -> PulpError | None:
    policy = getattr(context, "policy", None)
    return None if policy is None else policy.literal(url)


ROUTES = (Route("GET", ("submit",), _form, "write"), Route("POST", ("submit",), _submit, "write"))

"""`pulpdownloader cluster`: the daemons that share a catalog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import to_builtins

from twisted_pulp.cli._desk import Desk, worked
from twisted_pulp.cli._place import Place
from twisted_pulp.cli._table import facts, moment, table
from twisted_pulp.cli._words import amount
from twisted_pulp.documents import Cluster, Engine, Node

__all__ = ["dead", "replay", "status"]

_LETTERS = "JOB", "GIVEN OUT", "STATE", "ERROR"
_HEADER = "NODE", "HOST", "PID", "VERSION", "ROLES", "STATE", "JOBS", "RATE", "SEEN"


def status(place: Place) -> int:
    """Show the nodes, and what they share."""

    async def act(desk: Desk) -> None:
        assert desk.server is not None
        found = await desk.server.cluster()
        desk.answer(to_builtins(found), _lines(found))
        for role, count in found.roles.items():
            if not count:
                desk.fail(f"no node that lives has the role {role}")

    return worked(place, act)


def dead(place: Place) -> int:
    """List what the broker has put aside."""

    async def act(desk: Desk) -> None:
        assert desk.server is not None
        found = [each async for each in desk.server.dead_letters()]
        rows = [(each.id, each.count or None, each.state, each.error) for each in found]
        desk.answer({"items": to_builtins(found)}, table(_LETTERS, rows) if rows else ())

    return worked(place, act)


def replay(place: Place, uid: str) -> int:
    """Let a job whose message was put aside wait again."""

    async def act(desk: Desk) -> None:
        assert desk.server is not None
        job = await desk.server.replay(uid)
        desk.answer(to_builtins(job), [f"{job.id} is {job.state}"])

    return worked(place, act)


def _lines(found: Cluster) -> Iterator[str]:
    if found.nodes:
        yield from table(_HEADER, map(_row, found.nodes))
        yield ""
    jobs = {name: count for name, count in found.jobs.items() if count}
    shared = {name: _engine(getattr(found, name)) for name in ("database", "broker", "storage")}
    said = ", ".join(f"{name}: {count}" for name, count in jobs.items()) or "none"
    yield from facts([("jobs", said), ("rate", _rate(found.figures)), *shared.items()])


def _row(node: Node) -> tuple[object, ...]:
    figures = node.figures
    state = "silent" if not node.alive else "ready" if figures.get("ready") else "not ready"
    jobs = f"{figures.get('jobs', 0):g}/{figures.get('slots', 0):g}" if "worker" in node.roles else None
    words = node.name, node.host, node.pid, node.version, ",".join(node.roles), state
    return *words, jobs, _rate(figures), moment(node.seen)


def _rate(figures: Mapping[str, float]) -> str:
    return f"{amount(int(figures.get('bytes_per_second', 0)))}/s"


def _engine(engine: Engine) -> str:
    words = engine.kind if engine.url is None else engine.url
    return words if engine.connected else f"{words}: not reached"

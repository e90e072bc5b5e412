"""Rows 25 and 26, B7 and P2 for syncs: files that are not what was announced, and metadata that is a bomb."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_twisted import async_fixture, ensureDeferred

from tests.integration.faults.forks import Fork, Forks
from tests.integration.faults.kept import looked
from tests.integration.faults.memory import peak_of
from tests.integration.faults.upstream import Upstream, sha256
from tests.servers.answers import head
from tests.servers.scripted import Forever, Scripted, Send, Steps, ok, status

_HEAD = head(200, [(b"Connection", b"close")])


@async_fixture
async def upstream(scripted: Scripted, rng: random.Random) -> Upstream:
    """A hundred files."""
    made = Upstream(scripted, rng)
    made.add(99)
    made.add(1, 100_000)
    return made


def flipped(body: bytes, rng: random.Random) -> bytes:
    """Return *body* with one bit wrong."""
    wrong, bit = bytearray(body), rng.randrange(8 * len(body))
    wrong[bit // 8] ^= 1 << bit % 8
    return bytes(wrong)


def spoil(upstream: Upstream, how: str, rng: random.Random) -> str:
    """Let one file be wrong, and return its path."""
    path = rng.choice(sorted(upstream.files))
    body = upstream.files[path]
    answers: dict[str, Steps] = {
        "404": status(404),
        "flipped": ok(flipped(body, rng)),
        "short": ok(body[:-1]),
        "long": ok(body + b"x"),
        "empty": ok(b""),
    }
    upstream.broken[path] = answers[how]
    return path


async def sync(forks: Forks, data: Path, upstream: Upstream, *options: object) -> Fork:
    """Sync."""
    return await forks.run("--json", "--data", data, "sync", "file", upstream.url, "--repository", "one", *options)


# One among a hundred


@pytest.mark.parametrize("how", ["404", "flipped", "short", "long", "empty"])
@ensureDeferred
async def test_row_25_one_of_a_hundred(
    forks: Forks, tmp_path: Path, upstream: Upstream, rng: random.Random, how: str
) -> None:
    """Row 25: one wrong file fails the sync, which keeps what was verified; with --keep-going it is a line."""
    data, path = tmp_path / "data", spoil(upstream, how, rng)
    failed = await sync(forks, data, upstream)
    said = failed.result(1)
    assert (None, 1) == (said["version"], len(said["failed"]))
    assert f"failed: {said['failed'][0]['error']}\n" == failed.err
    assert path.replace(" ", "%20") in failed.err
    kept = looked(data)
    assert ({}, said["downloaded"]) == (kept.versions, len(kept.stored))
    going = await sync(forks, data, upstream, "--keep-going")
    said = going.result(1)
    assert (1, 99, 99 - len(kept.stored)) == (said["version"], said["present"], said["downloaded"])
    assert [path] == [each["path"] for each in said["failed"]]
    assert f"failed: {path}: {said['failed'][0]['error']}\n" == going.err
    assert {1: upstream.units - {(path, sha256(upstream.files[path]))}} == looked(data).versions
    upstream.broken.clear()
    said = (await sync(forks, data, upstream)).result()
    assert (2, 1, 100, 1, []) == tuple(said[key] for key in ("version", "added", "present", "downloaded", "failed"))
    assert upstream.units == looked(data).versions[2]


@ensureDeferred
async def test_tolerance(forks: Forks, tmp_path: Path, upstream: Upstream, rng: random.Random) -> None:
    """Three wrong files of a hundred are one too many for a tolerance of two, and keep what came before."""
    data = tmp_path / "data"
    while len(upstream.broken) < 3:
        spoil(upstream, rng.choice(["404", "flipped"]), rng)
    said = (await sync(forks, data, upstream, "--keep-going", "--tolerance", 2)).result(1)
    assert (None, {}) == (said["version"], looked(data).versions)
    said = (await sync(forks, data, upstream, "--keep-going", "--tolerance", 3)).result(1)
    assert (1, 97, 3) == (said["version"], said["present"], len(said["failed"]))
    assert {97} == {len(units) for units in looked(data).versions.values()}


@ensureDeferred
async def test_row_25_mirror_changed(forks: Forks, tmp_path: Path, upstream: Upstream, rng: random.Random) -> None:
    """A changed file that cannot be had is named, and a mirror keeps the old one; what is gone there goes."""
    data = tmp_path / "data"
    await sync(forks, data, upstream, "--mirror")
    path = next(iter(upstream.files))
    old = upstream.files[path]
    gone = list(upstream.files)[50]
    del upstream.files[gone]
    upstream.add(1)
    upstream.files[path] = flipped(old, rng)
    upstream.broken[path] = status(404)
    said = (await sync(forks, data, upstream, "--mirror", "--keep-going")).result(1)
    assert ([path], 2) == ([each["path"] for each in said["failed"]], said["version"])
    version = dict(looked(data).versions[2])
    assert gone not in version
    assert sha256(old) == version[path]
    del upstream.broken[path]
    await sync(forks, data, upstream, "--mirror")
    assert sha256(upstream.files[path]) == dict(looked(data).versions[3])[path]


# P2: nothing is stored under a digest that it does not have


@ensureDeferred
async def test_p2_planted(forks: Forks, tmp_path: Path, upstream: Upstream, rng: random.Random) -> None:
    """P2: files of the right names and sizes that somebody put where downloads land are not taken for the right."""
    data = tmp_path / "data"
    await forks.run("--data", data, "sync", "file", upstream.url, "--repository", "none", "--policy", "on_demand")
    for body in upstream.files.values():
        (data / "storage" / "tmp" / sha256(body)).write_bytes(flipped(body, rng))
    said = (await sync(forks, data, upstream)).result()
    assert (1, 100, 100, []) == tuple(said[key] for key in ("version", "present", "downloaded", "failed"))
    assert {sha256(body) for body in upstream.files.values()} <= looked(data).there.keys()


@ensureDeferred
async def test_p2_same_digest(forks: Forks, tmp_path: Path, scripted: Scripted) -> None:
    """P2: who announces a digest with another size, or has other bytes for it, spoils nothing for others."""
    good, bad = b"good" * 100, b"evil" * 100
    lines = [f"good,{sha256(good)},{len(good)}", f"evil,{sha256(good)},{len(good) + 1}", f"worse,{sha256(bad)},400"]
    scripted.on(b"/PULP_MANIFEST", [ok("\n".join(lines).encode())])
    for path in (b"/good", b"/evil"):
        scripted.on(path, [ok(good)])
    scripted.on(b"/worse", [ok(good)])
    arguments = ("--json", "--data", tmp_path / "data", "sync", "file", scripted.url("/PULP_MANIFEST"))
    said = (await forks.run(*arguments, "--repository", "one", "--keep-going")).result(1)
    assert (1, {"evil", "worse"}) == (said["present"], {each["path"] for each in said["failed"]})
    assert {sha256(good): len(good)} == looked(tmp_path / "data").there


# B7, metadata that does not end


def _line(number: int) -> bytes:
    return b"%d,%064x,1\n" % (number, number)


_BOMBS: dict[str, tuple[Callable[[], Steps], str]] = {
    "endless line": (lambda: (Send(_HEAD), Forever(b"a" * 65536)), "line 1"),
    "endless comment": (lambda: (Send(_HEAD), Forever(b"#" + b"a" * 65535)), "line 1"),
    "endless lines of nothing": (
        lambda: (Send(_HEAD), Forever(b"\n" * 65536)),
        "larger than the 67108864 bytes allowed",
    ),
    "same line for ever": (lambda: (Send(_HEAD), Forever(_line(1))), "line 2"),
    "announced": (lambda: (Send(head(200, [(b"Content-Length", b"%d" % (1 << 40))])), Forever(b"\n")), "1099511627776"),
    "gzip": (
        lambda: ok(gzip.compress(b"\n" * (64 << 20)), [(b"Content-Encoding", b"gzip")]),
        "line 1",
    ),
}


@pytest.mark.parametrize("bomb", _BOMBS)
@ensureDeferred
async def test_b7_bomb(forks: Forks, tmp_path: Path, scripted: Scripted, bomb: str) -> None:
    """B7: metadata without an end fails the sync soon, in words, with little memory, and nothing of it is left."""
    make, words = _BOMBS[bomb]
    scripted.on(b"/PULP_MANIFEST", [make()])
    process = await forks.start(
        "--json", "--data", tmp_path / "data", "sync", "file", scripted.url("/PULP_MANIFEST"), "--repository", "one"
    )
    peaks: list[int] = []

    def over() -> bool:
        peaks.append(peak_of(process.pid))
        return not process.running()

    await forks.until(over)
    said = process.result(1)
    assert (None, True) == (said["version"], words in process.err), process.err
    assert 0 < max(peaks) < 160 << 20
    assert {} == looked(tmp_path / "data").versions
    assert [] == list((tmp_path / "data" / "storage" / "tmp").iterdir())

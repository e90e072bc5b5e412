"""Threats F1 and F2 for whole downloads: no name, and nothing that was planted, leads out of the directory."""

from __future__ import annotations

import hashlib
import os
from itertools import chain
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred

from tests.hostile_names import LOOKALIKES, collisions, devices, overlong, traversals, twins
from tests.servers.scripted import Scripted, ok
from twisted_pulp import Context, Download, DownloadReport
from twisted_pulp.errors import DownloadError, PathError
from twisted_pulp.names import inside

BODY = b"inside" * 100
DIGESTS = {"sha256": hashlib.sha256(BODY).hexdigest()}


async def downloaded(context: Context, root: Path, *downloads: Download) -> list[DownloadReport]:
    """Download below *root*, and return the reports whatever becomes of it."""
    downloader = context.downloader(directory=str(root))
    reports = [report async for report in downloader.download_all(downloads, 4)]
    await downloader.close()
    return reports


def outside(tmp_path: Path) -> list[Path]:
    """Return the files that are not below the root."""
    return [each for each in tmp_path.rglob("*") if each.is_file() and "root" not in each.parts]


def test_f1_families() -> None:
    """F1: thousands of names: each is refused, or is one below the directory, in parts that are plain everywhere."""
    root, count, refused = "/srv/root", 0, 0
    for name in chain(traversals(), devices(), overlong(), collisions()):
        count += 1
        try:
            path = inside(root, name)
        except PathError:
            refused += 1
            continue
        assert path == os.path.normpath(path), name
        assert path.startswith(f"{root}/"), name
        assert "\\" not in path, name
    assert 15_000 < count
    assert 0.8 * count < refused


@pytest.mark.parametrize("family", [devices, overlong, collisions])
def test_f1_refused(family: object) -> None:
    """F1: devices, what does not fit, and the names of partial files are refused, every one."""
    for name in family():  # type: ignore[operator]
        with pytest.raises(PathError):
            inside("/srv/root", name)


@ensureDeferred
async def test_f1_downloads(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """F1: of a thousand downloads to such paths not one file is outside, and those refused ask nobody."""
    scripted.default = lambda _: ok(BODY)
    root = tmp_path / "a" / "b" / "root"
    names = sorted({*list(traversals())[::17], *devices(), *overlong(), *collisions(), *LOOKALIKES})
    downloads = [Download(scripted.url("/x"), name) for name in names]
    reports = await downloaded(context, root, *downloads)
    fine = [report for report in reports if report.error is None]
    assert 1000 < len(names) == len(reports)
    assert all(isinstance(report.error, DownloadError) for report in reports if report.error is not None)
    assert [] == outside(tmp_path)
    assert len(scripted.requests) <= len(fine) + len(
        [each for each in reports if not isinstance(each.error, PathError)]
    )
    assert len(fine) == len({report.path for report in fine}) == sum(each.is_file() for each in root.rglob("*"))


@pytest.mark.parametrize(("first", "second"), twins())
@ensureDeferred
async def test_f1_twins(context: Context, scripted: Scripted, tmp_path: Path, first: str, second: str) -> None:
    """F1: names that only differ in their form of Unicode are one file, fetched once."""
    scripted.default = lambda _: ok(BODY)
    root = tmp_path / "root"
    for name in (first, second):
        (report,) = await downloaded(context, root, Download(scripted.url("/x"), name, digests=DIGESTS))
        assert report.error is None
    assert [str(root / first)] == [str(each) for each in root.rglob("*") if each.is_file()]
    assert 1 == len(scripted.requests)


@ensureDeferred
async def test_f1_longest(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """F1: names of 255 bytes that begin alike grow under names of their own, and end under their own."""
    root, names = tmp_path / "root", ["a" * 254 + letter for letter in "bcd"] + ["\u00e9" * 127 + "a"]
    for number in range(len(names)):
        scripted.on(f"/{number}".encode(), [ok(b"%d" % number * 300_000)])
    reports = await downloaded(
        context, root, *[Download(scripted.url(f"/{number}"), name) for number, name in enumerate(names)]
    )
    assert [None] * 4 == [report.error for report in reports]
    assert [b"%d" % number for number in range(4)] == [(root / name).read_bytes()[:1] for name in names]


@ensureDeferred
async def test_f2_everybody_may_write(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """F2: where everybody may write, what was planted is not followed, nor written through, whatever it is."""
    scripted.default = lambda _: ok(BODY)
    root, victim = tmp_path / "root", tmp_path / "victim"
    root.mkdir()
    root.chmod(0o777)
    victim.write_bytes(b"old")
    (tmp_path / "elsewhere").mkdir()
    (root / "link").symlink_to(victim)
    (root / "folder").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root / "loop")
    (root / "dangling").symlink_to(tmp_path / "elsewhere" / "new")
    (root / "up").symlink_to("..")
    os.link(victim, root / "hard")
    os.mkfifo(root / "fifo")
    (root / "directory").mkdir()
    names = [
        "link",
        "folder/f",
        "loop",
        "loop/f",
        "dangling",
        "up/f",
        "up/victim",
        "hard",
        "fifo",
        "fifo/f",
        "directory",
    ]
    reports = await downloaded(context, root, *[Download(scripted.url("/x"), name) for name in names])
    refused = {report.download.path for report in reports if report.error is not None}
    assert {"folder/f", "loop/f", "up/f", "up/victim", "fifo/f", "directory"} == refused
    assert (b"old", []) == (victim.read_bytes(), list((tmp_path / "elsewhere").iterdir()))
    for name in ("link", "loop", "dangling", "hard", "fifo"):  # replaced, as any file of that name
        assert (BODY, False) == ((root / name).read_bytes(), (root / name).is_symlink())
    assert 1 == victim.stat().st_nlink

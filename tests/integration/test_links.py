"""Files of this machine that become links instead of copies."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred

from twisted_pulp.context import Context
from twisted_pulp.download import Download, Source
from twisted_pulp.errors import DigestMismatch, NotFound, WriterError
from twisted_pulp.settings import Remote, Retry

BODY = b"body" * 100_000
SHA256 = {"sha256": hashlib.sha256(BODY).hexdigest()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The file that is linked to."""
    path = tmp_path / "from" / "file"
    path.parent.mkdir()
    path.write_bytes(BODY)
    return path


def linking(source: Path, mode: str) -> Remote:
    """Return a Remote that links to what is beside *source*."""
    return Remote(file_roots=str(source.parent), file_mode=mode, retry=Retry(retries=0))  # type: ignore[arg-type]


def names(path: Path) -> list[str]:
    """Return what stands beside *path*, itself included."""
    return sorted(each.name for each in path.parent.iterdir())


@pytest.mark.parametrize("digests", [SHA256, {}])
@ensureDeferred
async def test_hard_link(context: Context, source: Path, tmp_path: Path, digests: dict[str, str]) -> None:
    """A hard link is another name of the same file, also when it is made again."""
    target = tmp_path / "to" / "file"
    for force in (False, True):
        downloader = context.downloader(linking(source, "hardlink"), force=force)
        report = await downloader.download(source.as_uri(), path=target, digests=digests)
        assert target.samefile(source)
        assert not target.is_symlink()
        assert (str(target), len(BODY), bool(digests), SHA256) == (
            report.path,
            report.size,
            report.verified,
            report.digests,
        )
        assert ["file"] == names(target)


@ensureDeferred
async def test_symbolic_link(context: Context, source: Path, tmp_path: Path) -> None:
    """A symbolic link leads to the file, below a directory that nothing leaves too."""
    downloader = context.downloader(linking(source, "symlink"), directory=str(tmp_path / "to"))
    report = await downloader.download(source.as_uri(), path="a/file", digests=SHA256)
    target = tmp_path / "to" / "a" / "file"
    assert target.is_symlink()
    assert (str(target), BODY) == (report.path, target.read_bytes())
    assert ["file"] == names(target)


@ensureDeferred
async def test_wrong_link(context: Context, source: Path, tmp_path: Path) -> None:
    """A file that is not the one expected is not linked to, and is left as it is; the next source is copied."""
    wrong = source.with_name("wrong")
    wrong.write_bytes(b"x" * len(BODY))
    copying = Remote(file_roots=str(source.parent))
    sources = [Source(wrong.as_uri()), Source(source.as_uri(), 2, copying)]
    target = tmp_path / "to" / "file"
    report = await context.downloader(linking(source, "hardlink")).download(Download(sources, target, digests=SHA256))
    assert (2, BODY) == (len(report.attempts), target.read_bytes())
    assert not target.samefile(source)
    assert b"x" * len(BODY) == wrong.read_bytes()
    assert ["file"] == names(target)
    with pytest.raises(DigestMismatch):
        await context.downloader(linking(source, "hardlink")).download(
            wrong.as_uri(), path=target, digests={"sha256": "0" * 64}
        )
    assert (BODY, ["file"]) == (target.read_bytes(), names(target))


@ensureDeferred
async def test_no_link(context: Context, source: Path, tmp_path: Path) -> None:
    """What is not there cannot be linked to, and where a link cannot be made that is said."""
    downloader = context.downloader(linking(source, "hardlink"))
    with pytest.raises(NotFound):
        await downloader.download(source.with_name("none").as_uri(), path=tmp_path / "to")
    (tmp_path / ".to.pulp-part").mkdir()
    try:
        with pytest.raises(WriterError):
            await downloader.download(source.as_uri(), path=tmp_path / "to")
    finally:
        (tmp_path / ".to.pulp-part").rmdir()

"""What is asked for, and what became of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from twisted_pulp.download import Attempt, Download, DownloadReport, Group, Pieces, Source, Totals
from twisted_pulp.errors import NotFound, SettingsError
from twisted_pulp.settings import Remote

SHA256 = "ab" * 32


def refused(*arguments: Any, **fields: Any) -> SettingsError:
    """Return the error of making a Download of these."""
    with pytest.raises(SettingsError) as caught:
        Download(*arguments, **fields)
    return caught.value


def test_url() -> None:
    """A URL is one source, with the priority that comes first."""
    download = Download("http://h/a b")
    assert ("http://h/a%20b", (Source("http://h/a b"),)) == (download.url, download.sources)
    assert (1, None, None) == (download.sources[0].priority, download.sources[0].remote, download.sources[0].userinfo)


def test_defaults() -> None:
    """Nothing is expected of a file unless somebody says so."""
    download = Download("http://h/f")
    assert (None, None, None, {}, frozenset(), {}, None) == (
        download.path,
        download.writer,
        download.size,
        download.digests,
        download.compute,
        download.headers,
        download.attachment,
    )


def test_sources() -> None:
    """Sources are in order of priority, and of those that are equal in the order given."""
    remote = Remote()
    slow, first, second = Source("http://a/", 9), Source("http://b/"), Source("http://c/", remote=remote)
    assert (first, second, slow) == Download([slow, first, second]).sources
    assert (first,) == Download(first).sources
    assert (Source("http://x/"), first) == Download(["http://x/", first]).sources
    assert remote is second.remote


def test_no_sources() -> None:
    """A file comes from somewhere."""
    assert "sources" == refused([]).field


def test_userinfo() -> None:
    """User name and password leave the URL and are never shown."""
    source = Source("https://joe:hunter2@h/f?token=s3cret")
    assert ("https://h/f?token=s3cret", ("joe", "hunter2")) == (source.url, source.userinfo)
    words = repr(source) + repr(Download(source)) + repr(DownloadReport(url=source.url))
    assert not [secret for secret in ("joe", "hunter2", "s3cret") if secret in words]


@pytest.mark.parametrize("priority", [0, -1, 1000000])
def test_bad_priority(priority: int) -> None:
    """A priority is a number from 1 to 999999."""
    with pytest.raises(SettingsError) as caught:
        Source("http://h/", priority)
    assert ("priority", priority) == (caught.value.field, caught.value.value)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"path": "f", "writer": object()}, "writer"),
        ({"size": -1}, "size"),
        ({"size": 1.0}, "size"),
        ({"size": True}, "size"),
        ({"size": "1"}, "size"),
        ({"digests": {"crc32": "00"}}, "digests"),
        ({"digests": {"sha256": "00"}}, "digests.sha256"),
        ({"compute": ["crc32"]}, "compute"),
        ({"headers": {"X-A": "a\r\nb"}}, "headers.X-A"),
        ({"headers": {"Range": "bytes=0-"}}, "headers"),
    ],
)
def test_refused(fields: dict[str, Any], name: str) -> None:
    """What cannot be honoured is refused before any byte is asked for."""
    assert name == refused("http://h/f", **fields).field


@pytest.mark.parametrize("url", ["", "h/f", "http://", "http://h:x/", "http://h/\r\nX: y"])
def test_bad_url(url: str) -> None:
    """A URL that cannot be asked for is refused."""
    assert "url" == refused(url).field


def test_zero_size() -> None:
    """A size of 0 is zero, and not unknown."""
    assert 0 == Download("http://h/f", size=0).size


def test_lower_case() -> None:
    """Digests may be given in any case."""
    download = Download("http://h/f", digests={"SHA256": SHA256.upper()}, compute=["MD5", "md5"])
    assert ({"sha256": SHA256}, {"md5"}) == (download.digests, download.compute)


def test_path(tmp_path: Path) -> None:
    """A path may be any kind of path."""
    assert str(tmp_path) == Download("http://h/f", tmp_path).path
    assert "a/b" == Download("http://h/f", "a/b").path


def test_headers_hidden() -> None:
    """Names of headers are shown, values are not."""
    words = repr(Download("http://h/f", headers={"X-Key": "s3cret"}))
    assert "X-Key" in words
    assert "s3cret" not in words


def test_unwrap() -> None:
    """A report of a success is itself, one of a failure raises why."""
    report = DownloadReport(url="http://h/f")
    assert report is report.unwrap()
    error = NotFound("http://h/f", 404)
    with pytest.raises(NotFound) as caught:
        DownloadReport(url="http://h/f", error=error).unwrap()
    assert error is caught.value


def test_report_shows() -> None:
    """A report can be printed, whatever is in it."""
    assert "final_url=None" in repr(DownloadReport(url="http://h/f"))
    words = repr(DownloadReport(url="http://h/f", final_url="http://h/f?k=s3cret", headers={"set-cookie": "s3cret"}))
    assert "http://h/f?k=***" in words
    assert "s3cret" not in words


def test_totals() -> None:
    """Totals count files by their fate and bytes by what the wire carried."""
    source = Source("http://h/f")
    failed = Attempt(source, 0.0, 200, 5, NotFound("", 404))
    good = Attempt(source, 0.0, 200, 10, None)
    totals = Totals()
    totals.add(DownloadReport(url="", attempts=(failed, good)))
    totals.add(DownloadReport(url="", present=True))
    totals.add(DownloadReport(url="", attempts=(failed,), error=NotFound("", 404)))
    assert Totals(succeeded=2, failed=1, present=1, bytes=20) == totals


def test_group() -> None:
    """A group has an id of any kind and downloads that may come late."""
    downloads = (Download(url) for url in ["http://h/f"])
    assert downloads is Group(("any", 1), downloads).downloads


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ((0, "sha256", [SHA256]), "pieces.length"),
        ((True, "sha256", [SHA256]), "pieces.length"),
        ((5, "crc32", [SHA256]), "pieces.algorithm"),
        ((5, "sha1", [SHA256]), "digests.sha1"),
    ],
)
def test_pieces_refused(fields: tuple[Any, ...], field: str) -> None:
    """Pieces have a length and digests of an algorithm that is known."""
    with pytest.raises(SettingsError) as caught:
        Pieces(*fields)
    assert field == caught.value.field


def test_pieces() -> None:
    """There is a digest for each piece, also for the shorter last one."""
    pieces = Pieces(5, "SHA256", [SHA256.upper(), SHA256])
    assert (5, "sha256", (SHA256, SHA256)) == (pieces.length, pieces.algorithm, pieces.digests)
    assert [False, True, True, False] == [pieces.cover(size) for size in (5, 6, 10, 11)]
    assert "<2>" in repr(pieces)
    assert pieces is Download("http://h/f", size=10, pieces=pieces).pieces
    assert "pieces" == refused("http://h/f", size=11, pieces=pieces).field

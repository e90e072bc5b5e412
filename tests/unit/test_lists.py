"""Lists of downloads, line by line."""

from __future__ import annotations

import io
import os
import string
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_pulp.download import Download
from twisted_pulp.lists import Inputs, Reader, Refused, file_root_of, lines_of
from twisted_pulp.lists._line import download_of
from twisted_pulp.lists._pipe import is_pipe, piped_lines
from twisted_pulp.lists._reader import HOPELESS, LONGEST_LINE
from twisted_pulp.settings import Remote

T = TypeVar("T")
HEX = "ab" * 32
BASE = "http://example.org/pool/PULP_MANIFEST"


def taken(line: str | bytes, base: str | None = BASE) -> Download:
    """Return the Download that *line* stands for."""
    download = download_of(line.encode() if isinstance(line, str) else line, base)
    assert download is not None
    return download


def read(text: bytes, base: str | None = None) -> tuple[list[str], list[Refused]]:
    """Return the URLs of a list's Downloads and what was refused."""
    refused: list[Refused] = []
    reader = Reader("list", base, refused.append)
    return [each.url for each in reader.read(lines_of(io.BytesIO(text)))], refused


# Lines


def test_json() -> None:
    """A line of JSON gives URL, path, size and digests."""
    line = f'{{"url": "http://a/b", "path": "c/d", "size": 0, "digests": {{"SHA256": "{HEX.upper()}"}}}}\r\n'
    download = taken(line)
    assert ("http://a/b", "c/d", 0, {"sha256": HEX}) == (
        download.url,
        download.path,
        download.size,
        dict(download.digests),
    )


def test_json_url_alone() -> None:
    """Without a path the file is called as the URL's last part says."""
    download = taken('{"url": "http://a/b/c%20d.rpm?x=1", "path": null, "size": null, "digests": null}')
    assert ("c d.rpm", None, {}) == (download.path, download.size, dict(download.digests))


def test_json_sources() -> None:
    """Sources are URLs, or URLs with a priority; the URL comes first among equals."""
    line = (
        '{"url": "http://a/f", "sources": ["http://b/f", {"url": "http://c/f", "priority": 2}, {"url": "http://d/f"}]}'
    )
    assert ["http://a/f", "http://b/f", "http://d/f", "http://c/f"] == [each.url for each in taken(line).sources]


def test_json_sources_alone() -> None:
    """Sources need no URL beside them; the first one that is tried gives the file its name."""
    download = taken('{"sources": [{"url": "http://b/g", "priority": 2}, "http://a/f"]}')
    assert ("f", ["http://a/f", "http://b/g"]) == (download.path, [each.url for each in download.sources])


def test_url() -> None:
    """A plain URL is one, with its blanks around it taken away."""
    download = taken("  https://user:secret@a/b/c.iso?d=e,f  \n", None)
    assert ("https://a/b/c.iso?d=e,f", "c.iso", ("user", "secret")) == (
        download.url,
        download.path,
        download.sources[0].userinfo,
    )


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("a.iso", "http://example.org/pool/a.iso"),
        ("b/c d.iso", "http://example.org/pool/b/c%20d.iso"),
        ("a,b.iso", "http://example.org/pool/a%2Cb.iso"),
        ("50%.iso", "http://example.org/pool/50%25.iso"),
        ("a?b#c.iso", "http://example.org/pool/a%3Fb%23c.iso"),
        ("d:e.iso", "http://example.org/pool/d%3Ae.iso"),
        ("ä.iso", "http://example.org/pool/%C3%A4.iso"),
    ],
)
def test_manifest(name: str, url: str) -> None:
    """A name in a PULP_MANIFEST is a file's name, whatever is in it, beside the manifest."""
    download = taken(f"{name},{HEX.upper()},42")
    assert (url, name, 42, {"sha256": HEX}) == (download.url, download.path, download.size, dict(download.digests))


@pytest.mark.parametrize("line", ["", "  \r\n", "# a comment", "  # http://a/b"])
def test_nothing(line: str) -> None:
    """Blank lines and comments ask for nothing."""
    assert download_of(line.encode(), BASE) is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"a.iso", "neither JSON, a URL nor"),
        (b"http://a/b c", "neither JSON, a URL nor"),
        (b"\xff\xfe", "not UTF-8"),
        (b"{", "malformed|truncated"),
        (b'{"url": "http://a/\xff"}', "(?i)utf-8|malformed"),
        (b'{"url": 1}', "url"),
        (b'{"path": "a"}', "neither url nor sources"),
        (b'{"sources": []}', "sources"),
        (b'{"sources": [{"url": "http://a/b", "priority": 0}]}', "priority"),
        (b'{"sources": ["a"]}', "url"),
        (b'{"url": "a/b"}', "url|URL"),
        (b'{"url": "http://a/"}', "does not end with a file name"),
        (b'{"url": "http://a/b", "size": -1}', "size"),
        (b'{"url": "http://a/b", "size": 1.5}', "size"),
        (b'{"url": "http://a/b", "digest": {}}', "digest"),
        (b'{"url": "http://a/b", "digests": {"crc32": "00"}}', "crc32"),
        (b'{"url": "http://a/b", "digests": {"sha256": "00"}}', "sha256"),
        (b"http://a/", "does not end with a file name"),
        (b"http://a/\x01/b", "control characters"),
        (f"/etc/passwd,{HEX},1".encode(), "slash"),
        (f"a//b,{HEX},1".encode(), "slash"),
        (f"http://evil/b,{HEX},1".encode(), "slash"),
    ],
)
def test_bad(line: bytes, reason: str) -> None:
    """A line that is none says why."""
    with pytest.raises(ValueError, match=reason):
        download_of(line, BASE)


def test_manifest_nowhere() -> None:
    """Names of a manifest that came through a pipe belong nowhere."""
    with pytest.raises(ValueError, match="no place"):
        download_of(f"a,{HEX},1".encode(), None)


@given(st.binary(max_size=200) | st.text(alphabet=string.printable, max_size=80).map(str.encode))
def test_any_bytes(line: bytes) -> None:
    """Whatever a line holds, it is a Download, nothing, or refused."""
    try:
        download = download_of(line, BASE)
    except ValueError:
        return
    assert download is None or "://" in download.url


@given(st.lists(st.text(st.characters(exclude_characters="/\n\r", exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_any_name(parts: list[str]) -> None:
    """No name in a manifest leads to another host, or to above the manifest."""
    line = f"{'/'.join(parts)},{HEX},1".encode()
    try:
        download = download_of(line, BASE)
    except ValueError:
        return
    if download is not None and download.size == 1:
        assert download.url.startswith("http://example.org/")


# Readers


def test_others_go_on() -> None:
    """A bad line is named by list and number, and the others go on."""
    urls, refused = read(b"\xef\xbb\xbfhttp://a/b\n\n# c\nd\nhttp://e/f")
    assert ["http://a/b", "http://e/f"] == urls
    assert ["list:4"] == [each.place for each in refused]


def test_mixed() -> None:
    """One list may have lines of every format."""
    urls, refused = read(f'{{"url": "http://a/b"}}\nc,{HEX},1\nhttp://d/e\n'.encode(), BASE)
    assert (["http://a/b", "http://example.org/pool/c", "http://d/e"], []) == (urls, refused)


@pytest.mark.parametrize("over", [1, LONGEST_LINE, 3 * LONGEST_LINE])
def test_long_line(over: int) -> None:
    """A line without end is not held in memory, and the next is read."""
    urls, refused = read(b"http://a/" + b"x" * (LONGEST_LINE + over) + b"\nhttp://b/c\n")
    assert (["http://b/c"], ["list:1"]) == (urls, [each.place for each in refused])


def test_hopeless() -> None:
    """What is no list at all is left after a thousand lines."""
    urls, refused = read(b"nonsense\n" * (HOPELESS + 10) + b"http://a/b\n")
    assert ([], HOPELESS + 1, "list") == (urls, len(refused), refused[-1].place)


def test_hope() -> None:
    """A thousand bad lines among good ones are just bad lines."""
    urls, refused = read((b"nonsense\n" * (HOPELESS - 1) + b"http://a/b\n") * 2)
    assert (2, 2 * (HOPELESS - 1)) == (len(urls), len(refused))


def test_lazy() -> None:
    """No line is read before its Download is wanted."""
    file = io.BytesIO(b"http://a/b\n" * 10)
    downloads = Reader("list", None, print).read(lines_of(file))
    assert 0 == file.tell()
    next(downloads)
    assert 11 == file.tell()


# Inputs


def inputs(*lists: str, downloads: tuple[Download, ...] = ()) -> tuple[Inputs, list[Refused]]:
    """Return Inputs over *lists*, and what they refuse."""
    refused: list[Refused] = []
    return Inputs(None, downloads, lists, Remote(), refused.append), refused


def test_inputs(tmp_path: Path) -> None:
    """What was named itself comes first, then list after list."""
    (tmp_path / "one").write_text("http://a/b\n")
    (tmp_path / "two").write_text("http://c/d\n")
    made, refused = inputs(str(tmp_path / "one"), str(tmp_path / "two"), downloads=(Download("http://e/f", "f"),))
    found = made.read(None)  # type: ignore[arg-type]
    assert ["http://e/f", "http://a/b", "http://c/d"] == [each.url for each in found]  # type: ignore[union-attr]
    assert [] == refused


def test_manifest_file(tmp_path: Path) -> None:
    """The names of a manifest in a file are of files beside it."""
    (tmp_path / "a b").mkdir()
    manifest = tmp_path / "a b" / "PULP_MANIFEST"
    manifest.write_text(f"c d,{HEX},1\n")
    made, _ = inputs(str(manifest))
    (found,) = made.read(None)  # type: ignore[arg-type, misc]
    assert f"file://{tmp_path}/a%20b/c%20d" == found.url


def test_missing_list(tmp_path: Path) -> None:
    """A list that is not there is refused by name, and the next is read."""
    (tmp_path / "two").write_text("http://c/d\n")
    made, refused = inputs(str(tmp_path / "one"), str(tmp_path / "two"))
    assert ["http://c/d"] == [each.url for each in made.read(None)]  # type: ignore[arg-type, union-attr]
    assert [Refused(str(tmp_path / "one"), "No such file or directory")] == refused


def test_directory_as_list(tmp_path: Path) -> None:
    """A directory is no list."""
    made, refused = inputs(str(tmp_path))
    assert [] == list(made.read(None))  # type: ignore[arg-type]
    assert [Refused(str(tmp_path), "Is a directory")] == refused


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"url": "http://a/b", "size": 3}\nnonsense\n{"url": "http://a/c", "size": 4}\n', (2, 7)),
        ('{"url": "http://a/b", "size": 3}\nhttp://a/c\n', (2, None)),
        ("", (0, 0)),
    ],
)
def test_expected(tmp_path: Path, text: str, expected: tuple[int, int | None]) -> None:
    """A short list is counted beforehand, without complaints; its bytes when every size is there."""
    (tmp_path / "list").write_text(text)
    made, refused = inputs(str(tmp_path / "list"))
    assert (expected, []) == (made.expected(), refused)


def test_expected_unknown(tmp_path: Path) -> None:
    """What is not a short file is not counted beforehand."""
    assert inputs("http://a/PULP_MANIFEST")[0].expected() is None
    os.mkfifo(tmp_path / "fifo")
    assert inputs(str(tmp_path / "fifo"))[0].expected() is None
    with (tmp_path / "long").open("wb") as file:
        file.truncate(1 << 30)
    assert inputs(str(tmp_path / "long"))[0].expected() is None


@pytest.mark.parametrize(
    ("name", "root"),
    [
        ("/a/b", "/a"),
        ("/b", "/"),
        ("file:///a/b%20c/d", "/a/b c"),
        ("http://a/b", None),
        ("-", None),
    ],
)
def test_roots(name: str, root: str | None) -> None:
    """A file or list named by the operator opens its own directory; what is elsewhere opens none."""
    assert root == file_root_of(name)


# Pipes


class Descriptors:
    """As much of a reactor as reading a pipe takes."""

    def __init__(self) -> None:
        self.reading: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.reading.append(reader)

    def removeReader(self, reader: Any) -> None:
        if reader in self.reading:
            self.reading.remove(reader)

    def read(self) -> None:
        """Say that there is something to read."""
        for reader in list(self.reading):
            reader.doRead()

    def lose(self) -> None:
        """Say that there never will be."""
        for reader in list(self.reading):
            reader.connectionLost(Failure(ConnectionError()))

    @staticmethod
    def begin(coroutine: Coroutine[Any, Any, T]) -> Deferred[T]:
        """Start *coroutine*."""
        return Deferred.fromCoroutine(coroutine)


def piped(*writes: bytes) -> list[bytes]:
    """Return the lines that come of *writes* to a pipe."""
    reader, writer = os.pipe()
    lines: list[bytes] = []
    reactor = Descriptors()

    async def follow() -> None:
        lines.extend([line async for line in piped_lines(reactor, reader)])  # type: ignore[arg-type]

    try:
        done = reactor.begin(follow())
        for data in writes:
            os.write(writer, data)
            reactor.read()
    finally:
        os.close(writer)
    reactor.read()
    assert done.called
    assert reactor.reading == []
    os.close(reader)
    return lines


def test_pipe() -> None:
    """Lines come out of a pipe as they go in, however they are cut; the last needs no end."""
    assert [b"a", b"", b"bcd", b"e"] == piped(b"a\n\nb", b"c", b"d\ne")


def test_pipe_long_line() -> None:
    """Of a line without end only the beginning is held."""
    lines = piped(*[b"x" * 65536] * 40, b"\ny\n")
    assert ([b"y"], True) == (lines[1:], LONGEST_LINE < len(lines[0]) < LONGEST_LINE + 2 * 65536)


def test_pipe_waits() -> None:
    """Nothing is read from a pipe before it is wanted, nor while its reader is gone."""
    reader, writer = os.pipe()
    os.write(writer, b"a\nb\n")
    reactor = Descriptors()
    lines = piped_lines(reactor, reader)  # type: ignore[arg-type]

    async def one() -> bytes:
        return await anext(lines)

    assert [] == reactor.reading
    first = reactor.begin(one())
    reactor.read()
    assert b"a" == first.result
    second = reactor.begin(one())
    assert (b"b", []) == (second.result, reactor.reading)
    third = reactor.begin(one())
    third.addErrback(lambda _: None)
    assert 1 == len(reactor.reading)
    third.cancel()
    assert [] == reactor.reading
    os.close(reader)
    os.close(writer)


def test_pipe_lost() -> None:
    """A pipe whose writers have all gone has ended."""
    reader, writer = os.pipe()
    reactor = Descriptors()
    lines = piped_lines(reactor, reader)  # type: ignore[arg-type]

    async def all_of_them() -> list[bytes]:
        return [line async for line in lines]

    d = reactor.begin(all_of_them())
    reactor.lose()
    assert [] == d.result
    os.close(reader)
    os.close(writer)


def test_is_pipe() -> None:
    """Only what may make a reader wait is a pipe."""
    reader, writer = os.pipe()
    assert (True, True) == (is_pipe(reader), is_pipe(writer))
    os.close(reader)
    os.close(writer)
    with open(os.devnull) as null, open(__file__) as file:
        assert (False, False) == (is_pipe(null.fileno()), is_pipe(file.fileno()))

"""Output that cannot be written is nobody's trouble."""

from __future__ import annotations

import io
import os
import sys

import pytest

from twisted_pulp.cli._streams import Stream, printable


class Broken(io.StringIO):
    """A file on a disk that is full, or a pipe whose reader has gone."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error


def test_line() -> None:
    """A line is held until it is flushed."""
    file = io.StringIO()
    stream = Stream(file)
    stream.line("a")
    assert ("a\n", True) == (file.getvalue(), stream.held)
    stream.flush()
    assert not stream.held


@pytest.mark.parametrize(
    "error", [BrokenPipeError(), OSError(28, "No space left on device"), ValueError("closed file")]
)
def test_broken(error: Exception) -> None:
    """After a failed write nothing more is tried, and nothing is raised."""
    stream = Stream(Broken(error))
    stream.line("a")
    assert stream.file is None
    stream.line("b")
    stream.flush()


def test_broken_flush() -> None:
    """A pipe without a reader is noticed when it is flushed, and is then silent to the end."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as file:
        stream = Stream(file)
        stream.line("a")
        stream.flush()
        assert stream.file is None


def test_closed() -> None:
    """A standard output that was closed from the start takes nothing."""
    stream = Stream(None)
    stream.line("a")
    stream.flush()
    assert (False, None) == (stream.terminal, stream.file)


@pytest.mark.parametrize(("term", "terminal"), [("xterm", True), ("dumb", False), (None, False)])
def test_terminal(term: str | None, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that cannot move its cursor gets lines."""
    if term is None:
        monkeypatch.delenv("TERM", raising=False)
    else:
        monkeypatch.setenv("TERM", term)
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as file:
        assert terminal == Stream(file).terminal
    os.close(master)
    assert not Stream(io.StringIO()).terminal


def test_closed_file() -> None:
    """A file that was closed meanwhile is no terminal."""
    file = io.StringIO()
    file.close()
    assert not Stream(file).terminal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a b/ä€😀.iso", "a b/ä€😀.iso"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("a\x9bb", "a\\x9bb"),
        ("a\u202eb", "a\\u202eb"),
        ("a\udcffb", "a\\udcffb"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    """Names show as they are, and what would do something else shows as its escape."""
    assert shown == printable(text)


def test_any_encoding() -> None:
    """A name that the output's encoding does not have is written in escapes."""
    data = io.BytesIO()
    file = io.TextIOWrapper(data, encoding="ascii", errors="strict")
    stream = Stream(file)
    stream.line("ä")
    stream.flush()
    assert b"\\xe4\n" == data.getvalue()


def test_standard(capsys: pytest.CaptureFixture[str]) -> None:
    """The two standard streams are two."""
    out, err = Stream.out(), Stream.err()
    out.line("a")
    err.line("b")
    out.flush()
    err.flush()
    assert ("a\n", "b\n") == capsys.readouterr()
    assert out.file is sys.stdout

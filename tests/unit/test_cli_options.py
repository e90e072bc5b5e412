"""What the command line accepts, and what it says of the rest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from twisted_pulp.cli._options import GetOptions, digest_of, header_of, timeout_of
from twisted_pulp.cli._program import program, run_program
from twisted_pulp.cli._wishes import Wishes
from twisted_pulp.errors import SettingsError
from twisted_pulp.settings import Remote, Timeouts

URL = "http://example.org/a/b.iso"
SHA256 = "ab" * 32


def test_digest() -> None:
    """A digest is an algorithm in any case and a value."""
    assert ("sha256", "AB") == digest_of("SHA256:AB")


@pytest.mark.parametrize("text", ["sha256", "sha256:", ":ab", ""])
def test_no_digest(text: str) -> None:
    """Half a digest is none."""
    with pytest.raises(ValueError, match="ALG:HEX"):
        digest_of(text)


def test_header() -> None:
    """A header's value may have colons and loses the blanks around it."""
    assert ("X-Key", "a: b") == header_of("X-Key: a: b ")


def test_no_header() -> None:
    """What is no header is not repeated: it may be a secret."""
    with pytest.raises(ValueError, match=r"^a header is NAME:VALUE$"):
        header_of("hunter2")


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("5", "idle", 5.0),
        ("connect=1.5", "connect", 1.5),
        ("low-speed=0.5", "low_speed", 0.5),
        ("total=none", "total", None),
        ("none", "idle", None),
    ],
)
def test_timeout(text: str, field: str, value: float | None) -> None:
    """A timeout is that of silence unless it is named, and may be none."""
    assert (field, value) == timeout_of(text)


@pytest.mark.parametrize("text", ["soon", "read=5", "idle=", "=5"])
def test_no_timeout(text: str) -> None:
    """An unknown timeout, or one without a number, is refused."""
    with pytest.raises(ValueError, match=r"no timeout|neither a number"):
        timeout_of(text)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (GetOptions(()), "give a URL"),
        (GetOptions((URL, URL), output="a"), "-o is for one URL"),
        (GetOptions((URL,), output="a", lists=("l",)), "-o is for one URL"),
        (GetOptions((URL,), output="a", directory="d"), "either -d or -o"),
        (GetOptions((URL,), output="-"), "-o needs"),
        (GetOptions((URL, URL), digests={"sha256": SHA256}), "--digest and --size"),
        (GetOptions((URL,), lists=("l",), size=0), "--digest and --size"),
        (GetOptions((), lists=("-", "-")), "standard input"),
    ],
)
def test_contradiction(options: GetOptions, words: str) -> None:
    """Options that do not go together are told apart from those that do."""
    assert words in (options.contradiction() or "")


@pytest.mark.parametrize(
    "options",
    [
        GetOptions((URL,), output="a", size=0, digests={"sha256": SHA256}),
        GetOptions((URL, URL), lists=("-", "l"), directory="d"),
    ],
)
def test_no_contradiction(options: GetOptions) -> None:
    """Options that go together are left alone."""
    assert options.contradiction() is None


# Wishes


def test_wishes() -> None:
    """Every option arrives where the library looks for it."""
    wishes = Wishes.of(
        GetOptions(
            (URL,),
            output="x/y",
            digests={"sha256": SHA256},
            size=0,
            fields={
                "retry.retries": 0,
                "timeouts.connect": 1.0,
                "timeouts.total": None,
                "headers": {"X-Key": "v"},
            },
        )
    )
    (download,) = wishes.downloads
    assert ("x/y", 0, {"sha256": SHA256}) == (download.path, download.size, dict(download.digests))
    remote = wishes.remote
    assert (0, 1.0, None, {"X-Key": "v"}, None) == (
        remote.retry.retries,
        remote.timeouts.connect,
        remote.timeouts.total,
        dict(remote.headers),
        wishes.directory,
    )


def test_defaults() -> None:
    """What is not said is the library's default, and files go here under the name their URL ends with."""
    wishes = Wishes.of(GetOptions((URL,)))
    assert (Remote(), ".", "b.iso") == (wishes.remote, wishes.directory, wishes.downloads[0].path)
    assert Timeouts() == wishes.remote.timeouts


def test_file_roots(tmp_path: Path) -> None:
    """A file:// URL opens its directory, and a list its own; standard input and URLs open none."""
    (tmp_path / "list").touch()
    wishes = Wishes.of(
        GetOptions(("file:///a/b", "file:///a/c", URL), lists=(str(tmp_path / "list"), "-", "http://h/l"))
    )
    assert ("/a", str(tmp_path)) == wishes.remote.file_roots


@pytest.mark.parametrize(
    "options",
    [
        GetOptions(("http://example.org/",)),
        GetOptions(("no URL",)),
        GetOptions((URL,), digests={"sha256": "ab"}),
        GetOptions((URL,), digests={"crc32": "ab"}),
        GetOptions((URL,), digests={"md5": "ab" * 16}),
        GetOptions((URL,), fields={"timeouts.idle": 0.0}),
        GetOptions((URL,), fields={"timeouts.low_speed_time": None}),
        GetOptions((URL,), fields={"headers": {"Host": "a"}}),
        GetOptions((URL,), fields={"headers": {"A b": "a"}}),
        GetOptions((URL,), fields={"tls.ca_cert": "/no/such/file"}),
        GetOptions((), lists=("/no/such/list",)),
    ],
)
def test_refused(options: GetOptions) -> None:
    """What cannot be honoured is refused before anything is asked for."""
    with pytest.raises(SettingsError):
        Wishes.of(options)


# The program


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["get", "--help"], ["get", "-h"], ["--version"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Who asks for help or the version gets it, and status 0."""
    assert 0 == run_program(arguments)
    assert "pulpdownloader" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Usage"),
        (["fetch"], "No such command"),
        (["get"], "give a URL"),
        (["get", "--no-such-option"], "No such option"),
        (["get", URL, "-j", "0"], "-j"),
        (["get", URL, "-j", "x"], "-j"),
        (["get", URL, "--size", "-1"], "--size"),
        (["get", URL, "--retries", "-1"], "--retries"),
        (["get", URL, "--digest", "sha256"], "ALG:HEX"),
        (["get", URL, "--digest", "sha256:ab", "--digest", "SHA256:cd"], "given twice"),
        (["get", URL, "--digest", "sha256:ab"], "64 hexadecimal digits"),
        (["get", URL, "--timeout", "never"], "neither a number nor none"),
        (["get", URL, "--timeout", "5", "--timeout", "idle=6"], "given twice"),
        (["get", URL, "--timeout", "0"], "above 0"),
        (["get", URL, "--header", "a"], "NAME:VALUE"),
        (["get", URL, "--header", "a:1", "--header", "A:2"], "given twice"),
        (["get", URL, "--report", "/no/such/directory/file"], "No such file"),
        (["get", "http://example.org/"], "file name"),
        (["get", "-i", "/no/such/list"], "/no/such/list"),
        (["sync", "file", URL], "--repository"),
        (["sync", "file", URL, "--repository", "a", "--tolerance", "1"], "--tolerance needs --keep-going"),
        (["sync", "file", URL, "--repository", "a", "--base", URL], "either as URL or with --base"),
        (["sync", "file", URL, "--repository", "a", "--policy", "later"], "--policy"),
        (["sync", "file", URL, "--repository", "a", "-j", "0"], "-j"),
        (["sync", "file", URL, "--repository", "a", "--timeout", "x"], "neither a number nor none"),
        (["verify", "-j", "0"], "-j"),
        (["cleanup", "--grace", "-1"], "--grace"),
        (["export", "a"], "DIR"),
        (["export", "a", "b", "--mode", "symlink"], "--mode"),
        (["repository"], "Usage"),
        (["repository", "sync"], "No such command"),
        (["remote", "create"], "NAME"),
        (["remote", "create", "a", "--rate", "fast"], "--rate"),
        (["remote", "create", "a", "--config", "/no/such/file", "--remote", "b"], "/no/such/file"),
    ],
)
def test_usage(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that makes no sense says why on standard error, and ends with status 2."""
    assert 2 == run_program(arguments)
    captured = capsys.readouterr()
    assert (True, "") == (words in captured.err, captured.out)


def test_secrets_unseen(capsys: pytest.CaptureFixture[str]) -> None:
    """No usage error repeats what may be a secret."""
    assert 2 == run_program(["get", URL, "--header", "Authorization: hunter2\nX: y"])
    assert 2 == run_program(["get", "http://user:hunter2@example.org/"])
    assert "hunter2" not in capsys.readouterr().err


def test_commands() -> None:
    """Every command is found under its name, and listed in order."""
    context = click.Context(program)
    names = program.list_commands(context)
    assert names == sorted(names)
    assert {"check", "get", "serve", "sync"} <= set(names)
    assert names == [getattr(program.get_command(context, name), "name", None) for name in names]
    assert None is program.get_command(context, "none")


def test_commands_are_lazy() -> None:
    """Whoever runs one command does not wait for the options of the others."""
    code = (
        "import sys\n"
        "from twisted_pulp.cli._program import run_program\n"
        "run_program(['get', '--help'])\n"
        "print(sorted(each for each in sys.modules if each.endswith(('_commands', '_groups', '_group'))))\n"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "[]" == said.splitlines()[-1]

"""`pulpdownloader check`, and remotes by name, as whole processes against servers."""

from __future__ import annotations

from pathlib import Path

from pytest_twisted import ensureDeferred

from tests.integration.process import Start
from tests.servers.scripted import Scripted, ok, status

BODY = b"a file\n"


async def check(start: Start, *arguments: object) -> tuple[int, list[str], list[str]]:
    """Return the exit status of the command, and the lines it wrote."""
    command = start("check", *arguments)
    code = await command.ended()
    return code, command.lines, command.err.splitlines()


@ensureDeferred
async def test_all_well(start_command: Start, scripted: Scripted, tmp_path: Path) -> None:
    """Each remote is asked for its URL, and each mirror; the answer is said, with secrets only where they belong."""
    scripted.on(b"/pub/", [ok(b"")])
    scripted.on(b"/m/", [status(404)])
    (tmp_path / "s.toml").write_text(f"""
[remotes.main]
url = "{scripted.url("/pub/")}"
username = "joe"
password = "S3CR3T"
mirrors = ["{scripted.url("/m/", host="localhost")}"]

[remotes.any]
[remotes.any.timeouts]
idle = 5
""")
    (tmp_path / "s.toml").chmod(0o600)
    code, out, err = await check(start_command, "--config", "s.toml")
    assert (0, []) == (code, err)
    assert "s.toml: 2 remotes" == out[0]
    assert ["any: no url", f"main: {scripted.url('/pub/')}: 200, in "] == [
        line[: len(start)]
        for line, start in zip(
            sorted(line for line in out[1:] if "/m/" not in line),
            ["any: no url", f"main: {scripted.url('/pub/')}: 200, in "],
            strict=True,
        )
    ]
    assert [True, False] == [
        scripted.asked(path)[0].header(b"authorization") is not None for path in (b"/pub/", b"/m/")
    ]
    assert {b"HEAD"} == {request.method for request in scripted.requests}


@ensureDeferred
async def test_not_reached(start_command: Start, scripted: Scripted, tmp_path: Path) -> None:
    """A remote that cannot be reached, or refuses us, is a failure with its reason; others are asked all the same."""
    scripted.on(b"/in/", [status(401)])
    scripted.on(b"/ok/", [ok(b"")])
    (tmp_path / "s.toml").write_text(f"""
[remotes.gone]
url = "http://127.0.0.1:1/"
[remotes.private]
url = "{scripted.url("/in/")}"
[remotes.good]
url = "{scripted.url("/ok/")}"
""")
    code, out, err = await check(start_command, "--config", "s.toml")
    assert (1, 2) == (code, len(out))
    assert ["gone: failed: connection refused", "private: failed: 401 Unauthorized"] == sorted(
        line.partition(" (")[0] for line in err
    )
    code, out, err = await check(start_command, "--config", "s.toml", "good")
    assert (0, []) == (code, err)


@ensureDeferred
async def test_mistakes(start_command: Start, tmp_path: Path) -> None:
    """Every mistake in the settings is said by line and field, and nobody is asked."""
    (tmp_path / "s.toml").write_text('[remotes.a]\nurl = 3\n[remotes.b]\nurl = "http://127.0.0.1:1/"\nspeed = 3\n')
    code, out, err = await check(start_command, "--config", "s.toml")
    assert (2, []) == (code, out)
    assert ["s.toml: line 2: remotes.a.url is 3", "s.toml: line 5: remotes.b.speed is '***'"] == [
        line.partition(",")[0] for line in err
    ]


@ensureDeferred
async def test_no_settings(start_command: Start, tmp_path: Path) -> None:
    """Settings that are not there, and a remote that is not in them, are said."""
    code, _, err = await check(start_command, "--config", "none.toml")
    assert (2, True) == (code, "none.toml: No such file or directory" in err[-1])
    (tmp_path / "s.toml").write_text("")
    code, _, err = await check(start_command, "--config", "s.toml", "a")
    assert (2, True) == (code, "no remote is called 'a'" in err[-1])


@ensureDeferred
async def test_exposed(start_command: Start, tmp_path: Path) -> None:
    """Secrets that others may read are worth a warning."""
    (tmp_path / "s.toml").write_text('[remotes.a]\nurl = "http://127.0.0.1:1/"\ntoken = "S3CR3T"\n')
    for mode, warned in ((0o644, True), (0o600, False)):
        (tmp_path / "s.toml").chmod(mode)
        code, _, err = await check(start_command, "--config", "s.toml", "--no-probe")
        assert (0, warned) == (code, err == ["s.toml: warning: it has secrets, and others may read it"])


@ensureDeferred
async def test_get(start_command: Start, scripted: Scripted, tmp_path: Path) -> None:
    """`get --remote` reaches files by the settings of that remote."""
    scripted.on(b"/pub/a/f", [ok(BODY)])
    (tmp_path / "s.toml").write_text(f"""
[remotes.main]
url = "{scripted.url("/pub/")}"
headers = {{ "X-Key" = "S3CR3T" }}
""")
    command = start_command("get", "--config", "s.toml", "--remote", "main", "a/f", "-d", "out")
    assert (0, BODY) == (await command.ended(), (tmp_path / "out/f").read_bytes())
    assert b"S3CR3T" == scripted.requests[0].header(b"x-key")

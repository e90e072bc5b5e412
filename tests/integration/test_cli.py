"""`pulpdownloader get`, as a whole process against servers."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred

from tests.integration.process import Get
from tests.servers.fixtures import StartScripted
from tests.servers.scripted import Reset, Scripted, Send, Stall, Wait, cut, ok, ranged, status
from tests.servers.tls import Authority

BODY = b"a file\n" * 100
DIGEST = hashlib.sha256(BODY).hexdigest()


def entry(url: str, path: str | None = None, body: bytes = BODY, **more: object) -> str:
    """Return a line of JSON that asks for *body*."""
    digests = {"sha256": hashlib.sha256(body).hexdigest()}
    return json.dumps({"url": url, "path": path, "size": len(body), "digests": digests} | more) + "\n"


def report_of(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a report."""
    return [json.loads(line) for line in path.read_text().splitlines()]


# What is fetched


@ensureDeferred
async def test_urls(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """URLs are fetched into the directory, under the names they end with; each is a line on standard output."""
    scripted.on(b"/a", [ok(BODY)])
    scripted.on(b"/b%20c", [ok(b"")])
    done = await get(scripted.url("/a"), scripted.url("/b%20c?d=e"), "-d", "new/dir")
    assert (0, "") == (done.popen.returncode, done.err)
    assert (BODY, b"") == ((tmp_path / "new/dir/a").read_bytes(), (tmp_path / "new/dir/b c").read_bytes())
    assert ["fetched  new/dir/a  700 B", "fetched  new/dir/b c  0 B"] == sorted(done.lines[:-1])
    assert done.lines[-1].startswith("2 files; 700 B in ")


@ensureDeferred
async def test_output(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """One URL may be given the path, size and digests of its file."""
    scripted.on(b"/", [ok(BODY)])
    sha1 = hashlib.sha1(BODY).hexdigest()
    digests = ("--digest", f"SHA256:{DIGEST.upper()}", "--digest", f"sha1:{sha1}")
    done = await get(scripted.url("/"), "-o", "x/y", "--size", len(BODY), *digests)
    assert (0, BODY) == (done.popen.returncode, (tmp_path / "x/y").read_bytes())


@ensureDeferred
async def test_wrong_digest(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """A file that is not what it should be is a failure with both values, and is not left behind."""
    scripted.on(b"/a", [ok(BODY)])
    done = await get(scripted.url("/a"), "--digest", f"sha256:{'0' * 64}")
    assert 1 == done.popen.returncode
    assert f"failed: {scripted.url('/a')}: wrong sha256: expected {'0' * 64}, got {DIGEST}" == done.err.splitlines()[0]
    assert not (tmp_path / "a").exists()


@ensureDeferred
async def test_failures(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """Each failed file is named on standard error with its reason; the others are fetched."""
    scripted.on(b"/a", [ok(BODY)])
    urls = [scripted.url(path) for path in ("/b?token=secret", "/a", "/c")]
    done = await get(*urls)
    assert (1, BODY) == (done.popen.returncode, (tmp_path / "a").read_bytes())
    *failed, last = done.err.splitlines()
    assert [f"failed: {scripted.url('/b?token=***')}: 404 Not Found", f"failed: {urls[2]}: 404 Not Found"] == (
        sorted(failed)
    )
    assert last.startswith("3 files, 2 failed; ")


@ensureDeferred
async def test_present(get: Get, scripted: Scripted) -> None:
    """A file that is there with its digest is not asked for again, unless that is what is wanted."""
    scripted.on(b"/a", [ok(BODY)])
    arguments = (scripted.url("/a"), "--digest", f"sha256:{DIGEST}", "--size", len(BODY))
    await get(*arguments)
    again = await get(*arguments)
    assert ["present  a  700 B", 0, 1] == [again.lines[0], again.popen.returncode, len(scripted.requests)]
    forced = await get(*arguments, "--force")
    assert ["fetched  a  700 B", 0, 2] == [forced.lines[0], forced.popen.returncode, len(scripted.requests)]


@ensureDeferred
async def test_file_url(get: Get, tmp_path: Path) -> None:
    """A file:// URL on the command line is read; one in a list is, below the list only."""
    for directory in ("one", "two"):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "a").write_bytes(BODY)
    (tmp_path / "one" / "list").write_text(
        f"file://{tmp_path}/one/a\n" + entry(f"file://{tmp_path}/two/a", "b", BODY) + "file:///etc/passwd\n"
    )
    done = await get("-d", "out", "-i", "one/list")
    assert (1, ["a"], 2) == (done.popen.returncode, os.listdir(tmp_path / "out"), done.err.count("failed: file://"))
    done = await get("-d", "new", f"file://{tmp_path}/two/a")
    assert (0, ["a"]) == (done.popen.returncode, os.listdir(tmp_path / "new"))


@ensureDeferred
async def test_json(get: Get, scripted: Scripted) -> None:
    """One document says what came of all files, and is all that is on standard output."""
    scripted.on(b"/a", [ok(BODY)])
    done = await get(scripted.url("/a"), scripted.url("/b"), "--json")
    said = json.loads(done.out)
    assert (1, 1) == (done.popen.returncode, done.out.count("\n"))
    assert (1, 1, 0, True) == (said["succeeded"], said["failed"], said["present"], said["seconds"] > 0)
    assert done.err.startswith(f"failed: {scripted.url('/b')}: 404 Not Found\n")


# Options


@ensureDeferred
async def test_report(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """The report has a line for each file, good or bad, and for each bad line of a list."""
    scripted.on(b"/a", [cut(ok(BODY), 10), ok(BODY)])
    (tmp_path / "list").write_text(entry(scripted.url("/a?key=secret")) + "nonsense\n" + scripted.url("/b") + "\n")
    done = await get("-i", "list", "--report", "report.jsonl", "-q")
    lines = {line["url"]: line for line in report_of(tmp_path / "report.jsonl")}
    assert (1, 3) == (done.popen.returncode, len(lines))
    good = lines[scripted.url("/a?key=***")]
    assert (True, 700, DIGEST, None) == (good["verified"], good["size"], good["digests"]["sha256"], good["error"])
    assert [(200, 10, True), (200, 700, False)] == [
        (each["status"], each["bytes"], each["error"] is not None) for each in good["attempts"]
    ]
    assert 404 == lines[scripted.url("/b")]["status"]
    assert "list:2" in lines[None]["error"]["message"]


@ensureDeferred
async def test_quiet(get: Get, scripted: Scripted) -> None:
    """Who wants quiet sees only what failed."""
    scripted.on(b"/a", [ok(BODY)])
    assert ("", "") == ((done := await get(scripted.url("/a"), "--quiet")).out, done.err)
    failed = await get(scripted.url("/b"), "-q")
    assert (1, "", 2) == (failed.popen.returncode, failed.out, failed.err.count("\n"))


#: Of what this project depends on or has: each would be a part of every start.
UNNEEDED = {
    *("alembic", "crochet", "defusedxml", "h2", "hpack", "klein", "prometheus_client", "psycopg", "rich", "sqlalchemy"),
    *("treq", "twisted.web.client", "twisted.web.server"),
    *(
        f"twisted_pulp.{name}"
        for name in ("blocking", "catalog", "content", "manifest", "metalink", "service", "stages", "storage")
    ),
    *(
        f"twisted_pulp.http.{name}"
        for name in ("_decode", "_digest_auth", "_h2_session", "_limits", "_meter", "_trust")
    ),
    *("twisted_pulp.downloader._groups", "twisted_pulp.schemes._file", "twisted_pulp.schemes._ftp"),
    *("twisted_pulp.lists._pipe", "twisted_pulp.lists._report", "twisted_pulp.settings._document"),
    *(f"twisted_pulp.transfer.{name}" for name in ("_partial", "_segments", "_writers")),
}


@pytest.mark.parametrize("option", [["--quiet"], []])
@ensureDeferred
async def test_imports(get: Get, scripted: Scripted, option: list[str]) -> None:
    """What is not needed is not imported: no bars without a terminal, no HTML, no second HTTP client, no database."""
    scripted.on(b"/a", [ok(BODY)])
    done = await get(scripted.url("/a"), *option, options=("-X", "importtime"))
    imported = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}
    assert 0 == done.popen.returncode
    assert {"click", "twisted.internet.reactor"} <= imported
    assert set() == imported & UNNEEDED
    assert set() == {name.partition(".")[0] for name in imported} & UNNEEDED


@ensureDeferred
async def test_fail_fast(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """Who wants to stop at the first failure does: what runs is ended, and nothing more is asked for."""
    scripted.on(b"/stalled", [(Send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), Stall())])
    scripted.on(b"/missing", [(Wait(0.2), *status(404))])
    done = await get(*map(scripted.url, ("/stalled", "/missing", "/never")), "-j", 2, "--fail-fast")
    assert (1, 2, ["/missing"]) == (
        done.popen.returncode,
        len(scripted.requests),
        [line.rpartition(":")[0].rpartition(str(scripted.port))[2] for line in done.err.splitlines()[:-1]],
    )


@ensureDeferred
async def test_fail_fast_list(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """A bad line of a list is a failure to stop at, too."""
    scripted.on(b"/a", [(Wait(0.3), *ok(BODY))])
    (tmp_path / "list").write_text("nonsense\n" + "".join(scripted.url(f"/a?{n}") + "\n" for n in range(50)))
    done = await get("-i", "list", "-j", 1, "--fail-fast")
    assert (1, True, 2) == (done.popen.returncode, len(scripted.requests) < 5, done.err.count("\n"))
    assert (True, True) == (done.err.startswith("failed: list:1: "), "\n1 file, 1 failed" in done.err)


@ensureDeferred
async def test_jobs(get: Get, scripted: Scripted) -> None:
    """No more downloads are in flight, and no more connections open, than there are jobs."""
    scripted.default = lambda request: (Wait(0.02), *ok(BODY))
    done = await get(*(scripted.url(f"/{n}") for n in range(30)), "-j", 3)
    assert (0, 30, 3) == (done.popen.returncode, len(scripted.requests), scripted.high_water)


@pytest.mark.parametrize(("retries", "requests"), [("0", 1), ("2", 3)])
@ensureDeferred
async def test_retries(get: Get, scripted: Scripted, retries: str, requests: int) -> None:
    """A file is tried again as often as is said."""
    scripted.on(b"/a", [status(503, [(b"Retry-After", b"0")])])
    done = await get(scripted.url("/a"), "--retries", retries)
    assert (1, requests) == (done.popen.returncode, len(scripted.requests))


@ensureDeferred
async def test_timeout(get: Get, scripted: Scripted) -> None:
    """Silence ends after the timeout that was given."""
    scripted.on(b"/a", [(Send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), Stall())])
    done = await get(scripted.url("/a"), "--timeout", "0.3", "--timeout", "low-speed=none", "--retries", 0)
    assert (1, True) == (done.popen.returncode, "No byte came in time, after 0.3 s" in done.err)


@ensureDeferred
async def test_header(get: Get, scripted: Scripted) -> None:
    """Headers are sent as given."""
    scripted.on(b"/a", [ok(BODY)])
    await get(scripted.url("/a"), "--header", "X-Key: a b", "--header", "User-Agent: me")
    assert [(b"a b", b"me")] == [(each.header(b"X-Key"), each.header(b"User-Agent")) for each in scripted.requests]


@ensureDeferred
async def test_userinfo(get: Get, scripted: Scripted) -> None:
    """A user name and password in a URL are sent, and shown nowhere."""
    scripted.on(b"/a", [status(403)])
    url = f"http://me:hunter2@127.0.0.1:{scripted.port}/a"
    done = await get(url, "--report", "report")
    shown = done.out + done.err + (done.directory / "report").read_text()
    assert (b"Basic bWU6aHVudGVyMg==", False) == (scripted.requests[0].header(b"Authorization"), "hunter2" in shown)


@ensureDeferred
async def test_ca_cert(get: Get, start_scripted: StartScripted, tls: Authority) -> None:
    """An authority of one's own is trusted when it is given, and not else."""
    server = await start_scripted(tls.server())
    server.on(b"/a", [ok(BODY)])
    url = server.url("/a", "localhost")
    refused = await get(url, "--retries", 0)
    assert (1, 0) == (refused.popen.returncode, len(server.requests))
    done = await get(url, "--ca-cert", tls.ca_file)
    assert (0, "") == (done.popen.returncode, done.err)


@ensureDeferred
async def test_broken_off(get: Get, scripted: Scripted) -> None:
    """A file that breaks off is resumed without a word."""
    body = bytes(range(256)) * 8000
    scripted.on(b"/a", [cut(ranged(body), 1_000_000, Reset()), ranged(body)])
    done = await get(scripted.url("/a"), "--digest", f"sha256:{hashlib.sha256(body).hexdigest()}")
    assert (0, "", 2) == (done.popen.returncode, done.err, len(scripted.requests))
    assert (scripted.requests[1].header(b"Range") or b"").startswith(b"bytes=")

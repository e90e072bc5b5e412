"""`pulpdownloader get -i LIST`, as a whole process against servers."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred

from tests.integration.process import Get, Start
from tests.servers.scripted import Scripted, Send, Stall, Until, ok, status

BODY = b"a file\n" * 100
DIGEST = hashlib.sha256(BODY).hexdigest()
MANIFEST = f"a,{DIGEST},700\nb/c d,{DIGEST},700\n"


def tree(directory: Path) -> list[str]:
    """Return the paths of the files below *directory*."""
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def serve(scripted: Scripted) -> None:
    """Answer every path with the same file."""
    scripted.default = lambda request: ok(BODY)


@ensureDeferred
async def test_json_lines(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """JSON lines say where each file goes, and what proves it."""
    serve(scripted)
    lines = [
        {"url": scripted.url("/a"), "path": "x/a", "size": 700, "digests": {"sha256": DIGEST}},
        {"url": scripted.url("/b"), "path": "x/b", "size": 700, "digests": {"sha512": "0" * 128}},
        {"url": scripted.url("/c"), "path": "x/c", "size": 701},
        {"url": scripted.url("/d")},
    ]
    (tmp_path / "list").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = await get("-i", "list", "-d", "out", "--retries", 0)
    assert (1, ["d", "x/a"]) == (done.popen.returncode, tree(tmp_path / "out"))
    assert (True, True) == ("wrong sha512" in done.err, "wrong size: expected 701 bytes" in done.err)


@ensureDeferred
async def test_sources(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """A file with several sources comes from the next when one fails."""
    scripted.on(b"/good", [ok(BODY)])
    sources = [scripted.url("/missing"), {"url": scripted.url("/good"), "priority": 2}]
    (tmp_path / "list").write_text(json.dumps({"sources": sources, "path": "a", "size": 700}))
    done = await get("-i", "list")
    assert (0, [b"/missing", b"/good"]) == (done.popen.returncode, [each.path for each in scripted.requests])


@ensureDeferred
async def test_several(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """URLs and any number of lists go together; a bad line fails alone, by list and number."""
    serve(scripted)
    (tmp_path / "one").write_text(f"# files\n\n{scripted.url('/b')}\nnonsense\n{scripted.url('/c')}\r\n")
    (tmp_path / "two").write_text(scripted.url("/d"))
    done = await get(scripted.url("/a"), "-i", "one", "-i", "two", "-d", "out")
    assert (1, ["a", "b", "c", "d"]) == (done.popen.returncode, tree(tmp_path / "out"))
    assert "failed: one:4: " == done.err.splitlines()[0][:15]
    assert done.err.splitlines()[1].startswith("5 files, 1 failed; ")


@pytest.mark.parametrize(
    "path", ["../outside", "/outside", "a/../../outside", "a/%2e%2e/%2e%2e/outside", "..\\outside", "a\x00b", "", "CON"]
)
@ensureDeferred
async def test_confined(get: Get, scripted: Scripted, tmp_path: Path, path: str) -> None:
    """A path that leaves the directory is a failure, and nothing is written or asked for."""
    serve(scripted)
    (tmp_path / "in").mkdir()
    (tmp_path / "list").write_text(json.dumps({"url": scripted.url("/a"), "path": path}))
    done = await get("-i", "list", "-d", "in/out")
    assert (1, [], True) == (done.popen.returncode, tree(tmp_path / "in"), "failed: " in done.err)
    assert ([], []) == (scripted.requests, list(tmp_path.glob("*outside*")))


@ensureDeferred
async def test_links_not_followed(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """A link below the directory leads nowhere."""
    serve(scripted)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "list").write_text(json.dumps({"url": scripted.url("/a"), "path": "link/a"}))
    done = await get("-i", "list", "-d", "out")
    assert (1, []) == (done.popen.returncode, tree(tmp_path / "elsewhere"))


# PULP_MANIFEST


@ensureDeferred
async def test_manifest_url(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """The names in a manifest that is a URL are of files beside it."""
    serve(scripted)
    scripted.on(b"/pool/PULP_MANIFEST", [ok(MANIFEST.encode())])
    done = await get("-i", scripted.url("/pool/PULP_MANIFEST"), "-d", "out")
    assert (0, ["a", "b/c d"]) == (done.popen.returncode, tree(tmp_path / "out"))
    assert {b"/pool/PULP_MANIFEST", b"/pool/a", b"/pool/b/c%20d"} == {each.target for each in scripted.requests}


@ensureDeferred
async def test_manifest_moved(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """After a redirect the files are beside where the manifest was found (RFC 3986 section 5.1.3)."""
    serve(scripted)
    scripted.on(b"/latest/PULP_MANIFEST", [status(302, [(b"Location", b"/v2/PULP_MANIFEST")])])
    scripted.on(b"/v2/PULP_MANIFEST", [ok(MANIFEST.encode())])
    done = await get("-i", scripted.url("/latest/PULP_MANIFEST"), "-d", "out")
    assert (0, 1) == (done.popen.returncode, len(scripted.asked(b"/v2/a")))


@ensureDeferred
async def test_manifest_file(get: Get, tmp_path: Path) -> None:
    """The names in a manifest that is a file are of files beside it."""
    (tmp_path / "mirror" / "b").mkdir(parents=True)
    for name in ("a", "b/c d"):
        (tmp_path / "mirror" / name).write_bytes(BODY)
    (tmp_path / "mirror" / "PULP_MANIFEST").write_text(MANIFEST)
    done = await get("-i", "mirror/PULP_MANIFEST", "-d", "out")
    assert (0, ["a", "b/c d"]) == (done.popen.returncode, tree(tmp_path / "out"))


@ensureDeferred
async def test_manifest_outside(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """No name in a manifest is a path out of the directory."""
    serve(scripted)
    scripted.on(b"/PULP_MANIFEST", [ok(f"../a,{DIGEST},700\n/b,{DIGEST},700\nc,{DIGEST},700\n".encode())])
    done = await get("-i", scripted.url("/PULP_MANIFEST"), "-d", "in/out")
    assert (1, ["out/c"]) == (done.popen.returncode, tree(tmp_path / "in"))


@ensureDeferred
async def test_list_tried_again(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """A list over the network is tried again like any file."""
    serve(scripted)
    scripted.on(b"/list", [status(503, [(b"Retry-After", b"0")]), ok(scripted.url("/a").encode())])
    done = await get("-i", scripted.url("/list"), "-d", "out")
    assert (0, ["a"]) == (done.popen.returncode, tree(tmp_path / "out"))


@ensureDeferred
async def test_list_missing(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """A list that cannot be fetched is a failure by its name; the next one is read."""
    scripted.on(b"/a", [ok(BODY)])
    (tmp_path / "list").write_text(scripted.url("/a"))
    done = await get("-i", scripted.url("/missing?key=secret"), "-i", "list")
    assert (1, BODY) == (done.popen.returncode, (tmp_path / "a").read_bytes())
    assert f"failed: {scripted.url('/missing?key=***')}: 404 Not Found" == done.err.splitlines()[0]


@ensureDeferred
async def test_list_too_large(get: Get, scripted: Scripted) -> None:
    """A list over the network has a limit, which is kept before its bytes come."""
    head = Send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % ((64 << 20) + 1))
    scripted.on(b"/list", [(head, Stall())])
    done = await get("-i", scripted.url("/list"))
    assert (1, True) == (done.popen.returncode, "67108865 bytes, more than the 67108864 allowed" in done.err)


@ensureDeferred
async def test_list_opens_no_files(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """A list that came over the network cannot have files of this machine read."""
    scripted.on(b"/list", [ok(b"file:///etc/passwd\n" + f"file://{tmp_path}/a\n".encode())])
    (tmp_path / "a").write_bytes(BODY)
    done = await get("-i", scripted.url("/list"), "-d", "out")
    assert (1, []) == (done.popen.returncode, tree(tmp_path / "out"))


# Standard input


@ensureDeferred
async def test_stdin_pipe(start_command: Start, scripted: Scripted, tmp_path: Path) -> None:
    """What comes through a pipe is fetched while the next is waited for."""
    serve(scripted)
    command = start_command("get", "-i", "-", "-d", "out", stdin=subprocess.PIPE)
    assert command.popen.stdin is not None
    for name in ("a", "b"):
        command.popen.stdin.write(scripted.url(f"/{name}\n").encode())
        command.popen.stdin.flush()
        await command.until((tmp_path / "out" / name).exists)
    command.popen.stdin.close()
    assert (0, "") == (await command.ended(), command.err)


@ensureDeferred
async def test_stdin_file(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """Standard input may be a file, or nothing at all."""
    serve(scripted)
    (tmp_path / "list").write_text(scripted.url("/a") + "\nnonsense\n")
    with (tmp_path / "list").open("rb") as file:
        done = await get("-i", "-", "-d", "out", stdin=file)
    assert (1, ["a"], "failed: standard input:2: ") == (done.popen.returncode, tree(tmp_path / "out"), done.err[:26])
    assert 0 == (await get("-i", "-", "-d", "out")).popen.returncode


@ensureDeferred
async def test_fifo(start_command: Start, scripted: Scripted, tmp_path: Path) -> None:
    """A list may be a FIFO, as a shell's <(command) is; its writer may come late."""
    serve(scripted)
    os.mkfifo(tmp_path / "fifo")
    command = start_command("get", scripted.url("/a"), "-i", "fifo", "-d", "out")
    await command.until((tmp_path / "out" / "a").exists)
    (tmp_path / "fifo").write_text(scripted.url("/b\n"))
    assert (0, ["a", "b"]) == (await command.ended(), tree(tmp_path / "out"))


@ensureDeferred
async def test_lazy(start_command: Start, scripted: Scripted) -> None:
    """A list is read as its files are fetched: what is not wanted yet stays in the pipe."""
    go: Deferred[None] = Deferred()
    scripted.default = lambda request: (Until(go), *ok(b""))
    command = start_command("get", "-q", "-j", 4, "-i", "-", "-d", "out", stdin=subprocess.PIPE)
    assert command.popen.stdin is not None
    pipe = command.popen.stdin.fileno()
    os.set_blocking(pipe, False)
    line = scripted.url("/%06d\n").encode()
    written = 0

    def full() -> bool:
        nonlocal written
        try:
            for _ in range(1000):
                written += os.write(pipe, line % (written // len(line % 0)))
        except BlockingIOError:
            # Until nobody has taken anything for as long as all four wait for their answers.
            return len(scripted.requests) == 4
        return False

    await command.until(full)
    assert written < 3 << 17
    go.callback(None)
    command.popen.stdin.close()
    assert (0, written // len(line % 0)) == (await command.ended(), len(scripted.requests))

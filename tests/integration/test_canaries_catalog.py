"""Threat C4 for what is kept: twelve kinds of secrets go in, in files and options, and none comes out or lies open."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pytest_twisted import ensureDeferred

from tests.integration.pool import Command, Pool
from tests.integration.process import Process, Start
from tests.servers.scripted import Request, Scripted, Steps, ok, status
from tests.servers.tls import Authority

SETTINGS = """
[remotes.one]
url = "{secret_home}/one/PULP_MANIFEST?key=S3CR3T-3"
headers = {{ "X-Key" = "S3CR3T-7", "Cookie" = "S3CR3T-8" }}
origins = ["http://o.test/?key=S3CR3T-9"]
mirrors = ["{home}/mirror/?key=S3CR3T-10"]
mirror_list = "{home}/mirrors?key=S3CR3T-10"
proxy = {{ url = "http://S3CR3T-11:S3CR3T-11@127.0.0.1:9", no_proxy = ["127.0.0.1"] }}
[remotes.two]
url = "{home}/two/PULP_MANIFEST"
token = "S3CR3T-4"
[remotes.three]
url = "{home}/three/PULP_MANIFEST"
auth = "digest"
username = "S3CR3T-5"
password = "S3CR3T-6"
tls = {{ client_cert = {chain!r}, client_key = {key!r}, client_key_password = "S3CR3T-12" }}
"""
NAMES = ["one", "three", "two"]


def found(data: Path, said: list[str]) -> list[str]:
    """Return what was *said*, and which files below *data*, hold a canary, in clear or in base64."""
    hidden = [b64encode(f"{user}:".encode()).rstrip(b"=")[:-1] for user in ("S3CR3T-1", "S3CR3T-11")]
    files = {str(each): each.read_bytes() for each in data.rglob("*") if each.is_file()}
    texts = {text[:200]: text.encode() for text in said} | files
    return [name for name, held in texts.items() if any(mark in held for mark in (b"S3CR3T-", *hidden))]


@pytest.fixture
def command(start_command: Start, tmp_path: Path) -> Command:
    """The command with a data directory of its own."""
    return Command(start_command, tmp_path / "data")


def locked_key(tls: Authority, path: Path) -> tuple[Path, Path]:
    """Return the files of a certificate, and of its key behind a password."""
    chain, key = tls.files()
    locked = load_pem_private_key(key.read_bytes(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"S3CR3T-12")
    )
    path.write_bytes(locked)
    return chain, path


@ensureDeferred
async def test_c4_kept(command: Command, scripted: Scripted, tls: Authority, tmp_path: Path) -> None:
    """C4: remotes with all of them are made, shown and synced with."""
    pool = Pool.of(tmp_path / "pool", 2)

    def answer(request: Request) -> Steps:
        name = request.path.rpartition(b"/")[2].decode()
        if name == "PULP_MANIFEST":
            return ok(pool.manifest())
        return ok(pool.files[name]) if name in pool.files else status(404, [(b"X", b"S3CR3T-20")], b"S3CR3T-20")

    scripted.default = answer
    chain, key = locked_key(tls, tmp_path / "locked.pem")
    home = scripted.url("")
    secret_home = home.replace("//", "//S3CR3T-1:S3CR3T-2@")
    file = tmp_path / "settings.toml"
    file.write_text(SETTINGS.format(home=home, secret_home=secret_home, chain=str(chain), key=str(key)))
    said: list[str] = []

    async def run(*arguments: object, status: int = 0) -> Process:
        done = await command.run(*arguments)
        assert status == done.popen.returncode, done.out + done.err
        said.extend([done.out, done.err])
        return done

    for name in NAMES:
        await run("--json", "remote", "create", name, "--config", file, "--remote", name)
    for name in ("one", "two"):
        await run("--json", "sync", "file", "--repository", name, "--remote", name)
    await run("--json", "remote", "show", "one")
    await run("remote", "create", "one", "--config", file, "--remote", "one", status=1)
    assert NAMES == [each["name"] for each in json.loads((await run("--json", "remote", "list")).out)]
    missing = f"{secret_home}/missing/x?key=S3CR3T-3"
    await run("--json", "sync", "file", missing, "--repository", "missing", "--retries", "0", status=1)
    sent = b"".join(value for request in scripted.requests for pair in request.headers for value in pair)
    assert all(mark in sent for mark in (b"S3CR3T-4", b"S3CR3T-7", b"S3CR3T-8", b64encode(b"S3CR3T-1:S3CR3T-2")))
    assert any(b"key=S3CR3T-3" in request.target for request in scripted.requests)
    assert 18 == len(said)
    assert [] == found(command.data, said)
    assert 0o600 == (command.data / "key").stat().st_mode & 0o777


def test_found(tmp_path: Path) -> None:
    """A secret that was said, or written, would be found."""
    (tmp_path / "f").write_bytes(b"\0S3CR3T-5\0")
    assert [str(tmp_path / "f")] == found(tmp_path, ["fine"])
    assert ["a S3CR3T-1", b64encode(b"S3CR3T-1:x").decode()] == found(
        tmp_path / "none", ["a S3CR3T-1", b64encode(b"S3CR3T-1:x").decode()]
    )

"""`pulpdownloader repository`, `remote`, `export` and `cleanup`, as whole processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_twisted import async_fixture, ensureDeferred

from tests.integration.pool import Command, Pool
from tests.integration.process import Start
from tests.servers.fixtures import StartNginx
from tests.servers.nginx import Nginx


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    """Five files and their manifest."""
    return Pool.of(tmp_path / "pool")


@async_fixture
async def upstream(start_nginx: StartNginx, pool: Pool) -> Nginx:
    """An nginx that gives them out."""
    return await start_nginx(pool.root)


@pytest.fixture
def empty(start_command: Start, tmp_path: Path) -> Command:
    """The command with a data directory of its own."""
    return Command(start_command, tmp_path / "data")


@async_fixture
async def command(empty: Command, pool: Pool, upstream: Nginx) -> Command:
    """The command with a repository of two versions: five files, then four others of them and a new one."""
    await empty.json("sync", "file", upstream.url("/PULP_MANIFEST"), "--repository", "one")
    del pool.files["0.bin"]
    pool.put("new.bin", b"new")
    pool.write()
    await empty.json("sync", "file", "--repository", "one", "--mirror")
    return empty


# Repositories


@ensureDeferred
async def test_list(command: Command) -> None:
    """Repositories are listed with what they have; for a person as a table."""
    (said,) = await command.json("repository", "list")
    assert ("one", "file", 2, 5, "one") == tuple(said[key] for key in ("name", "type", "version", "content", "remote"))
    done = await command.run("repository", "list")
    assert [["NAME", "TYPE", "VERSION", "CONTENT", "REMOTE"], ["one", "file", "2", "5", "one"]] == [
        line.split() for line in done.lines
    ]


@ensureDeferred
async def test_nothing(empty: Command) -> None:
    """Where nothing is there is nothing to list."""
    assert [] == await empty.json("repository", "list")
    done = await empty.run("repository", "list")
    assert (0, "", "") == (done.popen.returncode, done.out, done.err)


@ensureDeferred
async def test_show(command: Command) -> None:
    """One repository is shown, as facts or as a document."""
    said = await command.json("repository", "show", "one")
    assert ("one", 2) == (said["name"], said["version"])
    done = await command.run("repository", "show", "one")
    assert ["name", "one"] == done.lines[0].split()


@pytest.mark.parametrize("action", ["show", "versions", "content", "delete"])
@ensureDeferred
async def test_unknown(empty: Command, action: str) -> None:
    """What is not there is said by name, with status 1, and is a document, too."""
    done = await empty.run("repository", action, "nowhere")
    assert (1, "failed: there is no repository nowhere\n") == (done.popen.returncode, done.err)
    said = await empty.json("repository", action, "nowhere", status=1)
    assert said in ({"error": "there is no repository nowhere"}, [])


@ensureDeferred
async def test_versions(command: Command) -> None:
    """Versions are listed with what each has added and removed."""
    said = await command.json("repository", "versions", "one")
    assert [(1, 5, 0, 5), (2, 1, 1, 5)] == [
        (each["number"], each["added"], each["removed"], each["present"]) for each in said
    ]


@ensureDeferred
async def test_content(command: Command) -> None:
    """The content of any version is listed."""
    latest = await command.json("repository", "content", "one")
    assert {"1.bin", "2.bin", "3.bin", "4.bin", "new.bin"} == {each["place"] for each in latest}
    first = await command.json("repository", "content", "one", "--version", 1)
    assert {f"{number}.bin" for number in range(5)} == {each["place"] for each in first}
    assert [] == await command.json("repository", "content", "one", "--type", "python")
    assert 5 == len((await command.run("repository", "content", "one")).lines)


@ensureDeferred
async def test_delete(command: Command, pool: Pool) -> None:
    """A version or a repository is deleted; their files go with the next cleanup, after the grace period."""
    await command.json("repository", "delete", "one", "--version", 1)
    assert [2] == [each["number"] for each in await command.json("repository", "versions", "one")]
    assert 1 == (await command.json("cleanup", "--grace", 0))["artifacts"]
    await command.json("repository", "delete", "one")
    assert [] == await command.json("repository", "list")
    said = await command.json("cleanup")
    assert (0, 0, 0) == (said["content"], said["artifacts"], said["files"])
    done = await command.run("cleanup", "--grace", 0)
    assert (0, True) == (done.popen.returncode, done.out.startswith("removed 5 content, "))
    assert [] == [path for path in (command.data / "storage" / "artifact").rglob("*") if path.is_file()]


# Export


@ensureDeferred
async def test_export(command: Command, pool: Pool, tmp_path: Path) -> None:
    """A version is written out with its manifest, so that it can be synced again."""
    said = await command.json("export", "one", tmp_path / "out")
    assert (2, 5, []) == (said["version"], said["exported"], said["failed"])
    assert pool.files == {
        path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.name != "PULP_MANIFEST"
    }
    url = f"file://{tmp_path}/out/PULP_MANIFEST"
    again = await command.json("sync", "file", url, "--repository", "two")
    assert (1, 5, 0) == (again["version"], again["present"], again["downloaded"])


@ensureDeferred
async def test_export_of_nothing_downloaded(empty: Command, upstream: Nginx, tmp_path: Path) -> None:
    """Files that were not downloaded yet are named, and the status says so."""
    url = upstream.url("/PULP_MANIFEST")
    await empty.json("sync", "file", url, "--repository", "one", "--policy", "on_demand")
    said = await empty.json("export", "one", tmp_path / "out", status=1)
    assert (0, 5) == (said["exported"], len(said["failed"]))


# Remotes


@ensureDeferred
async def test_remotes(empty: Command) -> None:
    """A remote is made, listed, shown, changed and deleted; its secrets are never shown."""
    made = await empty.json("remote", "create", "up", "http://up.example/", "--user", "joe:hunter2", "--segments", 2)
    assert ("up", "http://up.example/", True) == (made["name"], made["url"], made["secret"])
    await empty.json("remote", "update", "up", "--rate", "2M", "--timeout", "5", "--header", "X-Key: hunter3")
    shown = await empty.json("remote", "show", "up")
    assert (2, 2 << 20, 5) == (
        shown["settings"]["limits"]["segments"],
        shown["settings"]["limits"]["bytes_per_second"],
        shown["settings"]["timeouts"]["idle"],
    )
    done = await empty.run("remote", "show", "up")
    listed = await empty.run("remote", "list")
    assert [["up", "file", "http://up.example/", "yes,", "sealed"]] == [line.split() for line in listed.lines[1:]]
    kept = b"".join(path.read_bytes() for path in empty.data.rglob("*") if path.is_file())
    said = f"{made}{shown}{done.out}{listed.out}".encode()
    assert [False] * 4 == [secret in text for secret in (b"hunter2", b"hunter3") for text in (said, kept)]
    await empty.json("remote", "delete", "up")
    assert [] == await empty.json("remote", "list")


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (("create", "up", "http://up.example/", "--base", "http://other.example/"), "--base", 2),
        (("create", "up", "--set", "limits.segments=0"), "limits.segments is 0", 2),
        (("create", "a b", "http://u.test/"), "remote is 'a b'", 2),
        (("update", "up", "--rate", "1M"), "there is no remote up", 1),
        (("update", "up", "--remote", "a"), "--config and --remote", 2),
        (("delete", "up"), "there is no remote up", 1),
    ],
)
@ensureDeferred
async def test_remote_refused(empty: Command, arguments: tuple[str, ...], words: str, code: int) -> None:
    """What cannot be done is said."""
    done = await empty.run("remote", *arguments)
    assert (code, True) == (done.popen.returncode, words in done.err)


@ensureDeferred
async def test_sync_by_remote(empty: Command, upstream: Nginx) -> None:
    """A sync uses the remote that it is told, and the repository remembers it."""
    await empty.json("remote", "create", "up", upstream.url("/PULP_MANIFEST"))
    said = await empty.json("sync", "file", "--repository", "one", "--remote", "up")
    assert (1, 5) == (said["version"], said["present"])
    assert ["up"] == [each["remote"] for each in await empty.json("repository", "list")]
    assert ["up"] == [each["name"] for each in await empty.json("remote", "list")]

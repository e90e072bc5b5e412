"""examples/newest.py from end to end, with indexes of our own that pip is configured for."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from html import escape
from pathlib import Path

import pytest
from attrs import field, frozen
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool

from tests.servers.fixtures import StartScripted
from tests.servers.reactor import IReactor
from tests.servers.scripted import Answer, Scripted, Stall, Steps, ok, status
from tests.servers.tls import Authority

ROOT = Path(__file__).parents[2]
SECONDS = 50
JSON = b"application/vnd.pypi.simple.v1+json"


@frozen
class Release:
    """A file of a project; its content is its name, many times over."""

    name: str
    requires_python: str | None = None
    yanked: bool = False
    content: bytes = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "content", self.name.encode() * 1000)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def path(self) -> bytes:
        return b"/files/" + self.name.encode()


ATTRS = Release("attrs-26.1.0-py3-none-any.whl", ">=3.9")
CLICK = Release("click-8.5.0-py3-none-any.whl")
PYYAML = Release("pyyaml-6.0.3.tar.gz")
#: What there is, and of each project the file to be chosen.
RELEASES = {
    "attrs": [
        ATTRS,
        Release("attrs-25.1.0-py3-none-any.whl"),
        Release("attrs-26.1.0.tar.gz"),
        Release("attrs-27.0.0rc1-py3-none-any.whl"),
        Release("attrs-28.0.0-py3-none-any.whl", ">=4.0"),
    ],
    "click": [Release("click-8.6.0-py3-none-any.whl", yanked=True), CLICK],
    "pyyaml": [Release("pyyaml-6.0.3-cp25-cp25-win32.whl"), PYYAML],
}
NEWEST = [ATTRS, CLICK, PYYAML]
NAMES = list(RELEASES)

Page = Callable[[str, list[Release]], Steps]


def json_page(project: str, releases: list[Release]) -> Steps:
    """Write a page of PEP 691."""
    files = [
        {
            "filename": each.name,
            "url": f"../../files/{each.name}",
            "hashes": {"sha256": each.sha256},
            "requires-python": each.requires_python,
            "yanked": each.yanked,
            "size": len(each.content),
        }
        for each in releases
    ]
    page = {"meta": {"api-version": "1.1"}, "name": project, "files": files}
    return ok(json.dumps(page).encode(), [(b"Content-Type", JSON)])


def html(releases: list[Release]) -> str:
    """Write the anchors of PEP 503."""
    anchors = []
    for each in releases:
        more = f' data-requires-python="{escape(each.requires_python)}"' if each.requires_python else ""
        more += ' data-yanked="broken"' if each.yanked else ""
        anchors.append(f'<a href="../../files/{each.name}#sha256={each.sha256}"{more}>{each.name}</a><br>')
    return "<!DOCTYPE html><html><body>" + "\n".join(anchors)


def html_page(project: str, releases: list[Release]) -> Steps:
    """Write a page of PEP 503."""
    return ok(html(releases).encode(), [(b"Content-Type", b"text/html")])


def serve(server: Scripted, page: Page = json_page, releases: dict[str, list[Release]] = RELEASES) -> str:
    """Let *server* be an index, and return its URL."""
    for project, files in releases.items():
        server.on(b"/simple/%s/" % project.encode(), [page(project, files)])
        for each in files:
            server.on(each.path, [ok(each.content)])
    return server.url("/simple")


@frozen
class Run:
    """What the program said, and how it ended."""

    status: int
    said: str
    errors: str

    def rows(self) -> dict[str, str]:
        """Return project -> status, as the table has them."""
        cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in self.said.splitlines() if "│" in line]
        return {row[0]: row[4] for row in cells if row[0]}


@frozen
class Program:
    """The program, in a process of its own."""

    reactor: IReactor
    directory: Path

    def environment(self, **pip: str) -> dict[str, str]:
        """Return an environment in which pip is configured by *pip* and nothing else."""
        gone = re.compile("(?i)PIP_.*|.*_proxy|.*_BUNDLE|SSL_CERT_.*")
        kept = {name: value for name, value in os.environ.items() if not gone.fullmatch(name)}
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        return kept | {"PIP_CONFIG_FILE": os.devnull} | {f"PIP_{name.upper()}": value for name, value in pip.items()}

    def command(self, *projects: str) -> list[str]:
        """Return the command for *projects*."""
        return [sys.executable, str(ROOT / "examples" / "newest.py"), str(self.directory), "--project", *projects]

    async def run(self, *projects: str, **pip: str) -> Run:
        """Run it and wait for its end."""

        def wait() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                self.command(*projects),
                check=False,
                cwd=self.directory.parent,
                env=self.environment(**pip),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=SECONDS,
            )

        done = await deferToThreadPool(self.reactor, self.reactor.getThreadPool(), wait)
        return Run(done.returncode, done.stdout, done.stderr)

    def files(self) -> dict[str, bytes]:
        """Return the files that it left, beside the repository that it made of them."""
        if not self.directory.exists():
            return {}
        own = {"PULP_MANIFEST", ".data"}
        return {path.name: path.read_bytes() for path in self.directory.iterdir() if path.name not in own}


@pytest.fixture
def program(reactor: IReactor, tmp_path: Path) -> Program:
    """The program, with a directory that does not exist yet."""
    return Program(reactor, tmp_path / "downloads")


def expected(*releases: Release) -> dict[str, bytes]:
    """Return name -> content of *releases*."""
    return {each.name: each.content for each in releases}


@pytest.mark.parametrize("page", [json_page, html_page])
@ensureDeferred
async def test_newest(program: Program, scripted: Scripted, page: Page) -> None:
    """The newest files are fetched; the second time they are present, and only metadata is asked for."""
    index = serve(scripted, page)
    first = await program.run(*NAMES, index_url=index)
    assert (0, "") == (first.status, first.errors)
    assert dict.fromkeys(NAMES, "downloaded") == first.rows()
    assert expected(*NEWEST) == program.files()
    asked = {request.path for request in scripted.requests}
    assert {b"/simple/%s/" % name.encode() for name in NAMES} | {each.path for each in NEWEST} == asked
    assert JSON in (scripted.asked(b"/simple/attrs/")[0].header(b"Accept") or b"")

    second = await program.run(*NAMES, index_url=index)
    assert (0, dict.fromkeys(NAMES, "present")) == (second.status, second.rows())
    assert "0 bytes transferred" in second.said
    assert expected(*NEWEST) == program.files()
    assert [1, 1, 1] == [len(scripted.asked(each.path)) for each in NEWEST]
    assert [2, 2, 2] == [len(scripted.asked(b"/simple/%s/" % name.encode())) for name in NAMES]


@ensureDeferred
async def test_repository(program: Program, scripted: Scripted) -> None:
    """What was fetched is synced as a repository and verified; the second time nothing has changed."""
    index = serve(scripted)
    first = await program.run("attrs", "click", index_url=index)
    assert ["Repository newest: version 1: 2 added, 0 removed; 2 present", "Verified: 3 stored files, 0 damaged"] == (
        first.said.splitlines()[-2:]
    )
    second = await program.run("attrs", "click", index_url=index)
    assert ["Repository newest: nothing has changed; 2 present", "Verified: 3 stored files, 0 damaged"] == (
        second.said.splitlines()[-2:]
    )
    third = await program.run("click", "pyyaml", index_url=index)
    assert "Repository newest: version 2: 1 added, 1 removed; 2 present" == third.said.splitlines()[-2]


@ensureDeferred
async def test_rotten(program: Program, scripted: Scripted) -> None:
    """What has rotted since is found, and the exit status says so."""
    index = serve(scripted)
    await program.run("attrs", index_url=index)
    stored = program.directory / ".data" / "storage" / "artifact" / ATTRS.sha256[:2] / ATTRS.sha256[2:4] / ATTRS.sha256
    stored.chmod(0o644)
    stored.write_bytes(b"x" * len(ATTRS.content))
    again = await program.run("attrs", index_url=index)
    assert (1, "Verified: 2 stored files, 1 damaged") == (again.status, again.said.splitlines()[-1])


@ensureDeferred
async def test_names(program: Program, scripted: Scripted) -> None:
    """Names are normalized, and one that is given twice is fetched once."""
    done = await program.run("PyYAML", "py.yaml", "PYYAML", index_url=serve(scripted))
    assert {"pyyaml": "downloaded", "py-yaml": "failed: no index has it"} == done.rows()
    assert 1 == done.status


@ensureDeferred
async def test_credentials(program: Program, scripted: Scripted, start_scripted: StartScripted) -> None:
    """User name and password in an index's URL go to the index, and not to the host that has its files."""
    files = await start_scripted()
    files.on(ATTRS.path, [ok(ATTRS.content)])
    serve(scripted)
    entry = {"filename": ATTRS.name, "url": files.url(ATTRS.path.decode()), "hashes": {"sha256": ATTRS.sha256}}
    page = json.dumps({"meta": {"api-version": "1.0"}, "files": [entry]}).encode()
    scripted.on(b"/simple/attrs/", [ok(page, [(b"Content-Type", JSON)])])
    index = scripted.url("/simple").replace("://", "://reader:se%23cret@")
    done = await program.run("attrs", "click", index_url=index)
    assert {"attrs": "downloaded", "click": "downloaded"} == done.rows()
    basic = b"Basic cmVhZGVyOnNlI2NyZXQ="
    assert {basic} == {request.header(b"Authorization") for request in scripted.requests}
    assert [CLICK.path] == [request.path for request in scripted.requests if request.path.startswith(b"/files/")]
    assert [None] == [request.header(b"Authorization") for request in files.requests]
    assert "cret" not in done.said + done.errors


@ensureDeferred
async def test_cert(program: Program, scripted_tls: Scripted, tls: Authority, tmp_path: Path) -> None:
    """pip's certificates are trusted, among as many others as a platform has, and without them nothing is."""
    index = serve(scripted_tls)
    refused = await program.run("attrs", index_url=index)
    assert {"attrs": "failed: no index that answered has it"} == refused.rows()
    assert f"{index}: " in refused.said
    assert "certificate" in refused.said
    bundle = tmp_path / "bundle.pem"
    others = [Authority(tmp_path).ca.cert_pem.bytes() for _ in range(20)]
    bundle.write_bytes(b"\n".join([*others, tls.ca_file.read_bytes()]))
    done = await program.run("attrs", index_url=index, cert=str(bundle))
    assert (0, {"attrs": "downloaded"}) == (done.status, done.rows())
    assert expected(ATTRS) == program.files()


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A directory with an index on disk, and a directory of files."""
    (tmp_path / "index" / "files").mkdir(parents=True)
    for each in RELEASES["attrs"]:
        (tmp_path / "index" / "files" / each.name).write_bytes(each.content)
    pages = tmp_path / "index" / "simple"
    (pages / "attrs").mkdir(parents=True)
    (pages / "attrs" / "index.html").write_text(html(RELEASES["attrs"]))
    # A project without a page: its files are what is there.
    (pages / "click").mkdir()
    (pages / "click" / CLICK.name).write_bytes(CLICK.content)
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / PYYAML.name).write_bytes(PYYAML.content)
    (wheels / "README").write_text("These are wheels.")
    return tmp_path


@ensureDeferred
async def test_disk(program: Program, disk: Path) -> None:
    """Indexes and files on disk are read there, and what they have is known the second time."""
    pip = {"index_url": (disk / "index" / "simple").as_uri(), "find_links": str(disk / "wheels")}
    first = await program.run(*NAMES, **pip)
    assert (0, dict.fromkeys(NAMES, "downloaded")) == (first.status, first.rows())
    assert expected(*NEWEST) == program.files()
    second = await program.run(*NAMES, **pip)
    assert (0, dict.fromkeys(NAMES, "present")) == (second.status, second.rows())


@ensureDeferred
async def test_links(program: Program, scripted: Scripted, disk: Path) -> None:
    """Pages of links on servers and on disk are read once, and no link leads to other files of this machine."""
    attrs, pyyaml = (f'<a href="files/{each.name}#sha256={each.sha256}">a</a>' for each in (ATTRS, PYYAML))
    stolen = f'<a href="{(disk / "wheels" / "click-9.0.tar.gz").as_uri()}">a</a>'
    (disk / "wheels" / "click-9.0.tar.gz").write_bytes(b"secret")
    scripted.on(b"/links", [ok((attrs + stolen).encode(), [(b"Content-Type", b"text/html")])])
    scripted.on(ATTRS.path, [ok(ATTRS.content)])
    page = disk / "links.html"
    (disk / "files").mkdir()
    (disk / "files" / PYYAML.name).write_bytes(PYYAML.content)
    page.write_text(pyyaml)
    done = await program.run(*NAMES, no_index="1", find_links=f"{scripted.url('/links')} {page}")
    assert {"attrs": "downloaded", "pyyaml": "downloaded"} == {
        name: words for name, words in done.rows().items() if name != "click"
    }
    assert done.rows()["click"].startswith("failed: ")
    assert expected(ATTRS, PYYAML) == program.files()
    assert 1 == len(scripted.asked(b"/links"))


@ensureDeferred
async def test_unreachable(program: Program, scripted: Scripted, start_scripted: StartScripted) -> None:
    """An index that cannot be reached is named once, and the others are asked."""
    gone = await start_scripted()
    await gone.close()
    index = serve(scripted)
    down = gone.url("/simple")
    done = await program.run(*NAMES, index_url=down, extra_index_url=f"{index} file:///nowhere/simple")
    assert (0, dict.fromkeys(NAMES, "downloaded")) == (done.status, done.rows())
    assert [1, 1] == [
        sum(line.startswith(f"{url}: ") for line in done.said.splitlines()) for url in (down, "file:///nowhere/simple")
    ]


@ensureDeferred
async def test_no_page(program: Program, scripted: Scripted) -> None:
    """An index that answers with something else is named with what it answered."""
    serve(scripted)
    scripted.on(b"/simple/attrs/", [ok(b"hello", [(b"Content-Type", b"text/plain")])])
    scripted.on(b"/simple/click/", [status(403)])
    done = await program.run(*NAMES, index_url=scripted.url("/simple"))
    assert 1 == done.status
    assert ["failed: no index that answered has it"] * 2 + ["downloaded"] == [done.rows()[name] for name in NAMES]
    assert "'text/plain'" in done.said
    assert "403" in done.said


@ensureDeferred
async def test_patience(program: Program, scripted: Scripted) -> None:
    """A page that a server cannot give just now is asked for again."""
    index = serve(scripted)
    answers: list[Answer] = [status(503), json_page("attrs", RELEASES["attrs"])]
    scripted.on(b"/simple/attrs/", answers)
    done = await program.run("attrs", index_url=index)
    assert {"attrs": "downloaded"} == done.rows()
    assert 2 == len(scripted.asked(b"/simple/attrs/"))


@ensureDeferred
async def test_mirror(program: Program, scripted: Scripted, start_scripted: StartScripted) -> None:
    """The same file of another index is taken when the first one cannot give it."""
    index = serve(scripted)
    mirror = await start_scripted()
    serve(mirror)
    scripted.on(ATTRS.path, [status(404)])
    done = await program.run("attrs", index_url=index, extra_index_url=mirror.url("/simple"))
    assert {"attrs": "downloaded"} == done.rows()
    assert [1, 1] == [len(server.asked(ATTRS.path)) for server in (scripted, mirror)]


@ensureDeferred
async def test_damaged(program: Program, scripted: Scripted) -> None:
    """A file that is not what its index promised fails, and is not kept; the others are."""
    index = serve(scripted)
    scripted.on(ATTRS.path, [ok(bytes(len(ATTRS.content)))])
    done = await program.run(*NAMES, index_url=index)
    assert 1 == done.status
    assert done.rows()["attrs"].startswith("failed: ")
    assert expected(CLICK, PYYAML) == program.files()
    assert "2 downloaded, 0 present, 1 failed" in done.said


@ensureDeferred
async def test_unproven(program: Program, scripted: Scripted) -> None:
    """A file without a digest is fetched, and the table says that nothing proves it."""
    entry = {"filename": ATTRS.name, "url": scripted.url(ATTRS.path.decode()), "hashes": {"md5": "0" * 32}}
    page = json.dumps({"meta": {"api-version": "1.0"}, "files": [entry]}).encode()
    scripted.on(b"/simple/attrs/", [ok(page, [(b"Content-Type", JSON)])])
    scripted.on(ATTRS.path, [ok(ATTRS.content)])
    done = await program.run("attrs", index_url=scripted.url("/simple"))
    assert (0, {"attrs": "downloaded, but no digest proves it"}) == (done.status, done.rows())


@ensureDeferred
async def test_interrupted(program: Program, scripted: Scripted, reactor: IReactor) -> None:
    """Ctrl-C ends it within seconds, whatever it waits for, and what is complete is kept."""
    index = serve(scripted)
    stalled: Deferred[None] = Deferred()

    def stall(request: object) -> Steps:
        stalled.callback(None)
        return (Stall(),)

    scripted.on(CLICK.path, [stall])
    process = subprocess.Popen(
        program.command("attrs", "click"),
        env=program.environment(index_url=index),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        await stalled
        while not (program.directory / ATTRS.name).exists():
            await deferLater(reactor, 0.01)
        process.send_signal(signal.SIGINT)
        ended = await deferToThreadPool(reactor, reactor.getThreadPool(), process.communicate, timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert 130 == process.returncode, ended
    assert expected(ATTRS) == program.files()
    assert "Interrupted" in ended[1]
    assert "Traceback" not in ended[1]


@ensureDeferred
async def test_broken_pip(program: Program) -> None:
    """A configuration that pip does not understand ends it with pip's words."""
    done = await program.run("attrs", find_links="gopher://index.example/")
    assert 1 == done.status
    assert "gopher" in done.errors
    assert {} == program.files()

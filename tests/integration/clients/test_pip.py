"""pip through a Distribution: the pages of a simple index, and its files on another server."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
import pytest_twisted
from attrs import define
from pytest_twisted import ensureDeferred

from tests.integration.clients.running import Ended, Run, asked, contents
from tests.integration.clients.wheels import Index, lines
from tests.integration.content_site import Content
from tests.servers.fixtures import StartNginx
from tests.servers.nginx import Nginx

JSON, HTML = "application/vnd.pypi.simple.v1+json", "text/html"
DEMO = "packages/demo/demo-1.0-py3-none-any.whl"


@define(eq=False)
class Upstream:
    """
    An index on one server, its files on another, and a Distribution of it.

    :ivar pages: the server of the index.
    :ivar files: the server of the files.
    """

    index: Index
    pages: Nginx
    files: Nginx
    content: Content
    run: Run
    directory: Path

    def below(self, path: str) -> str:
        """Return where a path of the other server is on the Distribution."""
        return f"pip/+files/http/127.0.0.1%3A{self.files.port}/{path}"

    async def pip(self, command: str, *arguments: object, direct: bool = False) -> Ended:
        """Run pip, which knows no index but the Distribution, or the one behind it."""
        here = f"http://127.0.0.1:{self.content.port}/content/pip/simple/"
        return await self.run(
            *(sys.executable, "-m", "pip", "--isolated", "--no-cache-dir", "--disable-pip-version-check", command),
            *("--retries", "0", "--index-url", self.pages.url("/simple/") if direct else here, *arguments),
            environ={"PIP_CONFIG_FILE": "/dev/null"},
        )

    async def downloaded(self, to: str, *, direct: bool = False) -> dict[str, bytes]:
        """Return what pip downloads, all of whose digests it was given."""
        requirements = self.index.requirements(self.directory / "requirements.txt")
        arguments = "--require-hashes", "--no-deps", "-r", requirements, "-d", self.directory / to
        ended = await self.pip("download", *arguments, direct=direct)
        assert 0 == ended.status, ended.text
        return contents(self.directory / to)


async def upstream(
    start_nginx: StartNginx, content: Content, run: Run, directory: Path, options: list[str], **fields: object
) -> Upstream:
    """Start an upstream that has a few wheels."""
    roots = [directory / "index", directory / "files"]
    for root in roots:
        root.mkdir()
    files = await start_nginx(roots[1])
    index = Index(*roots, files.url(""))
    index.add("demo", "1.0", ["dep>=1"])
    index.add("dep", "1.0")
    index.add("dep", "2.0")
    index.write()
    pages = await start_nginx(roots[0], lines=options)
    await content.distribute("pip", remote_id=await content.remote(pages.url("/")), **fields)
    return Upstream(index, pages, files, content, run, directory)


@pytest_twisted.async_fixture(params=["json", "html"])
async def served(
    request: pytest.FixtureRequest, start_nginx: StartNginx, content: Content, run: Run, tmp_path: Path
) -> Upstream:
    """An index whose pages are fresh for ten minutes, in the one or the other form."""
    return await upstream(start_nginx, content, run, tmp_path, lines(form=request.param))


@ensureDeferred
async def test_download(served: Upstream) -> None:
    """What pip downloads is what it gets directly; again, it costs no request upstream, which may be gone."""
    direct = await served.downloaded("direct", direct=True)
    assert {"demo-1.0-py3-none-any.whl", "dep-2.0-py3-none-any.whl"} == set(direct)
    before = asked(served.pages), asked(served.files)
    assert direct == await served.downloaded("first")
    wheels = [line for line in served.files.log()[before[1] :] if ".whl " in line]
    assert (2, 2) == (asked(served.pages) - before[0], len(wheels))
    await served.pages.stop()
    await served.files.stop()
    assert direct == await served.downloaded("again")


@ensureDeferred
async def test_install(served: Upstream) -> None:
    """pip finds what a package needs by the metadata that the index promises, and installs all of it."""
    ended = await served.pip("install", "--target", served.directory / "target", "demo")
    assert 0 == ended.status, ended.text
    assert "Successfully installed demo-1.0 dep-2.0" in ended.text
    assert (served.directory / "target/dep.py").read_text().startswith("VERSION = '2.0'")
    for path in (f"{DEMO}.metadata", "packages/dep/dep-2.0-py3-none-any.whl"):
        assert 1 == sum(f"/{path} 200" in line for line in served.files.log())


@ensureDeferred
async def test_wrong(served: Upstream) -> None:
    """A wheel that is not what the index says is refused before a byte of it reaches pip."""
    path = served.directory / "files" / DEMO
    path.write_bytes(bytes(reversed(path.read_bytes())))
    (served.directory / "got").mkdir()
    ended = await served.pip("download", "--no-deps", "-d", served.directory / "got", "demo")
    assert 0 != ended.status
    assert "502" in ended.text
    assert {} == contents(served.directory / "got")


@ensureDeferred
async def test_replaced(start_nginx: StartNginx, content: Content, run: Run, tmp_path: Path) -> None:
    """When the index says something else of a file, the one that is kept counts no more."""
    served = await upstream(start_nginx, content, run, tmp_path, lines("no-cache"))
    await served.downloaded("first")
    # One more, so that the page has another length: what nginx tells of a file is its length and the second.
    served.index.add("demo", "0.9")
    served.index.add("demo", "1.0", ["dep>=1"], "# and more of it")
    served.index.write()
    second = await served.downloaded("second")
    assert second == await served.downloaded("direct", direct=True)
    assert b"and more of it" in second["demo-1.0-py3-none-any.whl"]


@ensureDeferred
async def test_no_proxy(served: Upstream) -> None:
    """Nothing but the very files that a page has named is fetched from another server."""
    (served.directory / "files/packages/secret").write_text("S3CR3T")
    await served.downloaded("first")
    assert 200 == (await served.content.get(served.below(DEMO))).status
    before = asked(served.files, served.pages)
    port = served.files.port
    for path in (
        served.below("packages/secret"),
        served.below(f"{DEMO}?x"),
        served.below(f"{DEMO}%3Fx"),
        served.below("packages/demo/../secret"),
        served.below("packages/demo/%2e%2e/secret"),
        served.below(""),
        f"pip/+files/https/127.0.0.1%3A{port}/{DEMO}",
        f"pip/+files/http/localhost%3A{port}/{DEMO}",
        f"pip/+files/http/user@127.0.0.1%3A{port}/{DEMO}",
        "pip/+files/",
        "pip/+files",
    ):
        assert (await served.content.get(path)).status in (400, 404), path
    assert before == asked(served.files, served.pages)


@pytest.mark.parametrize("control", ["no-store", "private, max-age=600"])
@ensureDeferred
async def test_not_kept(start_nginx: StartNginx, content: Content, run: Run, tmp_path: Path, control: str) -> None:
    """The links of pages that must not be kept stay on the Distribution, too."""
    served = await upstream(start_nginx, content, run, tmp_path, lines(control))
    direct = await served.downloaded("direct", direct=True)
    assert direct == await served.downloaded("first")
    await served.files.stop()
    assert direct == await served.downloaded("again")


@ensureDeferred
async def test_streamed(start_nginx: StartNginx, content: Content, run: Run, tmp_path: Path) -> None:
    """Where nothing is kept, pip gets all of it through the Distribution, and verified."""
    served = await upstream(start_nginx, content, run, tmp_path, lines(), policy="streamed")
    direct = await served.downloaded("direct", direct=True)
    assert direct == await served.downloaded("first")
    path = tmp_path / "files" / DEMO
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert 502 == (await content.get(served.below(DEMO))).status


@ensureDeferred
async def test_negotiated(start_nginx: StartNginx, content: Content, run: Run, tmp_path: Path) -> None:
    """Each client gets the form that it asks for, of an upstream that has both, which is asked once for each."""
    served = await upstream(start_nginx, content, run, tmp_path, lines())
    for _ in range(2):
        for accept, expected in ((f"Accept: {JSON}", JSON), ("Accept: text/html", HTML), ("X-Nothing: x", HTML)):
            got = await content.get("pip/simple/demo/", accept)
            assert (200, expected) == (got.status, got.headers["content-type"].partition(";")[0])
            assert b"../../+files/http/127.0.0.1:" in got.body
            assert served.files.url("/").encode() not in got.body
    assert 2 == asked(served.pages)


@ensureDeferred
async def test_conditional(served: Upstream) -> None:
    """A page's entity tag is that of what is sent: a client that has it gets 304, and HEAD says the same."""
    got = await served.content.get("pip/simple/demo/")
    assert f'"{hashlib.sha256(got.body).hexdigest()}"' == got.headers["etag"]
    assert 304 == (await served.content.get("pip/simple/demo/", f"If-None-Match: {got.headers['etag']}")).status
    head = await served.content.get("pip/simple/demo/", method="HEAD")
    assert (got.headers["etag"], str(len(got.body))) == (head.headers["etag"], head.headers["content-length"])
    part = await served.content.get("pip/simple/demo/", "Range: bytes=5-9")
    assert (206, got.body[5:10]) == (part.status, part.body)
    assert 1 == asked(served.pages)

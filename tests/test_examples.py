"""
README's and the docs' examples work as they stand.

- A fence of `python` is a whole program: it runs in a new directory, in a process of its own, for 60 s at most, and
  exits 0.
- In a fence of `console`, each line that begins with `$ pulpdownloader` runs, one after the other in one new directory,
  and exits 0, or what a comment at its end says: `# exits 1`. A backslash goes on in the next line. What else is
  there, other commands and output, is for the reader.
- `python no-run` and `console no-run` do not run; the former must compile, and may `await` outside functions.

URLs of `https://mirror.example` and `https://other.example` are served by tests/example_site.py, whose docstring says
what is there; the directory holds its `files.jsonl`, `urls.txt` and `PULP_MANIFEST`.
"""

from __future__ import annotations

import ast
import re
import shlex
import signal
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

import pytest

from tests.example_site import MIRROR, POOL, lists, sha256, site
from tests.forked import PULPDOWNLOADER, Forking, environment

ROOT = Path(__file__).parents[1]
OTHER = "https://other.example"
SECONDS = 60
# As the interpreter runs a file that it is given.
SCRIPT = "import runpy, sys; del sys.argv[0]; sys.path[0] = ''; runpy.run_path(sys.argv[0], run_name='__main__')"
FENCE = re.compile(r" *(`{3,}|~{3,})(.*)")


class Block(NamedTuple):
    """One fence: where it is, the words after its backticks, and what it holds."""

    place: str
    info: tuple[str, ...]
    code: str


def blocks(text: str, page: str) -> Iterator[Block]:
    """Give the fenced blocks of *text*."""
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        opening = FENCE.fullmatch(line)
        if opening is None:
            continue
        inside = []
        for _, line in lines:
            if line.strip().startswith(opening[1]):
                break
            inside.append(line)
        yield Block(f"{page}:{number}", tuple(opening[2].split()), textwrap.dedent("\n".join(inside)) + "\n")


def commands(code: str) -> Iterator[tuple[str, int]]:
    """Give the commands of a console block that run, each with its exit status."""
    for line in code.replace("\\\n", " ").splitlines():
        if line.startswith("$ pulpdownloader"):
            command, _, comment = line[2:].partition(" # exits ")
            yield command, int(comment or 0)


PAGES = [page for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if page.exists()]
BLOCKS = [block for page in PAGES for block in blocks(page.read_text(encoding="utf-8"), str(page.relative_to(ROOT)))]


def chosen(*info: str) -> pytest.MarkDecorator:
    """Parametrize a test with the blocks that have *info*."""
    found = [pytest.param(block, id=block.place) for block in BLOCKS if block.info == info]
    return pytest.mark.parametrize("block", found)


class Ended(NamedTuple):
    """What became of an example."""

    returncode: int
    stdout: str
    stderr: str


class Place(NamedTuple):
    """A directory to run examples in, and the site's two addresses."""

    forking: Forking
    directory: Path
    mirror: str
    other: str

    def run(self, *words: str) -> Ended:
        """Run a script, or the command, with the example hosts' URLs led to the site."""
        program, words = (PULPDOWNLOADER, words[1:]) if words[0] == "pulpdownloader" else (SCRIPT, words)
        given = environment() | {"PULPDOWNLOADER_DATA": str(self.directory / ".data")}
        with tempfile.NamedTemporaryFile("r") as out, tempfile.NamedTemporaryFile("r") as err:
            local = [self.local(word) for word in words]
            process = self.forking.start(program, local, self.directory, given, out.name, err.name)
            try:
                return Ended(process.wait(SECONDS), out.read(), err.read())
            finally:
                process.send_signal(signal.SIGKILL)

    def local(self, text: str) -> str:
        """Return *text* with the example hosts replaced by the site's addresses."""
        return text.replace(MIRROR, self.mirror).replace(OTHER, self.other)


@pytest.fixture
def place(tmp_path: Path, forking: Forking) -> Iterator[Place]:
    """A directory with the site's lists in it."""
    with site() as mirror, site() as other:
        for name, content in lists(mirror).items():
            (tmp_path / Path(name).name).write_bytes(content)
        yield Place(forking, tmp_path, mirror, other)


@chosen("python")
def test_python(block: Block, place: Place) -> None:
    """A program of the docs runs to its end."""
    (place.directory / "example.py").write_text(place.local(block.code), encoding="utf-8")
    result = place.run("example.py")
    assert 0 == result.returncode, result.stderr


@chosen("python", "no-run")
def test_compiles(block: Block) -> None:
    """A part of a program is at least one."""
    compile(block.code, block.place, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)


@chosen("console")
def test_console(block: Block, place: Place) -> None:
    """A command of the docs exits as they say."""
    for command, status in commands(block.code):
        result = place.run(*shlex.split(command))
        assert status == result.returncode, f"{command}\n{result.stdout}{result.stderr}"


@pytest.mark.parametrize("language", ["python", "console"])
def test_readme(language: str) -> None:
    """README shows the library and the command by examples that run."""
    found = [block for block in BLOCKS if block.place.startswith("README.md") and block.info == (language,)]
    assert found
    assert language == "python" or any(list(commands(block.code)) for block in found)


def test_infos() -> None:
    """No example hides from these tests behind other words than `no-run`."""
    known = {("python",), ("python", "no-run"), ("console",), ("console", "no-run")}
    like = {"python", "python3", "py", "console", "{code-block}", "{code}", "{sourcecode}"}
    assert [] == [block.place for block in BLOCKS if like.intersection(block.info) and block.info not in known]


def test_blocks() -> None:
    """Fences are found at any depth, with any number of backticks, and only their ends end them."""
    text = "a\n```python\nx = 1\n```\n- b\n\n  ````console no-run\n  ```\n  $ c\n  ````\n~~~\nd\n~~~\n"
    assert [
        Block("p:2", ("python",), "x = 1\n"),
        Block("p:7", ("console", "no-run"), "```\n$ c\n"),
        Block("p:11", (), "d\n"),
    ] == list(blocks(text, "p"))


def test_commands() -> None:
    """Only `$ pulpdownloader` is run; a backslash joins lines, and a comment gives the status."""
    code = "$ ls\npulpdownloader x\n$ pulpdownloader a \\\n    -b\nsaid\n$ pulpdownloader c # exits 1\n"
    assert [("pulpdownloader a      -b", 0), ("pulpdownloader c", 1)] == list(commands(code))


def test_site_table() -> None:
    """The digests that the site's docstring promises are those of its files."""
    table = (ROOT / "tests" / "example_site.py").read_text(encoding="utf-8")
    promised = re.findall(r"^\| /pool/(\S+) \| (\d+) \| (\w+) \|$", table, re.MULTILINE)
    assert [(name, str(len(data)), sha256(data)) for name, data in POOL.items()] == promised


@pytest.mark.parametrize(
    ("path", "headers", "status", "body"),
    [
        ("/pool/a.bin", {}, 200, POOL["a.bin"]),
        ("/pool/empty.bin", {}, 200, b""),
        ("/moved/a.bin", {}, 200, POOL["a.bin"]),
        ("/pool/a.bin", {"Range": "bytes=4000-"}, 206, POOL["a.bin"][4000:]),
        ("/pool/a.bin", {"Range": "bytes=0-9", "If-Range": '"c8f5d0341d54d951"'}, 206, POOL["a.bin"][:10]),
        ("/pool/a.bin", {"Range": "bytes=0-9", "If-Range": '"another"'}, 200, POOL["a.bin"]),
        ("/private/hello.txt", {"Authorization": "Basic cmVhZGVyOnNlY3JldA=="}, 200, POOL["hello.txt"]),
    ],
)
def test_site(path: str, headers: dict[str, str], status: int, body: bytes) -> None:
    """The site answers as its docstring says."""
    with site() as base, build_opener(ProxyHandler({})).open(Request(base + path, headers=headers)) as response:
        assert (status, body) == (response.status, response.read())


@pytest.mark.parametrize(
    ("path", "headers", "statuses"),
    [
        ("/missing", {}, [404, 404]),
        ("/private/a.bin", {}, [401, 401]),
        ("/pool/a.bin", {"If-None-Match": '"c8f5d0341d54d951"'}, [304, 304]),
        ("/pool/a.bin", {"Range": "bytes=4096-"}, [416, 416]),
        ("/flaky/a.bin", {}, [503, 200]),
    ],
)
def test_site_refuses(path: str, headers: dict[str, str], statuses: list[int]) -> None:
    """The site fails as its docstring says."""
    opener = build_opener(ProxyHandler({}))
    with site() as base:
        assert statuses == [_status(opener, Request(base + path, headers=headers)) for _ in statuses]


def _status(opener: OpenerDirector, request: Request) -> int:
    try:
        with opener.open(request) as response:
            return response.status
    except HTTPError as error:
        with error:
            return error.code

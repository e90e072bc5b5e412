"""The map of docs/architecture.md: what may import what, and how large a module may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "twisted_pulp"

#: From the lowest up; what shares a line must not import each other, except the values of the first.
LAYERS = (
    (
        "clock",
        "digests",
        "documents",
        "download",
        "errors",
        "headers",
        "interfaces",
        "manifest",
        "names",
        "settings",
        "threads",
        "unseen",
        "urls",
    ),
    ("catalog", "http", "metalink", "storage"),
    ("schemes",),
    ("transfer",),
    ("downloader",),
    ("context",),
    ("blocking",),
    ("lists",),
    ("cluster",),
    ("stages", "streamer", "testing"),
    ("upkeep",),
    ("content",),
    ("jobs",),
    ("live",),
    ("api", "client", "dashboard"),
    ("service",),
    ("cli",),
)
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}
REACTOR = "twisted.internet.reactor"
LONGEST = 300


def imports(source: str, package: tuple[str, ...]) -> Iterator[str]:
    """Give the dotted name of everything that *source*, a module in *package*, imports anywhere."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            yield from (".".join((*above, *filter(None, [node.module]), each.name)) for each in node.names)


def offences(source: str, path: str) -> list[str]:
    """Say what *source* does, as the module at *path* below the package, that the map forbids."""
    parts = Path(path).with_suffix("").parts
    home = parts[0]
    if home not in LAYER:
        return [f"{path} is in no layer"]
    found = []
    for name in imports(source, ("twisted_pulp", *parts[:-1])):
        root, _, rest = name.partition(".")
        other = rest.partition(".")[0]
        if root == "twisted_pulp" and other != home and not _allowed(home, other):
            found.append(f"{path} imports {name}")
        if name == REACTOR and home not in ("blocking", "cli", "service"):
            found.append(f"{path} imports the global reactor")
    if source.count("\n") > LONGEST:
        found.append(f"{path} is longer than {LONGEST} lines")
    return found


def _allowed(home: str, other: str) -> bool:
    if other == "testing" or other not in LAYER:
        return other == "__version__"
    return LAYER[other] < LAYER[home] or LAYER[other] == LAYER[home] == 0


def test_layers() -> None:
    """Every module imports only from below and its own package, leaves the reactor to the top, and is short."""
    modules = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]
    assert modules
    assert [] == [offence for path in modules for offence in offences(path.read_text(), str(path.relative_to(PACKAGE)))]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("http/pool.py", "from twisted_pulp.transfer import Transfer"),
        ("http/pool.py", "from ..transfer import Transfer"),
        ("http/pool.py", "def late():\n    from .. import transfer"),
        ("http/pool.py", "import twisted_pulp.storage"),
        ("http/pool.py", "from twisted_pulp import Remote"),
        ("transfer/one.py", "from twisted_pulp.downloader import Downloader"),
        ("service.py", "from twisted_pulp.testing import Server"),
        ("service.py", "from twisted_pulp.cli import main"),
        ("context.py", "from twisted.internet import reactor"),
        ("context.py", "import twisted.internet.reactor"),
        ("context.py", "\n" * 301),
        ("odds/ends.py", ""),
    ],
)
def test_offences(path: str, source: str) -> None:
    """What the map forbids is found, however it is written."""
    assert 1 == len(offences(source, path))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("http/pool.py", "from twisted_pulp.http._key import Key\nfrom ._key import Key\nfrom . import _key"),
        ("http/pool.py", "from twisted_pulp.errors import DownloadError\nfrom ..settings import Remote"),
        ("download.py", "from twisted_pulp.settings import Remote"),
        ("context.py", "from twisted_pulp.downloader import Downloader\nfrom twisted.internet import defer"),
        ("cli/get.py", "from twisted.internet import reactor\nfrom twisted_pulp.context import Context"),
        ("lists/_inputs.py", "from twisted_pulp.metalink import read_metalink"),
    ],
)
def test_allowed(path: str, source: str) -> None:
    """What the map allows is no offence."""
    assert [] == offences(source, path)

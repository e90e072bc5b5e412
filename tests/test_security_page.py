"""The security page names tests that are there."""

import ast
import re
from fnmatch import fnmatch
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "security.md"
_named = re.compile(r"`([\w/]+\.py)(?:::(\w+\*?))?`").findall


def named_in(path: Path) -> list[str]:
    """Return the names of the tests in a module."""
    found = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, found)]


def test_named() -> None:
    """Each module that is named is there, and so is each test."""
    named = _named(PAGE.read_text(encoding="utf-8"))
    missing = [path for path, _ in named if not (TESTS / path).is_file()]
    assert [] == missing
    unknown = [
        (path, test) for path, test in named if test and not any(fnmatch(each, test) for each in named_in(TESTS / path))
    ]
    assert [] == unknown
    assert 40 < len(named)


def test_rows() -> None:
    """Each row of the table names what shows it."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| [A-Z]\d ", line)]
    assert 30 < len(rows) == len({row[:5] for row in rows})
    assert [] == [row for row in rows if not _named(row)]

"""The table of features names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/features.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "|---" not in line and "| here |" not in line]
FILE = re.compile(r"`([\w./]+\.py)`(?:: ((?:`\w+`(?:, )?)+))?")


@pytest.mark.parametrize("row", ROWS, ids=[row.split("|")[1].strip()[:40] for row in ROWS])
def test_row(row: str) -> None:
    """A row that says yes names tests, all of which are there; one that says no gives the reason."""
    _, _, here, shown, _ = row.split("|")
    if here.strip().startswith("no"):
        assert 20 < len(here)
        assert not shown.strip()
        return
    found = FILE.findall(shown)
    assert found
    assert not re.sub(r"[;\s]", "", FILE.sub("", shown))
    for path, names in found:
        module = ast.parse((ROOT / "tests/integration" / path).resolve().read_text())
        there = {node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert [] == [name for name in re.findall(r"`(\w+)`", names) if name not in there]


def test_all_rows() -> None:
    """The table is not empty."""
    assert 30 < len(ROWS)

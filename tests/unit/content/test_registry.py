"""Which content types there are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from zope.interface.verify import verifyObject

from twisted_pulp.content import IContentType, content_type, content_types
from twisted_pulp.content.file import FILE
from twisted_pulp.errors import SettingsError

MODULE = """
class Sums:
    type = "sums"
    def first_stage(self, force):
        return None

SUMS, NOTHING = Sums(), object()
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The metadata of a project whose entry points a test writes; its module has SUMS and NOTHING."""
    (tmp_path / "sums_of_a_project.py").write_text(MODULE)
    info = tmp_path / "sums_of_a_project-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sums_of_a_project\nVersion: 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    return info / "entry_points.txt"


def register(installed: Path, *points: str) -> None:
    """Have *points* registered."""
    installed.write_text("[twisted_pulp.content]\n" + "\n".join(points) + "\n")


def test_file() -> None:
    """Files are a content type of this package, which is what it says."""
    assert FILE is content_type("file")
    assert verifyObject(IContentType, FILE)


def test_file_alone() -> None:
    """To find it takes no look at what is installed."""
    code = (
        "import sys; from twisted_pulp.content import content_type; content_type('file');"
        "import importlib.metadata as m; m.entry_points = None; assert content_type('file').type == 'file'"
    )
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode


def test_registered(installed: Path) -> None:
    """The type of another project is found by its name."""
    register(installed, "sums = sums_of_a_project:SUMS")
    assert ("file", "sums") == content_types()
    assert "sums" == content_type("sums").type


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ([], "one of file"),
        (["sums = sums_of_a_project:MISSING"], "can be imported"),
        (["sums = no_such_module:SUMS"], "can be imported"),
        (["sums = sums_of_a_project:NOTHING"], "IContentType"),
    ],
)
def test_wrong(installed: Path, points: list[str], reason: str) -> None:
    """A type that is not there, or is none, says so."""
    register(installed, *points)
    with pytest.raises(SettingsError, match=reason):
        content_type("sums")


def test_other_name(installed: Path) -> None:
    """A type is registered by its own name."""
    register(installed, "more = sums_of_a_project:SUMS")
    with pytest.raises(SettingsError, match="whose type is that"):
        content_type("more")


def test_twice(installed: Path, tmp_path: Path) -> None:
    """A type that two projects have is nobody's."""
    register(installed, "sums = sums_of_a_project:SUMS")
    other = tmp_path / "another-1.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: another\nVersion: 1\n")
    register(other / "entry_points.txt", "sums = sums_of_a_project:NOTHING")
    with pytest.raises(SettingsError, match="registered once"):
        content_type("sums")


def test_how_to() -> None:
    """The how-to makes a whole content type, and syncs and exports with it, in under 60 lines; the docs run it."""
    page = (Path(__file__).parents[3] / "docs" / "content-types.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(program.splitlines()) < 60
    assert {"synchronize(", "export("} <= set(re.findall(r"\w+\(", program))

"""Threat X1: what is installed is what stands in the sources, and is built of releases that are known."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUILD = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"
#: A day in 2026, for every file of the archive.
MOMENT = "1790000000"


def built(place: Path, age: float, umask: int) -> str:
    """Copy the sources to *place*, with other times and modes, and return the sha256 of what is built of them."""
    place.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, place)
    for name in ("twisted_pulp", "twisted"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__", "dropin.cache"))
    for path in place.rglob("*"):
        if path.is_file():
            path.chmod(0o666 & ~umask)
            os.utime(path, (age, age))
    environ = os.environ | {"SOURCE_DATE_EPOCH": MOMENT}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD, str(place)],
        cwd=place,
        env=environ,
        umask=umask,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return hashlib.sha256((place / done.stdout.splitlines()[-1]).read_bytes()).hexdigest()


@pytest.mark.limit(300)
def test_reproducible(tmp_path: Path) -> None:
    """Two builds of the same sources, at other times and places and by other users, are the same to the last bit."""
    pytest.importorskip("setuptools", reason="what builds is not installed here")
    assert built(tmp_path / "one", 1.6e9, 0o022) == built(tmp_path / "another-place", 1.7e9, 0o022)


def test_pinned() -> None:
    """The tests run with one release of each thing that is needed."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    wanted = config["options"]["install_requires"] + config["options.extras_require"]["test"]
    names = {_plain(line) for line in wanted.splitlines() if line.strip() and not line.strip().startswith("#")}
    pins = [line for line in (ROOT / "tests/constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [] == [line for line in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", line)]
    assert set() == names - {_plain(line) for line in pins}


def _plain(line: str) -> str:
    """Return the name of what *line* requires."""
    found = re.match(r"[\w.-]+", line.strip())
    assert found is not None
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def test_no_binaries() -> None:
    """All that is installed can be read by people."""
    files = [path for path in (ROOT / "twisted_pulp").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert 300 < len(files)
    for path in files:
        assert "\0" not in path.read_text(encoding="utf-8"), path

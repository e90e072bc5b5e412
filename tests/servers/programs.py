"""Programs that tests start: found, or the reason why not."""

from __future__ import annotations

import glob
import os
import shutil
from typing import NoReturn

import pytest

# Debian and Homebrew keep its server's programs apart, because several versions may be there.
_POSTGRESQL = "/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin"


def in_ci() -> bool:
    """Tell whether ``CI`` is set to ``true``."""
    return os.environ.get("CI", "").lower() == "true"


def missing(reason: str) -> NoReturn:
    """Fail the test under CI, where everything must be installed; skip it elsewhere."""
    if in_ci():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def search_path() -> str:
    """Give PATH and the places of system programs, which Debian keeps from users."""
    postgresql = [each for places in _POSTGRESQL for each in sorted(glob.glob(places), reverse=True)]
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin", *postgresql])


def require(program: str) -> str:
    """Give the path of *program*; without it the test skips, or fails when ``CI=true``."""
    found = shutil.which(program, path=search_path())
    if found is None:
        missing(f"{program} is not installed")
    return found

"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = "twisted", "sqlalchemy", "aiohttp", "uvloop", "pycurl", "treq"


def about(missing: Mapping[str, str]) -> str:
    """
    Return a few lines about the machine and the versions.

    :param missing: name -> why it does not take part.
    """
    versions = []
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    lines = [f"{platform.platform()}, {os.cpu_count()} processors, Python {platform.python_version()}"]
    return "\n".join([*lines, ", ".join(versions), *(f"missing: {name}: {why}" for name, why in missing.items())])

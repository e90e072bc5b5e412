"""What is said where there is no log yet."""

from __future__ import annotations

import sys

from twisted_pulp.service._log import printable

__all__ = ["complain"]


def complain(text: str) -> None:
    """Write *text* to standard error, if there is one."""
    try:
        sys.stderr.write(f"{printable(text)}\n")
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        pass  # nobody reads it

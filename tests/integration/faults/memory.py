"""How much memory this process has."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

__all__ = ["forget_peak", "peak"]


def peak() -> int:
    """Give the most memory that this process has had since it began, or since `forget_peak`, in bytes."""
    if sys.platform == "linux":  # ru_maxrss has that of the parent too, from before exec
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def forget_peak() -> None:
    """Begin anew with what there is now, where the system can."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")

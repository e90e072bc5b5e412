"""How much memory this process has."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

__all__ = ["forget_peak", "peak", "peak_of"]


def peak() -> int:
    """Give the most memory that this process has had since it began, or since `forget_peak`, in bytes."""
    if sys.platform == "linux":  # ru_maxrss has that of the parent too, from before exec
        return peak_of("self")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def peak_of(process: object) -> int:
    """Give the same for a *process*, by its number, on Linux; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:")), 0)


def forget_peak() -> None:
    """Begin anew with what there is now, where the system can."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")

"""What people are told: sizes, times, files and failures in words."""

from __future__ import annotations

import attrs

from twisted_pulp.download import DownloadReport, Totals
from twisted_pulp.errors import Cancelled, DownloadError, shown

__all__ = ["amount", "duration", "failure", "figures", "files", "interrupted", "outcome", "summary", "was_cancelled"]

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def amount(size: float) -> str:
    """Return *size* bytes in the largest unit that leaves a digit before the point."""
    for unit in _UNITS[:-1]:
        if size < 1000 or (unit == "B" and size < 1024):
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} {_UNITS[-1]}"


def duration(seconds: float) -> str:
    """Return *seconds* as a clock would show them."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def files(count: int) -> str:
    """Return *count* and the word for what is counted."""
    return "1 file" if count == 1 else f"{count} files"


def outcome(report: DownloadReport, here: str) -> str:
    """Return a line about a file that is there now; *here* is a directory, with its slash, that goes without saying."""
    verb = "present" if report.present else "fetched"
    return f"{verb}  {(report.path or '').removeprefix(here)}  {amount(report.size or 0)}"


def failure(report: DownloadReport) -> str:
    """Return a line about a file that is not there."""
    error = report.error
    reason = error.reason if isinstance(error, DownloadError) else str(error)
    return f"failed: {shown(report.url)}: {reason}"


def summary(totals: Totals, seconds: float) -> str:
    """Return a line about all files."""
    done = [files(totals.succeeded + totals.failed)]
    if totals.present:
        done.append(f"{totals.present} present")
    if totals.failed:
        done.append(f"{totals.failed} failed")
    speed = f" ({amount(totals.bytes / seconds)}/s)" if totals.bytes and seconds > 0 else ""
    return f"{', '.join(done)}; {amount(totals.bytes)} in {seconds:.{1 if seconds >= 10 else 2}f} s{speed}"


def figures(totals: Totals, seconds: float) -> dict[str, object]:
    """Return the same for a program."""
    return attrs.asdict(totals) | {"seconds": round(seconds, 3)}


def interrupted(totals: Totals) -> str:
    """Return a line about as far as it came."""
    failed = f", {totals.failed} failed" if totals.failed else ""
    return f"interrupted: {files(totals.succeeded)} done{failed}"


def was_cancelled(report: DownloadReport) -> bool:
    """Return whether *report* failed only because everything was to end."""
    return isinstance(report.error, Cancelled)

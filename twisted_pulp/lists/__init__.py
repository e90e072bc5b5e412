"""Lists of downloads: JSON lines, plain URLs, PULP_MANIFEST or metalink; and their reports, written as JSON lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted_pulp.lists._inputs import Inputs, file_root_of
from twisted_pulp.lists._reader import Reader, Refused, lines_of

if TYPE_CHECKING:
    from twisted_pulp.lists._report import ReportFile, refused_line, report_line

__all__ = ["Inputs", "Reader", "Refused", "ReportFile", "file_root_of", "lines_of", "refused_line", "report_line"]


def __getattr__(name: str) -> Any:
    if name not in ("ReportFile", "refused_line", "report_line"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from twisted_pulp.lists import _report  # few runs write one

    return getattr(_report, name)

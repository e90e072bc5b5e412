"""Reports as JSON lines, one for each file."""

from __future__ import annotations

from typing import Any

import msgspec

from twisted_pulp.download import Attempt, DownloadReport
from twisted_pulp.errors import DownloadError, shown
from twisted_pulp.lists._reader import Refused

__all__ = ["ReportFile", "refused_line", "report_line"]

_encode = msgspec.json.Encoder().encode


def _text(text: str | None) -> str | None:
    # A directory's name may be no UTF-8; JSON must be.
    return text if text is None or text.isascii() else text.encode("utf-8", "replace").decode()


def _error(error: BaseException | None) -> dict[str, Any] | None:
    if error is None:
        return None
    message = error.reason if isinstance(error, DownloadError) else str(error)
    return {
        "type": type(error).__name__,
        "message": _text(message),
        "retryable": bool(getattr(error, "retryable", False)),
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "source": shown(attempt.source.url),
        "started": attempt.started,
        "status": attempt.status,
        "bytes": attempt.bytes,
        "error": _error(attempt.error),
    }


def report_line(report: DownloadReport) -> bytes:
    """Return *report* as a line of JSON, without secrets."""
    line = {
        "url": shown(report.url),
        "path": _text(report.path),
        "size": report.size,
        "digests": dict(report.digests),
        "verified": report.verified,
        "status": report.status,
        "present": report.present,
        "attempts": [_attempt(each) for each in report.attempts],
        "started": report.started,
        "finished": report.finished,
        "error": _error(report.error),
    }
    return _encode(line) + b"\n"


def refused_line(refused: Refused) -> bytes:
    """Return what stands in a report for a line of a list that nothing could be made of: a failure without a URL."""
    message = f"{refused.place}: {refused.reason}"
    error = {"type": "BadLine", "message": _text(message), "retryable": False}
    line = dict.fromkeys(("url", "path", "size"), None) | {
        "digests": {},
        "verified": False,
        "status": None,
        "present": False,
        "attempts": [],
        "started": None,
        "finished": None,
        "error": error,
    }
    return _encode(line) + b"\n"


class ReportFile:
    """
    A file of report lines, each written as soon as it is known; one that is read meanwhile has whole lines only.

    :ivar error: why no more is written, or None; a full disk ends the report, never a download.
    """

    def __init__(self, path: str) -> None:
        """:raises OSError: when *path* cannot be written."""
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115 -- closed by close
        self.error: OSError | None = None

    def add(self, report: DownloadReport) -> None:
        """Write a line for *report*."""
        self._write(report_line(report))

    def add_refused(self, refused: Refused) -> None:
        """Write a line for *refused*."""
        self._write(refused_line(refused))

    def _write(self, line: bytes) -> None:
        if self.error is not None:
            return
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError as error:
            self.error = error

    def close(self) -> None:
        """Write no more."""
        try:
            self._file.close()
        except OSError as error:
            self.error = self.error or error

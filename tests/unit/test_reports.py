"""Reports as JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from twisted_pulp.download import Attempt, DownloadReport, Source
from twisted_pulp.errors import ConnectionRefused, NotFound, PulpError
from twisted_pulp.lists import Refused, ReportFile, refused_line, report_line

SECRET = "https://user:hunter2@example.org/a?token=hunter2"


def line_of(report: DownloadReport) -> Any:
    """Return the line of *report*, parsed."""
    line = report_line(report)
    assert line.endswith(b"\n")
    assert 1 == line.count(b"\n")
    return json.loads(line)


def test_success() -> None:
    """A success says where the file is, and what proves it."""
    attempt = Attempt(Source("http://example.org/a"), 2.0, 200, 5, None)
    report = DownloadReport(
        url="http://example.org/a",
        path="d/a",
        size=5,
        digests={"sha256": "ab"},
        verified=True,
        status=200,
        attempts=(attempt,),
        started=1.0,
        finished=3.0,
    )
    assert {
        "url": "http://example.org/a",
        "path": "d/a",
        "size": 5,
        "digests": {"sha256": "ab"},
        "verified": True,
        "status": 200,
        "present": False,
        "attempts": [{"source": "http://example.org/a", "started": 2.0, "status": 200, "bytes": 5, "error": None}],
        "started": 1.0,
        "finished": 3.0,
        "error": None,
    } == line_of(report)


def test_failure() -> None:
    """A failure says what kind it is, and whether another try may help; so does every attempt."""
    refused = Attempt(Source(SECRET), 2.0, None, 0, ConnectionRefused(SECRET, "nobody listens"))
    report = DownloadReport(
        url="http://example.org/a", error=NotFound("http://example.org/a", 404), attempts=(refused,)
    )
    line = line_of(report)
    assert {"type": "NotFound", "message": "404 Not Found", "retryable": False} == line["error"]
    assert {"type": "ConnectionRefused", "message": "nobody listens", "retryable": True} == line["attempts"][0]["error"]


def test_secrets() -> None:
    """No line has user names, passwords or values of queries."""
    attempt = Attempt(Source(SECRET), 2.0, None, 0, PulpError("broken"))
    assert b"hunter2" not in report_line(DownloadReport(url=SECRET, attempts=(attempt,), error=NotFound(SECRET, 404)))


def test_any_path() -> None:
    """A directory whose name is no UTF-8 still makes valid JSON."""
    assert "d?/ä" == line_of(DownloadReport(url="http://example.org/a", path="d\udcff/ä"))["path"]


def test_refused() -> None:
    """A line of a list that is bad is a failure without a URL, with the fields of every other."""
    line = json.loads(refused_line(Refused("list:3", "not UTF-8")))
    assert set(line_of(DownloadReport(url="http://example.org/a"))) == set(line)
    assert (None, {"type": "BadLine", "message": "list:3: not UTF-8", "retryable": False}) == (
        line["url"],
        line["error"],
    )


def test_file(tmp_path: Path) -> None:
    """A report is replaced, and each line is there as soon as it is added."""
    path = tmp_path / "report"
    path.write_text("old")
    report = ReportFile(str(path))
    report.add(DownloadReport(url="http://example.org/a"))
    assert 1 == path.read_bytes().count(b"\n")
    report.add_refused(Refused("list:3", "not UTF-8"))
    report.close()
    assert (2, None) == (len([json.loads(line) for line in path.read_text().splitlines()]), report.error)


def test_nowhere(tmp_path: Path) -> None:
    """A report that cannot be opened says so at once."""
    with pytest.raises(FileNotFoundError):
        ReportFile(str(tmp_path / "no" / "report"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_full() -> None:
    """A full disk ends the report, and raises nothing."""
    report = ReportFile("/dev/full")
    report.add(DownloadReport(url="http://example.org/a"))
    report.add(DownloadReport(url="http://example.org/a"))
    report.close()
    assert report.error is not None
    assert "No space left on device" == report.error.strerror

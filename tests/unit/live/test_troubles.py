"""What went wrong of late is remembered, without secrets."""

import pytest

from twisted_pulp.download import Attempt, DownloadReport, Source
from twisted_pulp.errors import Cancelled, IdleTimeout, NotFound, PulpError
from twisted_pulp.live import Troubles
from twisted_pulp.live._troubles import host_of

URL = "https://h.test:8443/file?sig=S3CR3T"


def report(url: str, final: bool, *tries: PulpError | None) -> DownloadReport:
    """Return the report of a download with such tries, that failed with the last if that is *final*."""
    attempts = tuple(Attempt(Source(url), 1.0, None, 0, each) for each in tries)
    return DownloadReport(url=url, attempts=attempts, error=tries[-1] if final else None, finished=9.0)


def test_noted() -> None:
    """Each try that failed is remembered, and whether the download failed with it; the last one by its host, too."""
    troubles = Troubles()
    troubles.note(report(URL, True, IdleTimeout(URL, 60.0), NotFound(URL, 404)))
    assert [("idle_timeout", False), ("not_found", True)] == [(each.kind, each.final) for each in troubles.recent]
    last = troubles.with_host("https://h.test:8443/other")
    assert last is not None
    assert ("h.test:8443", "404 Not Found", 9.0) == (last.host, last.reason, last.when)
    assert None is troubles.with_host("https://h.test/other")
    assert "S3CR3T" not in str(troubles.recent)
    assert "<Troubles 2 of late, with 1 hosts>" == repr(troubles)


def test_not_noted() -> None:
    """What succeeded or was cancelled is no trouble; what failed without a try is."""
    troubles = Troubles()
    troubles.note(report(URL, False, None))
    troubles.note(report(URL, True, Cancelled(URL)))
    assert 0 == len(troubles.recent)
    troubles.note(DownloadReport(url=URL, error=NotFound(URL, 404)))
    assert 1 == len(troubles.recent)


def test_bounds() -> None:
    """However much goes wrong with however many hosts, so much is remembered."""
    troubles = Troubles()
    for number in range(2500):
        url = f"http://h{number}.test/" + "x" * 5000
        troubles.note(report(url, True, NotFound(url, 404)))
    assert 200 == len(troubles.recent)
    assert "with 500 hosts" in repr(troubles)
    assert 500 == len(troubles.recent[0].url)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://H.test/a", "h.test"),
        ("https://h.test:443/", "h.test"),
        ("https://h.test:80/", "h.test:80"),
        ("ftp://h.test/", "h.test"),
        ("nonsense", ""),
    ],
)
def test_hosts(url: str, host: str) -> None:
    """A host is told with its port where that is not the usual one."""
    assert host == host_of(url)

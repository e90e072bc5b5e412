"""What is under way is known, with what it has got so far."""

from typing import Any

from twisted_pulp.download import DownloadReport
from twisted_pulp.transfer import Traffic


class Transfer:
    """A transfer that has got something."""

    received = 5


def test_traffic() -> None:
    """A transfer counts from its begin to its end, which is told."""
    traffic, ended = Traffic(lambda: 0.0), []
    one, other = Transfer(), Transfer()
    traffic.begin(one)
    traffic.begin(other)
    assert (2, 10, {one, other}) == (len(traffic), traffic.received, set(traffic))
    traffic.end(one, DownloadReport(url="http://a/"))
    traffic.ended = ended.append
    report: Any = DownloadReport(url="http://b/")
    traffic.end(other, report)
    assert [report] == ended
    assert (0, 0, "<Traffic 0 running>") == (len(traffic), traffic.received, repr(traffic))

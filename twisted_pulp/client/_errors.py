"""What a server said no with."""

from __future__ import annotations

from twisted_pulp.documents import Problem
from twisted_pulp.errors import PulpError

__all__ = ["ServerError", "ServerUnreachable"]


class ServerError(PulpError):
    """
    The server refused, or failed.

    :ivar problem: what it said (RFC 9457).
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        words = problem.detail or problem.title
        # The first fault of a document is often all that there is, and then it is the detail, too.
        faults = [f"{each.pointer or 'document'}: {each.detail}" for each in problem.errors if each.detail not in words]
        super().__init__(f"{words} ({'; '.join(faults)})" if faults else words)

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self.problem.status


class ServerUnreachable(PulpError):
    """No server answered, or what did was none of ours."""

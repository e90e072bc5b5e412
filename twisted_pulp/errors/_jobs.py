"""What jobs do not do."""

from __future__ import annotations

from twisted_pulp.errors._root import PulpError

__all__ = [
    "BrokerUnavailable",
    "ItemsFailed",
    "JobError",
    "JobNotFound",
    "JobStateError",
    "KeyConflict",
    "LeaseLost",
    "QueueFull",
    "Stopping",
]


class JobError(PulpError):
    """
    A job cannot be had, changed or finished.

    :ivar retryable: whether trying again may help.
    """

    retryable = False


class JobNotFound(JobError):
    """
    There is no such job, or it is not there any more.

    :ivar uid: what was asked for.
    """

    def __init__(self, uid: str) -> None:
        super().__init__(uid)
        self.uid = uid

    def __str__(self) -> str:
        return f"there is no job {self.uid}"


class JobStateError(JobError):
    """
    The job's state does not allow it: look at the job again.

    :ivar uid: of the job.
    :ivar state: that it has.
    :ivar verb: what was wanted, such as `pause`.
    """

    def __init__(self, uid: str, state: str, verb: str) -> None:
        super().__init__(uid, state, verb)
        self.uid, self.state, self.verb = uid, state, verb

    def __str__(self) -> str:
        return f"cannot {self.verb} job {self.uid}: it is {self.state}"


class KeyConflict(JobError):
    """
    The idempotency key belongs to another request: choose a new key, or send what was sent before.

    :ivar key: the key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"the idempotency key {self.key!r} was used for another request"


class QueueFull(JobError):
    """
    Too much waits already: try again when some of it is done, or raise the limit.

    :ivar waiting: items that wait.
    :ivar limit: how many may.
    """

    retryable = True

    def __init__(self, waiting: int, limit: int) -> None:
        super().__init__(waiting, limit)
        self.waiting, self.limit = waiting, limit

    def __str__(self) -> str:
        return f"the queue is full: {self.waiting} items wait, and {self.limit} may"


class LeaseLost(JobError):
    """
    The job belongs to somebody else now, who began it anew, or it was paused or cancelled: nothing more was written.

    :ivar uid: of the job.
    """

    def __init__(self, uid: str) -> None:
        super().__init__(uid)
        self.uid = uid

    def __str__(self) -> str:
        return f"job {self.uid} is not ours any more"


class ItemsFailed(JobError):
    """
    Some items of the job failed; the others are there. Each item says why.

    :ivar failed: how many.
    :ivar retryable: whether trying again may help any of them.
    """

    def __init__(self, failed: int, retryable: bool = False, reason: str = "") -> None:
        super().__init__(failed, retryable, reason)
        self.failed, self.retryable, self.reason = failed, retryable, reason

    def __str__(self) -> str:
        words = "1 item failed" if self.failed == 1 else f"{self.failed} items failed"
        return f"{words}: {self.reason}" if self.reason else words


class Stopping(JobError):
    """The daemon is about to stop, and takes nothing new: ask again soon."""

    retryable = True

    def __str__(self) -> str:
        return "the daemon is about to stop, and takes nothing new"


class BrokerUnavailable(PulpError):
    """The broker cannot be reached, or takes no more: workers find what waits by themselves, only later."""

    retryable = True

"""Progress: how far each part of a run is, told to observers now and then."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from types import TracebackType
from typing import Literal, Self, get_args

from attrs import define, field
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

__all__ = ["Progress", "ProgressReport", "ProgressState"]

_log = Logger()

ProgressState = Literal["waiting", "skipped", "running", "completed", "failed", "canceled"]
_STATES = get_args(ProgressState)

#: Seconds between two tellings. A person sees no more than two changes a second, and each may be a write to a database.
_INTERVAL = 0.5


@define(eq=False, kw_only=True)
class ProgressReport:
    """
    How far one part of a run is.

    As a context manager it is running inside, and completed, failed or canceled afterwards, unless it has entered
    another state meanwhile.

    :ivar code: what part, for programs: ``sync.downloading.artifacts``.
    :ivar message: the same for people.
    :ivar total: how much there is to do; default None: not known.
    :ivar done: how much of that is done.
    :ivar bytes: how many bytes that were.
    :ivar suffix: what is being done now, or None.
    :ivar state: ``waiting``, ``skipped``, ``running``, ``completed``, ``failed`` or ``canceled``.
    """

    code: str
    message: str
    total: int | None = None
    done: int = 0
    bytes: int = 0
    suffix: str | None = None
    state: ProgressState = "waiting"
    _tell: Callable[[ProgressReport, bool], None] | None = field(default=None, repr=False)

    def advance(self, done: int = 1, bytes: int = 0) -> None:
        """Count *done* more items, default 1, and *bytes* more bytes."""
        self.done += done
        self.bytes += bytes
        self._changed(False)

    def expect(self, total: int | None) -> None:
        """Say how much there is to do; None: not known."""
        self.total = total
        self._changed(False)

    def expect_more(self, more: int = 1) -> None:
        """Say that there are *more* items to do, default 1, than was known."""
        self.expect((self.total or 0) + more)

    def mention(self, suffix: str | None) -> None:
        """Say what is being done now."""
        self.suffix = suffix
        self._changed(False)

    def enter(self, state: ProgressState) -> None:
        """
        Be in another *state*, which is told at once.

        :raises ValueError: on a state there is not.
        """
        if state not in _STATES:
            raise ValueError(f"state {state!r}, which is none of {', '.join(_STATES)}")
        if state != self.state:
            self.state = state
            self._changed(True)

    def snapshot(self) -> ProgressReport:
        """Return a copy that stays as it is."""
        taken = copy(self)
        taken._tell = None
        return taken

    def __enter__(self) -> Self:
        self.enter("running")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.enter("canceled" if isinstance(error, CancelledError | GeneratorExit) else "failed")
        elif self.state == "running":
            self.enter("completed")

    def _changed(self, at_once: bool) -> None:
        if self._tell is not None:
            self._tell(self, at_once)


Observer = Callable[[tuple[ProgressReport, ...]], object]


@define(eq=False)
class Progress:
    """
    The reports of a run.

    :param reactor: its clock decides when observers are told.
    """

    _reactor: IReactorTime
    _reports: dict[str, ProgressReport] = field(init=False, factory=dict)
    _changed: dict[str, ProgressReport] = field(init=False, factory=dict)
    _observers: list[Observer] = field(init=False, factory=list)
    _call: IDelayedCall | None = field(init=False, default=None)
    _told: float | None = field(init=False, default=None)
    _closed: bool = field(init=False, default=False)

    @property
    def reports(self) -> tuple[ProgressReport, ...]:
        """All reports, in the order in which they were first asked for."""
        return tuple(self._reports.values())

    def signs(self) -> object:
        """Return what differs from now on once anything is reported."""
        return [(each.done, each.bytes, each.total, each.suffix, each.state) for each in self._reports.values()]

    def report(self, code: str, message: str, total: int | None = None) -> ProgressReport:
        """Return the report of that *code*; a new one says that *message*, and waits."""
        report = self._reports.get(code)
        if report is None:
            report = ProgressReport(code=code, message=message, total=total, tell=self._note)
            self._reports[code] = report
            self._note(report, False)
        return report

    def observe(self, observer: Observer) -> Callable[[], None]:
        """
        Call *observer* with copies of the reports that have changed, until what this returns is called.

        That is twice a second at most, and whenever a report's state changes.
        """
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def close(self) -> None:
        """Tell what has changed last, and nothing any more."""
        self._tell()
        self._closed = True

    def _note(self, report: ProgressReport, at_once: bool) -> None:
        if self._closed:
            return
        self._changed[report.code] = report
        if at_once:
            self._tell()
        elif self._call is None:
            self._call = self._reactor.callLater(self._delay(), self._tell)

    def _delay(self) -> float:
        return 0 if self._told is None else max(0, self._told + _INTERVAL - self._reactor.seconds())

    def _tell(self) -> None:
        call, self._call = self._call, None
        if call is not None and call.active():
            call.cancel()
        if not self._changed:
            return
        self._told = self._reactor.seconds()
        changed, self._changed = tuple(report.snapshot() for report in self._changed.values()), {}
        for observer in list(self._observers):
            try:
                observer(changed)
            except Exception:
                _log.failure("An observer of progress failed")

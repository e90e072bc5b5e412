"""What many requests ask the catalog at the same time, read together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from attrs import frozen
from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_pulp.catalog import Catalog

__all__ = ["Gathered"]

P = ParamSpec("P")
T = TypeVar("T")
# A thread answers so many at most before the reactor can pass their answers on.
_MOST = 64


@frozen(eq=False)
class _Question:
    work: Callable[..., Any]
    args: Any
    given: Any
    answer: Deferred[Any]


class Gathered:
    """
    Read from a catalog. What is asked while something is being read is read together, in one transaction and one
    thread: a thread for each of many small questions takes more than the questions.

    :param catalog: what is read.
    :param together: answers many questions, each the arguments of one, faster than one after another; None: nothing
        does.
    :param clock: what is asked in one of its turns is read together, too; default None: the first at once.
    """

    _log = Logger()

    def __init__(
        self,
        catalog: Catalog,
        together: Callable[[Connection, Sequence[tuple[Any, ...]]], list[Any]] | None = None,
        clock: IReactorTime | None = None,
    ) -> None:
        self._catalog, self._together, self._clock = catalog, together, clock
        self._waiting: deque[_Question] = deque()
        self._busy = False

    def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **given: P.kwargs) -> Deferred[T]:
        """Call *work* in a transaction that begins after this and only reads, and give what it returns."""
        answer: Deferred[T] = Deferred()
        self._waiting.append(_Question(work, args, given, answer))
        if not self._busy:
            self._busy = True
            if self._clock is None:
                self._begin()
            else:
                self._clock.callLater(0, self._begin)
        return answer

    def _begin(self) -> None:
        d = Deferred.fromCoroutine(self._read())
        d.addErrback(lambda why: self._log.failure("questions to the catalog were not answered", why))

    async def _read(self) -> None:
        try:
            while self._waiting:
                some = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST))]
                # Others were cancelled.
                await self._answer([each for each in some if not each.answer.called])
        finally:
            self._busy = False

    async def _answer(self, some: list[_Question]) -> None:
        if len(some) == 1:
            await self._answer_one(some[0])
        elif some:
            try:
                answers = await self._catalog.read(_answered, some, self._together)
            except Exception:
                # One that cannot be answered keeps nobody else from being answered.
                for each in some:
                    await self._answer_one(each)
            else:
                for each, answer in zip(some, answers, strict=True):
                    each.answer.callback(answer)

    async def _answer_one(self, each: _Question) -> None:
        try:
            answer = await self._catalog.read(each.work, *each.args, **each.given)
        except Exception:
            each.answer.errback(Failure())
        else:
            each.answer.callback(answer)


def _answered(connection: Connection, questions: list[_Question], together: Any) -> list[Any]:
    if together is not None:
        return together(connection, [each.args for each in questions])  # type: ignore[no-any-return]
    return [each.work(connection, *each.args, **each.given) for each in questions]

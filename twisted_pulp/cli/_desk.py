"""A command that works on a data directory: opens it, does its work, closes it, and answers."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from attrs import define, field
from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_pulp.cli._listing import Listing
from twisted_pulp.cli._place import Place
from twisted_pulp.cli._run import Run, run
from twisted_pulp.cli._streams import Stream
from twisted_pulp.errors import PulpError, SettingsError

if TYPE_CHECKING:
    from twisted_pulp.client import Client
    from twisted_pulp.upkeep import DataDirectory

__all__ = ["Act", "Desk", "worked"]

# So many objects more than before, and those are looked at that may be garbage; older ones every third time. Many are
# on their way and few are garbage: to look as often as usual takes a twentieth of the time. But it must not pile up.
_COLLECT = 3_000, 3, 3


@define(eq=False)
class Desk:
    """
    Where one command does its work.

    :ivar reactor: that runs.
    :ivar place: where the data is, and how to answer.
    :ivar data: the data directory, while the command works.
    :ivar server: the daemon that does the work, while the command asks it; None: the work is done here.
    :ivar view: shows how far it is; None: nothing is shown.
    :ivar status: the exit status.
    :ivar parting: what is said when a signal ends it.
    """

    _log = Logger()

    reactor: Any
    place: Place
    _act: Act
    _options: dict[str, Any]
    _out: Stream = field(factory=Stream.out)
    _err: Stream = field(factory=Stream.err)
    data: DataDirectory = field(init=False)
    server: Client | None = field(init=False, default=None)
    view: Any = field(init=False, default=None)
    status: int = field(init=False, default=0)
    parting: str = field(init=False, default="interrupted; the same command goes on from here")
    _document: Any = field(init=False, default=None)
    _listing: Listing | None = field(init=False, default=None)
    _lines: list[str] = field(init=False, factory=list)

    async def work(self, run: Run) -> None:
        """Open the data directory or reach the server, let the command do its work, and close everything."""
        if self.place.server is not None:
            await self._work_elsewhere(self.place.server)
            return
        from twisted_pulp.upkeep import DataDirectory

        gc.set_threshold(*_COLLECT)
        place = self.place
        where = {"database": place.database, "storage": place.storage}
        self.data = await DataDirectory.open(self.reactor, place.data, **where, busy=self._busy, **self._options)
        try:
            await self._act(self)
        finally:
            await self.data.close()

    async def _work_elsewhere(self, url: str) -> None:
        from twisted_pulp.client import Client
        from twisted_pulp.context import Context
        from twisted_pulp.settings import TLS, Remote

        context = Context(self.reactor)
        try:
            reach = Remote(tls=TLS(ca_cert=self.place.ca))
            self.server = Client(context, url, token=self.place.token, reach=reach)
            await self._act(self)
        finally:
            await context.close()

    async def ask(self, there: Callable[[Client], Any], here: Callable[..., Any], *given: Any) -> Any:
        """
        Return what is known, as data.

        :param there: asks the server, if one does the work; it returns a document, or an iterator over several.
        :param here: else reads the catalog: it gets a connection and what is *given*.
        """
        if self.server is None:
            return await self.data.catalog.read(here, *given)
        return await _plain(there(self.server))

    async def change(self, there: Callable[[Client], Any], here: Callable[..., Any], *given: Any) -> Any:
        """Change what is known, as `ask` asks."""
        if self.server is None:
            return await self.data.catalog.write(here, *given)
        return await _plain(there(self.server))

    def show(self, reports: Callable[[], Iterable[Any]], quiet: bool) -> None:
        """
        Show from now on how far the work is: as bars on a terminal, as lines elsewhere.

        :param reports: called for the reports of progress that there are.
        :param quiet: whether only failures are to be seen.
        """
        if self._out.terminal and not quiet and not self.place.json:
            from twisted_pulp.cli._bars import Bars

            self.view = Bars(self.reactor, self._out, self._err, reports)
        else:
            from twisted_pulp.cli._lines import Lines

            self.view = Lines(self.reactor, self._out, self._err, reports, quiet or self.place.json)
        self.view.start()

    def answer(self, document: Any, lines: Iterable[str] = ()) -> None:
        """Say this at the end: the document for a program, the lines for a person."""
        self._document = document
        if not self.place.json:
            self._lines.extend(lines)

    def list(self) -> Listing:
        """Return a list that is the answer; each item is written when it is added."""
        self._listing = Listing(self._out, self.place.json)
        return self._listing

    def say(self, text: str) -> None:
        """Write a line for a person, at once."""
        if self.view is not None:
            self.view.say(text)
        elif not self.place.json:
            self._out.line(text)

    def flush(self) -> None:
        """Let what was said be seen now."""
        self._out.flush()

    def complain(self, text: str) -> None:
        """Write a line to standard error."""
        if self.view is not None:
            self.view.complain(text)
        else:
            self._out.flush()
            self._err.line(text)
            self._err.flush()

    def fail(self, text: str, status: int = 1) -> None:
        """Say what failed; the exit status will say so, too."""
        self.status = max(self.status, status)
        self.complain(f"failed: {text}")

    def _busy(self, pid: int | None) -> None:
        who = "another process" if pid is None else f"process {pid}"
        self.complain(f"waiting for {who}, which writes to {self.place.data}")

    def at_once(self) -> None:
        """Leave the terminal as it was found."""
        if self.view is not None:
            self.view.at_once()

    def broke(self, failure: Failure, early: bool) -> None:
        """Take what ended the work."""
        error = failure.value
        if early and failure.check(CancelledError, PulpError) is not None:
            return
        if isinstance(error, PulpError):
            self.fail(str(error), 2 if isinstance(error, SettingsError) else 1)
        else:
            self.status = 1
            self._log.failure("the command ended with an error", failure=failure)
        if self._document is None:
            self._document = {"error": str(error)}

    def last_words(self, early: bool) -> None:
        """Answer."""
        if self.view is not None:
            self.view.stop()
            self.view = None
        if early:
            self.complain(self.parting)
        if self._listing is not None:
            self._listing.end()
        elif self.place.json:
            document = self._document if not early or self._document is not None else {"error": "interrupted"}
            self._out.document(document)
        for line in self._lines:
            self._out.line(line)
        self._out.flush()


async def _plain(given: Any) -> Any:
    """Return the documents in *given* as data."""
    from msgspec import to_builtins

    if hasattr(given, "__aiter__"):
        return [to_builtins(each) async for each in given]
    return to_builtins(await given)


Act = Callable[[Desk], Awaitable[None]]


def worked(place: Place, act: Act, **options: Any) -> int:
    """
    Let *act* do its work on the data directory, and return the exit status.

    :param options: those of `DataDirectory.open`.
    """
    if place.server is None:
        import twisted_pulp.upkeep
    else:
        import twisted_pulp.client  # noqa: F401 -- here nothing is collected meanwhile

    return run(lambda reactor: Desk(reactor, place, act, options))

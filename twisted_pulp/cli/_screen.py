"""A picture that moves on a terminal, with lines above it; no thread draws."""

from __future__ import annotations

import os
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text
from twisted.internet.task import LoopingCall

from twisted_pulp.cli._streams import Stream, printable

__all__ = ["Screen"]

_INTERVAL = 0.125  # seconds between two pictures


class Screen:
    """
    Draws `picture` a few times a second, from the reactor.

    :ivar console: where.
    :ivar started: when it began, on the reactor's clock.
    """

    def __init__(self, reactor: Any, out: Stream, err: Stream) -> None:
        self._reactor, self._out, self._err = reactor, out, err
        self.started = 0.0
        self.console = Console(file=out.file, highlight=False, markup=False, emoji=False)
        self._live = Live(
            console=self.console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._loop = LoopingCall(self._draw)
        self._loop.clock = reactor

    def picture(self, now: float) -> RenderableType:
        """Return what is to be seen at *now*, seconds on the reactor's clock."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin to show."""
        self.started = self._reactor.seconds()
        self._write(self._live.start)
        self._loop.start(_INTERVAL, now=False)

    def stop(self) -> None:
        """Take the picture away."""
        if self._loop.running:
            self._loop.stop()
            self._write(self._live.stop)
        self._out.flush()

    def say(self, text: str) -> None:
        """Write a line above the picture."""
        self._write(lambda: self.console.print(Text(printable(text)), soft_wrap=True))

    def complain(self, text: str) -> None:
        """Write a line to standard error: above the picture when that is the terminal too."""
        if self._err.terminal:
            self._write(lambda: self.console.print(Text(printable(text), style="red"), soft_wrap=True))
        else:
            self._err.line(text)
            self._err.flush()

    def at_once(self) -> None:
        """Show the cursor again, from wherever the process is."""
        if self._live.is_started:
            os.write(1, b"\x1b[?25h\n")

    def _write(self, write: Any) -> None:
        if self._out.file is None:
            return
        try:
            write()
        except (OSError, ValueError):
            # The terminal has gone; the work goes on.
            self._out.give_up()

    def _draw(self) -> None:
        if self._out.file is None:
            self._loop.stop()
            return
        now = self._reactor.seconds()
        self._write(lambda: self._live.update(self.picture(now), refresh=True))

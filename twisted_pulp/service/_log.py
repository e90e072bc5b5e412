"""What a daemon logs: lines for a person or for a program, without secrets, and with the ids of what they are about."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from attrs import define, field
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_pulp.service._redaction import Redaction
from twisted_pulp.unseen import UNSEEN

__all__ = ["IDS", "DaemonLog"]

#: What is being done where a line is logged: "request", "job" or "item" -> its id.
IDS: ContextVar[dict[str, object]] = ContextVar("ids", default={})  # noqa: B039 -- never changed
_NAMES = ("request", "job", "item")
#: Fields of an event that are of no use to a program.
_OURS = frozenset({"message", "time", "isError", "why", "system", "format", "failure", "logLevel", "printed"})
_LEVELS = {"debug": LogLevel.debug, "info": LogLevel.info, "warn": LogLevel.warn, "error": LogLevel.error}
_WORDS = {
    LogLevel.warn: "warning: ",
    LogLevel.error: "error: ",
    LogLevel.critical: "error: ",
    LogLevel.debug: "debug: ",
}


@implementer(ILogObserver)
@define(eq=False)
class DaemonLog:
    """
    Writes what is logged.

    Of other packages it writes warnings and errors only, unless everything is wanted.

    :ivar format: "text" or "json".
    :ivar level: of what is written at least.
    :ivar redaction: takes secrets out.
    :ivar always: ids that every line has.
    """

    _write: Callable[[str], object]
    redaction: Redaction
    format: str = "text"
    level: str = "info"
    _now: Callable[[], float] = time.time
    always: Mapping[str, object] = field(factory=dict)
    _busy: bool = field(init=False, default=False)

    def __call__(self, event: LogEvent) -> None:
        """Write *event*, if it is wanted."""
        level = event.get("log_level") or (LogLevel.error if event.get("isError") else LogLevel.info)
        ours = str(event.get("log_namespace", "")).startswith("twisted_pulp.")
        least = _LEVELS[self.level]
        if level < (least if ours or least is LogLevel.debug else max(least, LogLevel.warn)) or self._busy:
            return
        self._busy = True  # what formatting logs is not logged
        try:
            make = self._document if self.format == "json" else self._text
            self._write(make(event, level))
        finally:
            self._busy = False

    def _text(self, event: LogEvent, level: Any) -> str:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.get("log_time", self._now())))
        ids = " ".join(f"{name}={value}" for name, value in self._ids(event).items())
        body = f"{_WORDS.get(level, '')}{self._said(event)}" + (f" [{ids}]" if ids else "")
        trace = self._trace(event)
        lines = [body, *(f"  {line}" for line in trace.splitlines())] if trace else [body]
        return f"{when} " + "\n".join(printable(line) for line in lines)

    def _document(self, event: LogEvent, level: Any) -> str:
        import msgspec

        when = event.get("log_time", self._now())
        found: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when)) + f".{int(when % 1 * 1000):03d}Z",
            "level": level.name,
            "logger": str(event.get("log_namespace", "")),
            "message": self._said(event),
            **self._ids(event),
        }
        for name, value in event.items():
            if name in found or name in _OURS or name.startswith(("log_", "_")):
                continue
            found[name] = value if isinstance(value, bool | int | float | None) else self._shown(value)
        trace = self._trace(event)
        if trace:
            found["traceback"] = trace
        clean = {name: _encodable(value) for name, value in found.items()}
        return UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", msgspec.json.encode(clean).decode())

    def _shown(self, value: object) -> str:
        try:
            return self.redaction(str(value))
        except Exception:  # whatever a field does when it is shown
            return type(value).__name__

    def _said(self, event: LogEvent) -> str:
        try:
            said = formatEvent(event)
            if not said and event.get("log_failure") is not None:
                said = event["log_failure"].getErrorMessage()
        except Exception as error:  # whatever a field does when it is shown
            said = f"a line that cannot be formatted ({type(error).__name__})"
        return self.redaction(said)

    def _ids(self, event: LogEvent) -> dict[str, object]:
        return {**self.always, **_ids(event)}

    def pass_on(self, line: str) -> None:
        """Write a line of another process, which its own log has made."""
        self._write(line)

    def _trace(self, event: LogEvent) -> str:
        failure = event.get("log_failure")
        if not isinstance(failure, Failure):
            return ""
        try:
            return self.redaction(failure.getTraceback()).rstrip()
        except Exception:  # the error's own words fail
            return "a traceback that cannot be formatted"


def _ids(event: LogEvent) -> dict[str, object]:
    around = IDS.get()
    found = {name: event.get(name, around.get(name)) for name in _NAMES}
    return {name: value for name, value in found.items() if isinstance(value, str | int)}


def _encodable(value: object) -> object:
    """Return *value*, if it is text without what UTF-8 cannot say."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def printable(text: str) -> str:
    """Return *text* with every character that would do something else than appear replaced by its escape."""
    if text.isprintable():
        return text
    return UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode(), text)

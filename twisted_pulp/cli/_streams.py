"""Standard output and standard error, whose troubles are none of the downloads'."""

from __future__ import annotations

import os
import re
import sys
from typing import TextIO

__all__ = ["Stream", "keep_standard_descriptors", "printable", "silence"]

# Names come from elsewhere: none may move the cursor, ring the bell or turn the text around.
_UNSEEN = r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"


def printable(text: str) -> str:
    """Return *text* with every character that would do something else than appear replaced by its escape."""
    if text.isprintable():
        return text
    return re.sub(_UNSEEN, lambda match: match[0].encode("unicode_escape").decode(), text)


def keep_standard_descriptors() -> None:
    """Open descriptors 0 to 2 where they are closed, so that no download gets what prints go to."""
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            return


def silence(file: TextIO | None) -> None:
    """Let what *file* still holds vanish; the interpreter flushes it at the end, and would complain."""
    try:
        descriptor = -1 if file is None else file.fileno()
    except (OSError, ValueError):
        return  # closed, or no file of the system's
    if descriptor >= 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, descriptor)
        os.close(null)


class Stream:
    """
    A stream that swallows what cannot be written: its reader has gone, or its disk is full.

    :param file: what it writes to; None, as Python has it for a closed one, takes nothing.
    """

    def __init__(self, file: TextIO | None) -> None:
        self._file = file
        self._held = False
        if file is not None and hasattr(file, "reconfigure"):
            file.reconfigure(errors="backslashreplace")

    @classmethod
    def out(cls) -> Stream:
        """Return standard output."""
        return cls(sys.stdout)

    @classmethod
    def err(cls) -> Stream:
        """Return standard error."""
        return cls(sys.stderr)

    @property
    def terminal(self) -> bool:
        """Whether somebody looks at it who can be shown more than lines."""
        try:
            shown = self._file is not None and self._file.isatty()
        except ValueError:
            return False
        return shown and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")

    @property
    def file(self) -> TextIO | None:
        """What it writes to, or None when it takes nothing any more."""
        return self._file

    @property
    def held(self) -> bool:
        """Whether something written was not flushed."""
        return self._held

    def line(self, text: str) -> None:
        """Write *text*, which is made printable, and the end of the line; it may be held until `flush`."""
        self.raw(printable(text) + "\n")

    def document(self, value: object, before: str = "", after: str = "\n") -> None:
        """Write *value* as JSON in one line, as printable as any; *before* and *after* stand around it."""
        import msgspec

        text = msgspec.json.encode(value).decode()
        self.raw(before + re.sub(_UNSEEN, lambda match: f"\\u{ord(match[0]):04x}", text) + after)

    def raw(self, text: str) -> None:
        """Write *text* as it is."""
        if self._file is None:
            return
        try:
            self._file.write(text)
            self._held = True
        except (OSError, ValueError):
            self.give_up()

    def flush(self) -> None:
        """Write what is held."""
        if self._file is None:
            return
        self._held = False
        try:
            self._file.flush()
        except (OSError, ValueError):
            self.give_up()

    def give_up(self) -> None:
        """Write nothing any more."""
        file, self._file = self._file, None
        self._held = False
        silence(file)

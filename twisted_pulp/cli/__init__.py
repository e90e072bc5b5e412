"""The command `pulpdownloader`."""

from __future__ import annotations

import gc
import sys

__all__ = ["main"]


def main() -> int:
    """Run the command with the process's arguments, and return its exit status."""
    # What imports make lives to the end: to collect meanwhile costs a fifth of the start.
    gc.disable()
    # Where h2 is installed Twisted would import its server for HTTP/2, 10 ms; nothing is served here.
    sys.modules.setdefault("twisted.web._http2", None)  # type: ignore[arg-type]
    try:
        from twisted_pulp.cli._program import run_program

        return run_program()
    except KeyboardInterrupt:
        return 130
    finally:
        gc.enable()

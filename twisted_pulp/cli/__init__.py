"""The command `pulpdownloader`."""

from __future__ import annotations

import gc

__all__ = ["main"]


def main() -> int:
    """Run the command with the process's arguments, and return its exit status."""
    # What imports make lives to the end: to collect meanwhile costs a fifth of the start.
    gc.disable()
    try:
        from twisted_pulp.cli._program import run_program

        return run_program()
    except KeyboardInterrupt:
        return 130
    finally:
        gc.enable()

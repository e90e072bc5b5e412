"""The daemon in the foreground."""

from __future__ import annotations

from twisted_pulp.service._complaint import complain
from twisted_pulp.service._config import Config
from twisted_pulp.service._program import run_service

__all__ = ["run_daemon"]


def run_daemon(config: Config, *, quiet: bool = False) -> int:
    """
    Run the daemon in the global reactor until a signal comes, and return the exit status.

    It logs to standard output; what keeps it from running it says on standard error.

    :param config: where its settings come from.
    :param quiet: whether requests are not logged; default false.
    :returns: 0 after a signal, 1 when it could not run, 2 when the settings are wrong: then nothing was begun.
    """
    return run_service(config, quiet=quiet, signals=True, failed=complain)

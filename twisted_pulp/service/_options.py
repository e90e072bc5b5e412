"""`twistd pulpdownloader`."""

from __future__ import annotations

import atexit
import os
import sys
from typing import Any

from twisted.application.service import IService
from twisted.python import usage

from twisted_pulp.clock import use_monotonic_clock

__all__ = ["Options", "makeService"]

_ROLES = ("api", "worker", "content")


class Options(usage.Options):
    """The options of `twistd pulpdownloader`."""

    synopsis = "[options]"
    longdesc = (
        "Run the daemon: it takes downloads and syncs over HTTP, shows them, and serves what it has. "
        "With --input download a list of files instead, and end: with status 1 if a file is missing."
    )
    # Twisted's own form: long name, short name, default, words, type.
    optParameters = (
        ("config", "c", None, "Settings (TOML).  [default: ~/.config/pulpdownloader/settings.toml, if it is there]"),
        ("data", None, None, "Where everything is kept.  [default: ~/.local/share/pulpdownloader]"),
        ("workers", None, 0, "Processes that run the jobs.  [default: 0, the daemon does it itself]", int),
        ("log-format", None, None, "text or json.  [default: text]"),
        ("input", "i", None, "The list: JSON lines, URLs or a PULP_MANIFEST; a path or a URL."),
        ("directory", "d", ".", "Where the files of the list go."),
        ("jobs", "j", 8, "Downloads of the list at once.", int),
        ("report", None, None, "Write what became of each file of the list there, as JSON lines."),
    )
    optFlags = (("quiet", "q", "No line in the log for each request."),)

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self["listen"], self["role"] = [], []

    def opt_listen(self, endpoint: str) -> None:
        """Where, as Twisted says it; several.  [default: tcp:8080:interface=127.0.0.1]"""
        self["listen"].append(endpoint)

    opt_l = opt_listen

    def opt_role(self, role: str) -> None:
        """What it does: api, worker or content; several.  [default: all]"""
        self["role"].append(role)

    def postOptions(self) -> None:
        """
        Look at all settings; those that are wrong end the process with status 2.

        :raises usage.UsageError: when an option makes no sense.
        """
        if self["input"] is None:
            self._read()
            return
        if self["input"] == "-":
            raise usage.UsageError("--input is a path or a URL: a service has no standard input")
        if self["jobs"] < 1:
            raise usage.UsageError("--jobs is a number from 1")

    def _read(self) -> None:
        from twisted.internet import reactor

        from twisted_pulp.service._complaint import complain
        from twisted_pulp.service._config import Config, ConfigError

        given = {"data": self["data"], "listen": tuple(self["listen"]), "roles": tuple(self["role"])}
        given["workers"] = self["workers"]
        given["log"] = self["log-format"]
        if given["data"] is not None:
            given["data"] = os.path.abspath(given["data"])
        config = Config(path=self["config"], given={name: value for name, value in given.items() if value})
        try:
            self["settings"] = config.read(reactor)
        except ConfigError as error:
            for line in error.mistakes:
                complain(line)
            raise SystemExit(2) from error
        self["read"] = config


def makeService(options: Options) -> IService:
    """Return the service that *options* ask for; it ends the process when it is done, or cannot go on."""
    # The global reactor, and its clock before anything is scheduled.
    from twisted.internet import reactor

    one: Any = reactor
    use_monotonic_clock(one)

    def end(status: int) -> None:
        if status:
            # twistd itself always ends with 0; by then it has closed its log and removed its pid file.
            atexit.register(_exit, int(status))
        if one.running:
            one.stop()

    service: Any
    if options["input"] is not None:
        from twisted_pulp.service._downloader import DownloaderService

        service = DownloaderService(
            one,
            list=options["input"],
            directory=options["directory"],
            jobs=options["jobs"],
            report=options["report"],
            done=end,
        )
    else:
        service = _daemon(one, options, end)
    service.setName("pulpdownloader")
    return service  # type: ignore[no-any-return]


def _daemon(reactor: Any, options: Options, end: Any) -> Any:
    from twisted_pulp.service._twistd import TwistdDaemon

    return TwistdDaemon.made(reactor, options, end)


def _exit(status: int) -> None:
    for file in (sys.stdout, sys.stderr):
        try:
            file.flush()
        except (AttributeError, OSError, ValueError):
            pass
    os._exit(status)

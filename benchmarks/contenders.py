"""Who races, and how each is started."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

OURS = "ours"
_ROOT = Path(__file__).parents[1]


@frozen(kw_only=True)
class Order:
    """
    What a contender is told to do.

    :ivar listing: the list of files; beside it are those for curl and sha256sum.
    :ivar out: where the files go.
    :ivar jobs: files at once.
    :ivar certificate: PEM file to trust, None without TLS.
    """

    listing: Path
    out: Path
    jobs: int
    certificate: Path | None

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a contender: no proxies, no authorities but the race's own, and bytecode as installed."""
        gone = ("SSL_CERT_FILE", "SSL_CERT_DIR", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if name not in gone and "_proxy" not in name.lower()}
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        # What is installed has its bytecode; a source tree need not. The run to warm up compiles it, for all alike.
        kept["PYTHONPYCACHEPREFIX"] = str(self.out.with_name("bytecode"))
        return kept if self.certificate is None else kept | {"SSL_CERT_FILE": str(self.certificate)}


@frozen
class Contender:
    """
    One client.

    :ivar name: as the table has it.
    :ivar command: gives the program and its arguments.
    """

    name: str
    command: Callable[[Order], list[str]]


def found(only: set[str] | None) -> tuple[list[Contender], dict[str, str]]:
    """
    Find the contenders, ours first.

    :param only: names of the peers that are wanted; None is all.
    :returns: those that can race, and name -> what is missing of the others.
    """
    here, missing = [Contender(OURS, _ours)], {}
    for name, (lack, contender) in _PEERS.items():
        if only is None or name in only:
            why = lack()
            if why is None:
                here.append(Contender(name, contender))
            else:
                missing[name] = why
    return here, missing


def ours(*arguments: str) -> list[str]:
    """Return our command with these *arguments*."""
    installed = Path(sys.executable).with_name("pulpdownloader")
    return [str(installed), *arguments] if installed.exists() else program("twisted_pulp.cli", *arguments)


def _ours(order: Order) -> list[str]:
    return ours(*_arguments(order))


def _watched(order: Order) -> list[str]:
    return program("benchmarks.blocked", *_arguments(order))


def _arguments(order: Order) -> list[str]:
    return ["get", "--quiet", "-i", str(order.listing), "-d", str(order.out), "-j", str(order.jobs)]


def program(module: str, *arguments: str) -> list[str]:
    """Return a command that runs the `main` of *module*."""
    # Like a console script: `-m` would import runpy as well, which takes some milliseconds.
    return [sys.executable, "-c", f"import sys; from {module} import main; sys.exit(main())", *arguments]


def _peer(module: str, *options: str) -> Callable[[Order], list[str]]:
    def command(order: Order) -> list[str]:
        arguments = (str(order.listing), str(order.out), str(order.jobs))
        return program(f"benchmarks.peers.{module}", *arguments, *options)

    return command


def _cannot_import(*modules: str) -> Callable[[], str | None]:
    def lack() -> str | None:
        lacks = [module for module in modules if importlib.util.find_spec(module) is None]
        return f"{' and '.join(lacks)} cannot be imported" if lacks else None

    return lack


def _curl(order: Order) -> list[str]:
    fetch = ["curl", "--silent", "--show-error", "--fail", "--parallel", "--parallel-max", str(order.jobs)]
    if order.certificate is not None:
        fetch += ["--cacert", str(order.certificate)]
    # It cannot check digests, so what does belongs to its time.
    check = ["sha256sum", "--check", "--quiet"] if shutil.which("sha256sum") else ["shasum", "-a", "256", "-c", "-s"]
    steps = [["cd", str(order.out)], [*fetch, "-K", f"{order.listing}.curl"], [*check, f"{order.listing}.sha256"]]
    return ["sh", "-c", " && ".join(shlex.join(step) for step in steps)]


def _curl_lacks() -> str | None:
    program = shutil.which("curl")
    if program is None:
        return "curl is not installed"
    if not (shutil.which("sha256sum") or shutil.which("shasum")):
        return "neither sha256sum nor shasum is installed"
    said = subprocess.run([program, "--help", "all"], check=False, capture_output=True, text=True).stdout
    return None if "--parallel-max" in said else "curl cannot fetch in parallel"


_PEERS: dict[str, tuple[Callable[[], str | None], Callable[[Order], list[str]]]] = {
    "aiohttp": (_cannot_import("aiohttp"), _peer("with_aiohttp")),
    "aiohttp-uvloop": (_cannot_import("aiohttp", "uvloop"), _peer("with_aiohttp", "uvloop")),
    "pycurl": (_cannot_import("pycurl"), _peer("with_pycurl")),
    "treq": (_cannot_import("treq"), _peer("with_treq")),
    "curl": (_curl_lacks, _curl),
}
#: All that may be asked for.
PEERS = tuple(_PEERS)
#: Ours, with a watch on its reactor.
WATCHED = Contender(OURS, _watched)

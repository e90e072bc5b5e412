"""What the tests of faults may do here: trace system calls, and mount file systems."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = [
    "MOUNT",
    "ORDINARY",
    "OWN_MOUNTS",
    "attached",
    "mounts",
    "ordinary",
    "read_only",
    "strace",
    "tmpfs",
    "traced",
    "writable",
]

#: A tmpfs that only the program sees, and which is gone with it: options, directory, program and its arguments.
MOUNT = 'mount -t tmpfs -o "$1" none "$2" && shift 2 && exec "$@"'
_ROOT = os.geteuid() == 0
#: Words in front of a program that let it do no more than an ordinary user may, whoever runs the tests.
ORDINARY = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all") if _ROOT else ()
#: Words in front of a program that give it mounts of its own, which `read_only` can change.
OWN_MOUNTS = ("unshare", "-m") if _ROOT else ("unshare", "-rm")


def _can(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def traced(call: str, what: str) -> tuple[str, ...]:
    """Return the words in front of a program that let *what* happen at calls of *call* of each of its threads."""
    # The filter makes it fast, but lets a signal come at the first call only.
    quick = ("--seccomp-bpf", "-e", f"trace={call}") if "signal" not in what else ()
    return ("strace", "-qq", "-f", *quick, "-o", "/dev/null", "-e", f"inject={call}:{what}")


def attached(process: int, path: Path, call: str, what: str) -> tuple[str, ...]:
    """Return the command that lets *what* happen at calls of *call* on *path* of a running process, until it ends."""
    where = ("-P", str(path), "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:{what}")
    return ("strace", "-f", *where, "-p", str(process))


strace = pytest.mark.skipif(
    not _can(*traced("getppid", "error=EIO"), "true"), reason="strace is missing, or may not trace here"
)
ordinary = pytest.mark.skipif(
    bool(ORDINARY) and not _can(*ORDINARY, "true"), reason="setpriv is missing, or may not take rights away"
)
mounts = pytest.mark.skipif(
    not _can(*OWN_MOUNTS, "sh", "-c", "mount --bind /mnt /mnt && mount -o remount,ro,bind /mnt"),
    reason="nothing may be mounted here, even in a namespace",
)
tmpfs = pytest.mark.skipif(
    not _can("unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"),
    reason="no file system may be mounted here, even in a namespace",
)


def _inside(process: int, *command: str) -> None:
    spaces = ("--mount",) if _ROOT else ("--mount", "--user", "--preserve-credentials")
    there = "nsenter", *spaces, "--target", str(process)
    subprocess.run([*there, *command], check=True, capture_output=True, timeout=60)


def read_only(process: int, directory: Path) -> None:
    """Let a program with mounts of its own find *directory* on a file system that is read-only."""
    _inside(process, "mount", "--bind", str(directory), str(directory))
    _inside(process, "mount", "-o", "remount,ro,bind", str(directory))


def writable(process: int, directory: Path) -> None:
    """Take that back."""
    _inside(process, "umount", "--lazy", str(directory))

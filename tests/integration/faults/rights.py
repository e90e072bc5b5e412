"""What the tests of faults may do here: trace system calls, and mount file systems."""

from __future__ import annotations

import shutil
import subprocess

import pytest

__all__ = ["MOUNT", "strace", "tmpfs", "traced"]

#: A tmpfs that only the program sees, and which is gone with it: options, directory, program and its arguments.
MOUNT = 'mount -t tmpfs -o "$1" none "$2" && shift 2 && exec "$@"'


def _can(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def traced(call: str, what: str) -> tuple[str, ...]:
    """Return the words in front of a program that let *what* happen at calls of *call* of each of its threads."""
    # The filter makes it fast, but lets a signal come at the first call only.
    quick = ("--seccomp-bpf", "-e", f"trace={call}") if "signal" not in what else ()
    return ("strace", "-qq", "-f", *quick, "-o", "/dev/null", "-e", f"inject={call}:{what}")


strace = pytest.mark.skipif(
    not _can(*traced("getppid", "error=EIO"), "true"), reason="strace is missing, or may not trace here"
)
tmpfs = pytest.mark.skipif(
    not _can("unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"),
    reason="no file system may be mounted here, even in a namespace",
)

"""The user names and passwords in a .netrc file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from netrc import NetrcParseError, netrc

from twisted_pulp.errors import SettingsError

__all__ = ["read_netrc"]


def read_netrc() -> Mapping[str, tuple[str, str]]:
    """
    Return host in lower case -> user name and password, from the file that NETRC names, or else ~/.netrc.

    A default entry counts for nobody. Without ~/.netrc there are none.

    :raises SettingsError: when the file is not ours alone, or cannot be read.
    """
    named = os.environ.get("NETRC")
    path = named or os.path.expanduser("~/.netrc")
    try:
        status = os.stat(path)
        if status.st_uid != os.geteuid():
            raise SettingsError("netrc", path, f"a file that user {os.geteuid()} owns, not {status.st_uid}")
        if status.st_mode & 0o077:
            raise SettingsError("netrc", path, f"for its owner alone (chmod 600), not {status.st_mode & 0o777:o}")
        hosts = netrc(path).hosts
    except FileNotFoundError as error:
        if named:
            raise SettingsError("netrc", path, "a file that exists") from error
        return {}
    except OSError as error:
        raise SettingsError("netrc", path, f"a file that can be read ({error.strerror})") from error
    except (NetrcParseError, UnicodeDecodeError) as error:
        where = f"{path}, line {getattr(error, 'lineno', None) or '?'}"
        raise SettingsError("netrc", where, "of the form of a .netrc file") from None  # its words may hold a password
    return {host.lower(): (each[0] or "", each[2] or "") for host, each in hosts.items() if host != "default"}

"""Names from the network that become paths: the one place where they do."""

from __future__ import annotations

import os
import re
import unicodedata
from urllib.parse import unquote_to_bytes

from twisted_pulp.errors import PathError, SettingsError

__all__ = ["called", "file_name_of", "inside"]

# Device names of Windows: a mirror's directory may live on, or be served to, such a machine.
# It and the next are compiled, by `re` itself, for the first name that is not plain.
_RESERVED = r"(?is)(?:con|prn|aux|nul|(?:com|lpt)[0-9\u00b9\u00b2\u00b3]|conin\$|conout\$)(?:\..*)?"
_FORBIDDEN = r"[\x00-\x1f\x7f\\*?\"<>|\u2028\u2029\ud800-\udfff\u202a-\u202e\u2066-\u2069]"
# Most names: nothing in them needs a closer look. No dot at the ends, and no device's name, which has letters only.
_PLAIN = re.compile(
    r"(?!(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z))[A-Za-z0-9_][A-Za-z0-9._+-]{0,200}[A-Za-z0-9_]"
).fullmatch
_LONGEST_NAME, _LONGEST_PATH = 255, 4096
#: What temporary files and journals beside a target are called; no target may be.
PARTIAL, JOURNAL = ".pulp-part", ".pulp-journal"


def inside(directory: str, name: str) -> str:
    """
    Return the path of *name* below *directory*; *name* may have directories of its own, separated by "/".

    Nothing is looked up: links below *directory* are the writer's business, which refuses to follow them.

    :param directory: trusted, absolute or not.
    :param name: not trusted; a relative path as PULP_MANIFEST and other metadata write it.
    :raises PathError: when it would leave *directory*, or a part of it is no portable file name.
    """
    if _PLAIN(name) and not name.endswith((PARTIAL, JOURNAL)):
        return f"{directory}/{name}"
    if len(os.fsencode(name) if not re.search(_FORBIDDEN, name) else b"") > _LONGEST_PATH:
        raise PathError(detail="the path is too long")
    parts = unicodedata.normalize("NFC", name).split("/") if not name.isascii() else name.split("/")
    for part in parts:
        why = _refused(part)
        if why is not None:
            raise PathError(detail=f"{name!r} cannot be a path below the directory: {why}")
    return os.path.join(directory, *parts)


def _refused(part: str) -> str | None:
    if part in ("", ".", ".."):
        return "it is absolute, or has an empty part, '.' or '..'"
    if re.search(_FORBIDDEN, part):
        return "it has a character that file names cannot have everywhere"
    if part[-1] in ". " or part[0] == " ":
        return "a part begins or ends with a space, or ends with a dot"
    if part.endswith((PARTIAL, JOURNAL)):
        return f"{PARTIAL} and {JOURNAL} are for partial files"
    if len(part.encode()) > _LONGEST_NAME:
        return f"a part is longer than {_LONGEST_NAME} bytes"
    if re.fullmatch(_RESERVED, part):
        return "a part is the name of a device"
    if len(part) > 1 and part[1] == ":":
        return "it begins with a drive"
    if "%" not in part:
        return None
    plain = unquote_to_bytes(part)
    if b"/" in plain or b"\\" in plain or b"\0" in plain or plain in (b".", b".."):
        return "a part hides a separator"
    return None


def called(field: str, name: str) -> str:
    """
    Return *name*, which something new shall have that the API can be asked for.

    :raises SettingsError: when it cannot: it has to fit into a path.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+~-]{0,254}", name):
        raise SettingsError(field, name, "1 to 255 letters, digits and _.+~-, with none of .+~- in front")
    return name


def file_name_of(url: str) -> str:
    """
    Return the file name that the last segment of *url*'s path stands for.

    :raises PathError: when there is none, or it cannot be a file name.
    """
    scheme, _, rest = url.partition("#")[0].partition("?")[0].partition("://")
    path = rest.partition("/")[2]
    if scheme.lower() in ("ftp", "ftps") and path[:-1].lower().endswith(";type="):  # RFC 1738 section 3.2.2
        path = path[: -len(";type=i")]
    name = unquote_to_bytes(path.rpartition("/")[2]).decode("utf-8", "replace")
    if "/" in name or _refused(name) is not None:
        why = _refused(name) or "it hides a separator"
        raise PathError(url, f"the URL does not end with a file name ({why}); give a path")
    return unicodedata.normalize("NFC", name)

"""URLs: what is sent, what may be shown, and which origin they belong to."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

from twisted_pulp.errors import SettingsError, shown

__all__ = ["Origin", "join", "origin_of", "prepared", "shown", "without_userinfo"]

#: Scheme, host in lower case without brackets, port.
Origin = tuple[str, str, int]

# ftps begins in clear on the same port, and then asks for TLS (RFC 4217).
_PORTS = {"http": 80, "https": 443, "ftp": 21, "ftps": 21, "file": 0}
_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^#]*)", re.S)
# Most URLs; those that are not get a second look.
_PLAIN = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.-]*://[A-Za-z0-9._-]+(?::(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}))?|file://)"
    r"(?:[/?][!$-;=?-Z_a-z~&'%@\[\]]*)?"
).fullmatch
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%25[A-Za-z0-9._~-]+)?\]|[A-Za-z0-9._-]+)(?::([0-9]{0,5}))?").fullmatch
_NO_HOST = re.compile(r"(?:https?:)?//(?:[/?#]|\Z)", re.I).match
# Everything a server may be sent as it stands (RFC 3986 section 2); "%" too, so that what was encoded stays as given.
_SAFE = "!#$%&'()*+,/:;=?@[]~-._"


def _split(url: str) -> tuple[str, str, str]:
    match = _PARTS.match(url)
    if match is None:
        raise SettingsError("url", shown(url), "a URL with a scheme and a host")
    if "\\" in match[2]:  # browsers end the host there
        raise SettingsError("url", shown(url), "a URL without a backslash in front of its path")
    return match[1].lower(), match[2], match[3]


def without_userinfo(url: str) -> tuple[str, tuple[str, str] | None]:
    """
    Take user name and password out of *url*.

    :returns: the URL without them, and the decoded pair or None.
    """
    scheme, netloc, rest = _split(url)
    userinfo, at, host = netloc.rpartition("@")
    if not at:
        return url, None
    user, _, password = userinfo.partition(":")
    decoded = tuple(unquote_to_bytes(part).decode("utf-8", "replace") for part in (user, password))
    return f"{scheme}://{host}{rest}", (decoded[0], decoded[1])


def origin_of(url: str) -> Origin:
    """
    Return the origin of *url* (RFC 6454 section 4).

    :raises SettingsError: when the host or port is not one.
    """
    scheme, netloc, _ = _split(url)
    netloc = netloc.rpartition("@")[2]
    if scheme == "file":
        return scheme, netloc.lower(), 0
    match = _HOST(netloc if netloc.isascii() else _idna(netloc))
    port = int(match[2]) if match and match[2] else _PORTS.get(scheme, 0)
    if match is None or port > 65535:
        raise SettingsError("url", shown(url), "a host and a port that can be reached")
    return scheme, match[1].strip("[]").lower(), port


def prepared(url: str) -> str:
    """
    Return *url* as it goes on the wire: ASCII, what was encoded as given, the rest encoded, no fragment.

    :raises SettingsError: on control characters, which would inject headers, and on a host that is not one.
    """
    if _PLAIN(url):
        return url
    if any(character < " " or character == "\x7f" for character in url):
        raise SettingsError("url", shown(url), "a URL without control characters")
    scheme, netloc, rest = _split(url.strip(" "))
    userinfo, at, host = netloc.rpartition("@")
    if not host.isascii():
        host = _idna(host)
    match = _HOST(host)
    if (match is None and (host or scheme != "file")) or (match and int(match[2] or 0) > 65535):
        raise SettingsError("url", shown(url), "a host and a port that can be reached")
    return f"{scheme}://{userinfo}{at}{host}{quote(rest, safe=_SAFE)}"


def _idna(netloc: str) -> str:
    import idna

    host, colon, port = netloc.partition(":")
    try:
        return idna.encode(host, uts46=True).decode("ascii") + colon + port
    except idna.IDNAError as error:
        raise SettingsError("url", netloc, f"a host name that can be encoded ({error})") from error


def join(base: str, reference: str) -> str:
    """
    Resolve *reference* against *base* (RFC 3986 section 5.2) and prepare it.

    :raises SettingsError: when the result is no URL that can be asked for.
    """
    from urllib.parse import urljoin

    if _NO_HOST(reference) and not base.startswith("file:"):  # urljoin would put the base's in
        raise SettingsError("url", shown(reference), "a URL with a host")
    try:
        return prepared(urljoin(base, reference))
    except ValueError as error:
        if isinstance(error, SettingsError):
            raise
        raise SettingsError("url", shown(reference), f"a URL ({error})") from error

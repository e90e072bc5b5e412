"""What no log may show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from twisted_pulp.errors import shown

__all__ = ["Redaction", "secrets_of"]

_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s<>\"'`]+")
_HEADER = re.compile(r"(?i)\b((?:proxy-)?authorization|cookie|set-cookie)(['\"]?\s*[:=,]\s*)(?!\*\*\*)[^\r\n]+")
_SCHEME = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
#: Options of a URL; others are words that logs are full of, such as "true".
_SECRET = re.compile(r"(?i)key|secret|token|passw|sas\b|signature").search
_TRAILING = ".,;:)]}"
#: Shorter ones are parts of too many words.
_SHORTEST = 4


class Redaction:
    """
    Replaces secrets in texts: what URLs hide, headers that prove who asks, and the secrets that it was told.

    :param secrets: texts that are replaced wherever they are; those of less than four characters are not.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: re.Pattern[str] | None = None
        self.replace(secrets)

    def replace(self, secrets: Iterable[str]) -> None:
        """Look for these secrets from now on."""
        spelled = {form for each in secrets for form in (each, quote(each, safe="")) if len(form) >= _SHORTEST}
        longest_first = sorted(spelled, key=lambda each: (-len(each), each))
        self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        """Return *text* without secrets."""
        if self._known is not None:
            text = self._known.sub("***", text)
        if "://" in text:
            text = _URL.sub(_url, text)
        text = _HEADER.sub(r"\1\2***", text)
        return _SCHEME.sub(r"\1 ***", text)


def _url(match: re.Match[str]) -> str:
    url = match[0].rstrip(_TRAILING)
    return shown(url) + match[0][len(url) :]


def secrets_of(settings: Any) -> Iterator[str]:
    """Give the secrets that *settings* hold: those of remotes, their proxies and keys, and of the engines' URLs."""
    for url in filter(None, (settings.database, settings.broker, settings.storage)):
        parts = urlsplit(url)
        options = [value for name, value in parse_qsl(parts.query) if _SECRET(name)]
        yield from filter(None, (unquote(parts.password or ""), *options))
    for remote in settings.remotes.values():
        yield from filter(None, (remote.password, remote.token, remote.tls.client_key_password))
        yield from remote.headers.values()
        if remote.proxy is not None and remote.proxy.password:
            yield remote.proxy.password

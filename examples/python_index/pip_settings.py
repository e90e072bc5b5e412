"""Which indexes pip is configured for."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from attrs import field, frozen

from twisted_pulp.errors import shown

# pip itself reads its files and variables, so that nothing it knows is known twice; its default is its own too.
_ASK = """
import json
import sys

try:
    from pip._internal.commands import create_command

    options = create_command("download").parser.parse_args([])[0]
except Exception as error:
    sys.exit(" ".join(str(error).split()))
names = "index_url extra_index_urls no_index find_links trusted_hosts cert client_cert proxy".split()
print(json.dumps({name: getattr(options, name) for name in names}))
"""


class PipError(Exception):
    """pip is not there, or does not understand its own configuration."""


@frozen(kw_only=True)
class PipSettings:
    """
    Where pip looks for files.

    :ivar indexes: URLs of simple APIs, the most important first; user names and passwords are in them.
    :ivar find_links: URLs of pages and directories with links to files.
    :ivar cert: path of the PEM file that is trusted instead of the platform's, or None.
    :ivar notes: what cannot be done as pip would, one sentence each.
    """

    indexes: tuple[str, ...] = field(repr=lambda urls: repr([*map(shown, urls)]))
    find_links: tuple[str, ...] = field(repr=lambda urls: repr([*map(shown, urls)]))
    cert: str | None
    notes: tuple[str, ...]


def read_pip_settings(python: str) -> PipSettings:
    """
    Ask the pip of the interpreter *python*.

    :raises PipError: with what pip said.
    """
    # -P: a file pip.py in the working directory is not what is meant.
    done = subprocess.run([python, "-P", "-c", _ASK], check=False, capture_output=True, text=True)
    if done.returncode:
        raise PipError(done.stderr.strip() or f"pip ended with status {done.returncode}")
    return settled(json.loads(done.stdout))


def settled(options: dict[str, Any]) -> PipSettings:
    """
    Return the settings that *options*, those of ``pip download``, come to.

    :raises PipError: when a URL is none.
    """
    wanted = [] if options["no_index"] else [options["index_url"], *options["extra_index_urls"]]
    notes: list[str] = []
    trusted = frozenset(options["trusted_hosts"] or ())
    indexes, find_links = (_allowed(urls, trusted, notes) for urls in (wanted, options["find_links"]))
    if options["proxy"] or {"http", "https", "all"} & getproxies().keys():
        notes.append("A proxy is configured, but indexes are asked directly.")
    if options["client_cert"]:
        notes.append("A client certificate is configured, but no index will see it.")
    # What pip's own HTTP library reads.
    cert = options["cert"] or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    if cert and not Path(cert).is_file():
        notes.append(f"{cert} is not a file of certificates; the platform's are trusted.")
        cert = None
    return PipSettings(indexes=indexes, find_links=find_links, cert=cert or None, notes=tuple(notes))


def _allowed(given: list[str] | None, trusted: frozenset[str], notes: list[str]) -> tuple[str, ...]:
    found: list[str] = []
    for text in given or ():
        url = as_url(text)
        if not secure(url, trusted):
            notes.append(f"{shown(url)} is left out: it is not https, and pip does not trust its host.")
        elif url not in found:
            found.append(url)
    return tuple(found)


def as_url(text: str) -> str:
    """
    Return *text* as a URL; pip takes paths too.

    :raises PipError: when it has a scheme that indexes are not reached by.
    """
    scheme, mark, _ = text.partition("://")
    if not mark:
        path = text.removeprefix("file:")
    elif scheme.lower() in ("http", "https", "file"):
        return text
    else:
        raise PipError(f"{shown(text)} is neither http, https, file nor a path")
    return Path(path).expanduser().absolute().as_uri()


def secure(url: str, trusted: frozenset[str]) -> bool:
    """Tell whether pip would read *url*: over TLS, from this machine, or from a host that it was told to trust."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme in ("https", "file") or host == "localhost":
        return True
    if host in trusted or f"[{host}]" in trusted or parts.netloc.rpartition("@")[2] in trusted:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

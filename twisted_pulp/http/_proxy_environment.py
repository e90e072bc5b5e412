"""The proxies that the environment says."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from twisted_pulp.errors import SettingsError
from twisted_pulp.settings import Proxy
from twisted_pulp.settings._no_proxy import NoProxy

__all__ = ["proxies_of"]

_separated = re.compile(r"[,\s]+").split


def proxies_of(environ: Mapping[str, str] = os.environ) -> tuple[dict[str, Proxy], NoProxy]:
    """
    Return the proxy for each scheme, as http_proxy, https_proxy and all_proxy say, and what no_proxy says.

    Names in lower case go first, even if they are empty, which is no proxy. HTTP_PROXY does not count where
    REQUEST_METHOD is set: in a CGI program it is a header of the request (https://httpoxy.org). What cannot be read in
    no_proxy is left out: other programs read it too, and each in its own way.

    :raises SettingsError: when one is no proxy.
    """
    found = {}
    for scheme in ("http", "https"):
        proxy = _proxy(f"{scheme}_proxy", environ) or _proxy("all_proxy", environ)
        if proxy is not None:
            found[scheme] = proxy
    return found, NoProxy.readable(filter(None, _separated(_value("no_proxy", environ))))


def _value(name: str, environ: Mapping[str, str]) -> str:
    upper = "" if name == "http_proxy" and "REQUEST_METHOD" in environ else environ.get(name.upper(), "")
    return environ.get(name, upper).strip()


def _proxy(name: str, environ: Mapping[str, str]) -> Proxy | None:
    url = _value(name, environ)
    if not url:
        return None
    try:
        return Proxy(url=url if "://" in url else f"http://{url}")
    except SettingsError as error:
        raise SettingsError(name, error.value, error.allowed) from error

"""As much of httpbin as treq's integration tests ask for; treq starts it in a process of its own."""

from __future__ import annotations

import gzip
import json
import time
from base64 import b64decode
from collections.abc import Callable, Iterable
from email import message_from_bytes
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

Environ = dict[str, Any]
Answer = tuple[str, list[tuple[str, str]], bytes]


def app(environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer one request (PEP 3333)."""
    first, *rest = environ["PATH_INFO"].strip("/").split("/")
    status, headers, body = _PATHS[first](environ, rest)
    start_response(status, [*headers, ("Content-Length", str(len(body)))])
    return [body]


def _json(value: object, *headers: tuple[str, str], status: str = "200 OK") -> Answer:
    return status, [("Content-Type", "application/json"), *headers], json.dumps(value).encode()


def _headers(environ: Environ) -> dict[str, str]:
    names = {name: name.removeprefix("HTTP_") for name in environ if name.startswith("HTTP_")}
    names["CONTENT_TYPE"] = "CONTENT_TYPE"
    return {short.replace("_", "-").title(): environ[name] for name, short in names.items() if environ.get(name)}


def _echo(environ: Environ, rest: list[str]) -> Answer:
    data = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    form: dict[str, str] = {}
    files: dict[str, str] = {}
    kind = environ.get("CONTENT_TYPE", "")
    if kind.startswith("multipart/form-data"):
        for part in message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + data).walk():
            if not part.is_multipart():
                name, content = part.get_param("name", header="Content-Disposition"), part.get_payload(decode=True)
                (files if part.get_filename() else form)[str(name)] = (
                    content.decode() if isinstance(content, bytes) else ""
                )
    return _json({"headers": _headers(environ), "data": data.decode("latin-1"), "form": form, "files": files})


def _redirect(environ: Environ, rest: list[str]) -> Answer:
    location = dict(parse_qsl(environ["QUERY_STRING"])).get("url", "/get")
    return "302 Found", [("Location", location)], b""


def _gzip(environ: Environ, rest: list[str]) -> Answer:
    status, headers, body = _json({"gzipped": True})
    return status, [*headers, ("Content-Encoding", "gzip")], gzip.compress(body)


def _basic(environ: Environ, rest: list[str]) -> Answer:
    given = environ.get("HTTP_AUTHORIZATION", "").removeprefix("Basic ")
    if b64decode(given).decode().split(":") == rest:
        return _json({"authenticated": True, "user": rest[0]})
    return _json({}, ("WWW-Authenticate", 'Basic realm="here"'), status="401 Unauthorized")


def _delay(environ: Environ, rest: list[str]) -> Answer:
    time.sleep(float(rest[0]))
    return _json({})


def _cookies(environ: Environ, rest: list[str]) -> Answer:
    if rest == ["set"]:
        pairs = parse_qsl(environ["QUERY_STRING"])
        set_cookies = [("Set-Cookie", f"{name}={value}; Path=/") for name, value in pairs]
        return "302 Found", [("Location", "/cookies"), *set_cookies], b""
    cookies = SimpleCookie(environ.get("HTTP_COOKIE", ""))
    return _json({"cookies": {name: each.value for name, each in cookies.items()}})


_PATHS = {
    **dict.fromkeys(("get", "post", "put", "patch", "delete"), _echo),
    **dict.fromkeys(("redirect-to", "redirect", "relative-redirect"), _redirect),
    "gzip": _gzip,
    "basic-auth": _basic,
    "delay": _delay,
    "cookies": _cookies,
}

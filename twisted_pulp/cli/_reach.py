"""Options that say how an upstream is reached: each sets a field of `Remote`; `--help` imports nothing for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

import click

from twisted_pulp.cli._options import header_of, timeout_of, unique

__all__ = ["asked_fields", "asking", "fields_of", "jobs", "pairs", "reaching"]

T = TypeVar("T")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class _Option(NamedTuple):
    """
    One option.

    :ivar field: of `Remote`, with dots into its parts.
    :ivar metavar: what follows it; "" for a flag, which sets *value*.
    :ivar many: whether it may be given several times.
    """

    names: tuple[str, ...]
    field: str
    metavar: str
    help: str
    value: object = None
    many: bool = False

    @property
    def key(self) -> str:
        """What Python calls it."""
        return self.names[-1].lstrip("-").replace("-", "_")


def _flag(name: str, field: str, value: object, help: str) -> _Option:
    return _Option(tuple(name.split("/")), field, "", help, value)


_OPTIONS = (
    _Option(("--base",), "url", "URL", "Where relative URLs belong, and whose origin gets user name and password."),
    _flag("--insecure", "tls.verify", False, "Do not check the server's certificate."),
    _Option(("--ca-cert",), "tls.ca_cert", "FILE", "Certificate authorities to trust too (PEM)."),
    _Option(("--client-cert",), "tls.client_cert", "FILE", "Our certificate, perhaps with its key (PEM)."),
    _Option(("--client-key",), "tls.client_key", "FILE", "The key of --client-cert (PEM)."),
    _Option(("--tls-min",), "tls.min_version", "VERSION", "Lowest version of TLS.  [default: 1.2]"),
    _Option(("--tls-max",), "tls.max_version", "VERSION", "Highest version of TLS."),
    _Option(("--ciphers",), "tls.ciphers", "LIST", "Ciphers up to TLS 1.2, as OpenSSL names them."),
    _Option(("--server-name",), "tls.server_name", "NAME", "Expect this name in the certificate (SNI)."),
    _Option(("--pin",), "tls.pins", "PIN", "Expect this key: sha256/BASE64, or cert-sha256/HEX.", many=True),
    _Option(("--key-log",), "tls.key_log", "FILE", "Write the keys of TLS sessions there, for debugging."),
    _Option(("--proxy",), "proxy.url", "URL", "A proxy: http, https, socks5 or socks5h."),
    _Option(("--proxy-ca-cert",), "proxy.tls.ca_cert", "FILE", "Authorities to trust for an https proxy (PEM)."),
    _flag("--proxy-insecure", "proxy.tls.verify", False, "Do not check the proxy's certificate."),
    _Option(("--no-proxy",), "proxy.no_proxy", "HOST", "Reach HOST, or a network, without the proxy.", many=True),
    _flag("--proxy-from-environment", "proxy_from_environment", True, "Let http_proxy, https_proxy, no_proxy count."),
    _Option(("--auth",), "auth", "KIND", "How user name and password are given: basic, digest or token."),
    _flag("--netrc", "netrc", True, "Take user names and passwords from ~/.netrc."),
    _flag("--cookies", "cookies", True, "Keep cookies while it runs."),
    _Option(("--resolve",), "network.hosts", "HOST=ADDRESS", "Do not look HOST up.", many=True),
    _Option(("--dns-server",), "network.dns_servers", "ADDRESS", "Ask this name server.", many=True),
    _flag("--no-dns-cache", "network.dns_cache", False, "Ask name servers again each time."),
    _flag("-4/--ipv4", "network.family", "ipv4", "Use IPv4 only."),
    _flag("-6/--ipv6", "network.family", "ipv6", "Use IPv6 only."),
    _Option(("--bind",), "network.bind_address", "ADDRESS", "Our own end of each connection."),
    _Option(("--unix-socket",), "network.unix_socket", "PATH", "Connect to this socket, whatever the host."),
    _Option(("--mirror", "--mirror-url"), "mirrors", "URL", "A mirror of --base, or of the --remote.", many=True),
    _Option(("--mirror-list",), "mirror_list", "URL", "A text with mirrors, one on each line."),
    _Option(("--segments",), "limits.segments", "N", "Ranges of one file at once.  [default: 1]"),
    _Option(("--segment-size",), "limits.segment_size", "SIZE", "Divide no further.  [default: 8M]"),
    _Option(("--rate",), "limits.bytes_per_second", "SIZE", "Bytes a second, as 500K or 2M."),
    _Option(("--host-rate",), "limits.host_bytes_per_second", "SIZE", "Bytes a second from each host."),
    _Option(("--requests",), "limits.requests_per_second", "N", "Requests a second."),
    _Option(("--host-requests",), "limits.host_requests_per_second", "N", "Requests a second to each host."),
    _Option(("--max-size",), "limits.max_size", "SIZE", "Refuse larger files.  [default: 16G]"),
    _Option(("--redirects",), "limits.redirects", "N", "Redirects to follow.  [default: 20]"),
    _flag("--no-adaptive", "limits.adaptive", False, "Do not ask a host less that answers 429, 503 or late."),
    _flag("--http2", "http2", True, "Speak HTTP/2 where a server can."),
)
_BY_NAME = {option.key: option for option in _OPTIONS}


def reaching(command: Callable[..., Any], taken: frozenset[str] = frozenset()) -> Callable[..., Any]:
    """
    Give *command* these options, and those that every field can be reached by.

    :param taken: names that mean something else to this command.
    """
    extra = (
        click.option("--config", metavar="FILE", help="Settings, with remotes by name (TOML)."),
        click.option("--remote", metavar="NAME", help="The remote of the settings that is meant."),
        click.option("--set", "set_", multiple=True, metavar="FIELD=VALUE", help="Set any field of the remote."),
        click.option("--user", metavar="NAME[:PASSWORD]", help="User name; the password better from a file."),
        click.option("--password-file", metavar="FILE", help="Its first line is the password."),
        click.option("--token-file", metavar="FILE", help="Its first line is sent as a bearer token."),
    )
    for made in (*reversed([_made(option, taken) for option in _OPTIONS]), *reversed(extra)):
        command = made(command)
    return command


def _made(option: _Option, taken: frozenset[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    names = [*(name for name in option.names if name not in taken), option.key]
    if not option.metavar:
        return click.option(*names, is_flag=True, help=option.help)
    return click.option(*names, metavar=option.metavar, multiple=option.many, help=option.help)


def pairs(read: Callable[[str], tuple[str, T]]) -> Callable[[Any, Any, tuple[str, ...]], dict[str, T]]:
    """Return the callback of an option that may be given several times, and whose values are names and values."""

    def converted(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, T]:
        try:
            found = [read(value) for value in values]
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
        twice = unique(found)
        if twice is not None:
            raise click.BadParameter(f"{twice} is given twice")
        return dict(found)

    return converted


_TIMEOUTS = "How long silence may last, or none. NAME: connect, headers, idle (if left out), total, low-speed ..."
_ASKING = (
    click.option("--retries", type=click.IntRange(0, 1000), metavar="N", help="Tries after the first.  [default: 3]"),
    click.option(
        "--timeout", "timeouts", multiple=True, metavar="[NAME=]SECONDS", callback=pairs(timeout_of), help=_TIMEOUTS
    ),
    click.option(
        "--header", "headers", multiple=True, metavar="K:V", callback=pairs(header_of), help="Sent with each request."
    ),
)


def jobs(help: str, default: int | None) -> Callable[..., Any]:
    """Return the option -j."""
    return click.option("-j", "--jobs", type=click.IntRange(1, 1000), default=default, metavar="N", help=help)


def asking(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* the options that say how files are asked for."""
    for made in reversed(_ASKING):
        command = made(command)
    return command


def asked_fields(given: dict[str, Any]) -> dict[str, object]:
    """
    Take the options of `asking` and `reaching` out of *given*, and return field -> value of those that were given.

    :raises click.UsageError: saying which cannot be understood.
    """
    try:
        fields = fields_of(given)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    fields.update({f"timeouts.{name}": value for name, value in given.pop("timeouts").items()})
    if (retries := given.pop("retries")) is not None:
        fields["retry.retries"] = retries
    if headers := given.pop("headers"):
        fields["headers"] = headers
    return fields


def fields_of(given: dict[str, Any]) -> dict[str, object]:
    """
    Take these options out of *given*, and return field -> value of those that were given.

    :raises ValueError: saying which cannot be understood.
    """
    fields: dict[str, object] = {}
    for name, option in _BY_NAME.items():
        value = given.pop(name)
        if value in (None, False, ()):
            continue
        if option.field in fields:
            both = [each.names[0] for each in _OPTIONS if each.field == option.field]
            raise ValueError(f"{' and '.join(both)} exclude each other")
        fields[option.field] = _value(option, value)
    fields.update(_secrets(given.pop("user"), given.pop("password_file"), given.pop("token_file")))
    for text in given.pop("set_"):
        field, equals, value = text.partition("=")
        if not equals or not field:
            raise ValueError("--set needs FIELD=VALUE, such as tls.min_version=1.3")
        fields[field.strip()] = _plain(value.strip())
    return fields


def _value(option: _Option, value: Any) -> object:
    if not option.metavar:
        return option.value
    if option.metavar == "HOST=ADDRESS":
        return _pairs(option, value)
    if option.metavar in ("SIZE", "N"):
        return _number(option, value)
    return list(value) if option.many else value


def _pairs(option: _Option, values: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in values:
        host, equals, address = text.partition("=")
        if not equals or not host or not address:
            raise ValueError(f"{option.names[0]} needs {option.metavar}")
        found.setdefault(host.lower(), []).append(address)
    return found


def _number(option: _Option, text: str) -> float | int | str:
    if text == "none":
        return text
    unit = text[-1:].upper() if option.metavar == "SIZE" and text[-1:].isalpha() else ""
    try:
        number = float(text[: len(text) - len(unit)]) * _UNITS[unit]
    except (ValueError, KeyError):
        raise ValueError(f"{option.names[0]}: {text!r} is no {'size, as 500K or 2M' if unit else 'number'}") from None
    return int(number) if number.is_integer() else number


def _plain(text: str) -> object:
    """Return what TOML makes of *text*, or the text itself."""
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _secrets(user: str | None, password_file: str | None, token_file: str | None) -> dict[str, object]:
    fields: dict[str, object] = {}
    if user is not None:
        name, colon, password = user.partition(":")
        fields["username"] = name
        if colon:
            fields["password"] = password
    for field, path in (("password", password_file), ("token", token_file)):
        if path is not None:
            if field in fields:
                raise ValueError("give the password either with --user or with --password-file")
            fields[field] = _first_line(path)
    return fields


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {getattr(error, 'strerror', None) or 'not text'}") from None

"""One upstream and how it is reached."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from attrs import Attribute, field, frozen

from twisted_pulp.errors import SettingsError, shown
from twisted_pulp.headers import checked_headers, is_field_value, names_of
from twisted_pulp.settings._values import Limits, Retry, Timeouts
from twisted_pulp.urls import Origin, origin_of, prepared, without_userinfo

__all__ = ["TLS", "Remote"]


def _flag(default: bool) -> Any:
    def check(_: object, attribute: Attribute[bool], value: object) -> None:
        if not isinstance(value, bool):
            raise SettingsError(attribute.name, value, "true or false")

    return field(default=default, validator=check)


def _part(kind: type) -> Any:
    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, kind):
            raise SettingsError(attribute.name, value, f"a {kind.__name__}")

    return field(factory=kind, validator=check)


def _texts(value: Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


@frozen(kw_only=True)
class TLS:
    """
    Whom to trust.

    :ivar ca_cert: further certificate authorities: PEM text, or the path of a PEM file; default None.
    :ivar platform_trust: whether the platform's authorities (else certifi's; SSL_CERT_FILE is honoured) are trusted
        beside `ca_cert`; default true.
    """

    ca_cert: str | None = field(default=None, repr=False)
    platform_trust: bool = _flag(True)

    @ca_cert.validator
    def _is_pem(self, _: object, value: str | None) -> None:
        if value is None:
            return
        if "-----BEGIN" in value:
            return
        if not os.path.isfile(value):
            raise SettingsError("ca_cert", value, "PEM text, or the path of a file that can be read")

    def __attrs_post_init__(self) -> None:
        if not self.platform_trust and self.ca_cert is None:
            raise SettingsError("platform_trust", False, "true where there is no ca_cert")


@frozen(kw_only=True)
class Remote:
    """
    How to reach one upstream. A value: change it with `attrs.evolve`.

    :ivar url: where it is; user name, password and headers belong to this URL's origin. Default None: to the origin of
        each URL that is asked for.
    :ivar username: for basic authentication; default None. May also stand in `url`, which then loses it.
    :ivar password: default None; never shown.
    :ivar headers: sent to the origin of `url`, dropped where a redirect leaves it; default none; values never shown.
    :ivar origins: further origins, as URLs, that get the user name, password and headers; default none.
    :ivar user_agent: default None: `twisted_pulp/VERSION`.
    :ivar tls: whom to trust.
    :ivar timeouts: how long silence may last.
    :ivar limits: how much there may be.
    :ivar retry: when a download is tried again.
    :ivar allow_weak_digests: whether md5 or sha1 alone prove a file; default false.
    :ivar allow_unproven: whether a body that ends with the connection, and that neither size nor digest proves, is a
        success; default false.
    :ivar file_roots: directories below which file:// URLs may be read; default none.
    :ivar file_mode: how a file:// URL becomes the target: `copy` (default), `hardlink` or `symlink`.
    """

    url: str | None = None
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(factory=dict, converter=checked_headers, repr=names_of, hash=False)
    origins: tuple[str, ...] = field(default=(), converter=_texts)
    user_agent: str | None = field(default=None)
    tls: TLS = _part(TLS)
    timeouts: Timeouts = _part(Timeouts)
    limits: Limits = _part(Limits)
    retry: Retry = _part(Retry)
    allow_weak_digests: bool = _flag(False)
    allow_unproven: bool = _flag(False)
    file_roots: tuple[str, ...] = field(default=(), converter=_texts)
    file_mode: Literal["copy", "hardlink", "symlink"] = field(default="copy")
    #: The origins that `username`, `password` and `headers` belong to; empty when there is no `url`.
    secret_origins: frozenset[Origin] = field(init=False, repr=False, eq=False)

    @user_agent.validator
    def _one_line(self, _: object, value: str | None) -> None:
        if value is not None and not is_field_value(value):
            raise SettingsError("user_agent", value, "text of one line in Latin-1")

    @file_mode.validator
    def _known_mode(self, _: object, value: str) -> None:
        if value not in ("copy", "hardlink", "symlink"):
            raise SettingsError("file_mode", value, "copy, hardlink or symlink")

    @file_roots.validator
    def _absolute(self, _: object, value: tuple[str, ...]) -> None:
        for each in value:
            if not os.path.isabs(each):
                raise SettingsError("file_roots", each, "an absolute path")

    def __attrs_post_init__(self) -> None:
        if self.url is not None:
            url, pair = without_userinfo(self.url)
            object.__setattr__(self, "url", prepared(url))
            if pair is not None and self.username is None:
                object.__setattr__(self, "username", pair[0])
                object.__setattr__(self, "password", pair[1])
        if self.username is None and self.password is not None:
            raise SettingsError("password", "***", "given together with a username")
        if self.username is not None and ":" in self.username:
            raise SettingsError("username", shown(self.username), "text without a colon (RFC 7617 section 2)")
        mine = () if self.url is None else (self.url,)
        object.__setattr__(self, "secret_origins", frozenset(origin_of(each) for each in (*mine, *self.origins)))

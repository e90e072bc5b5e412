"""One upstream and how it is reached."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Literal

from attrs import Attribute, field, frozen

from twisted_pulp.errors import SettingsError, shown
from twisted_pulp.headers import checked_headers, is_field_value, names_of
from twisted_pulp.settings._fields import choice, flag, part, texts
from twisted_pulp.settings._network import Network
from twisted_pulp.settings._proxy import Proxy
from twisted_pulp.settings._tls import TLS
from twisted_pulp.settings._values import Limits, Retry, Timeouts
from twisted_pulp.urls import Origin, origin_of, prepared, without_userinfo

__all__ = ["Remote"]

_token = re.compile(r"[!-~]+").fullmatch


def _shown(value: object) -> str:
    """Return what may be shown of a URL, of several, or of something else."""
    if isinstance(value, tuple):
        return repr(tuple(shown(each) if isinstance(each, str) else each for each in value))
    return repr(shown(value) if isinstance(value, str) else value)


@frozen(kw_only=True)
class Remote:
    """
    How to reach one upstream. A value: change it with `attrs.evolve`.

    :ivar url: where it is; all secrets below belong to this URL's origin: scheme, host and port. Default None: to the
        origin of each URL that is asked for. A redirect to another origin takes none of them along, and a way back
        brings none back.
    :ivar username: for `auth`; default None. May also stand in `url`, which then loses it.
    :ivar password: default None; never shown.
    :ivar auth: how they are given: "basic" (default; RFC 7617, with the first request), "digest" (RFC 7616, when
        asked, and never in clear) or "token": only to the realm that a server names in a 401 with Bearer, in exchange
        for a token; without a user name, for one that anybody gets. With "basic" and "digest" too they are exchanged
        for a token where a server asks for one.
    :ivar token: sent as ``Authorization: Bearer``; default None; never shown.
    :ivar netrc: whether ~/.netrc, or the file that NETRC names, has user name and password where there are neither
        those nor a token here: each origin that gets secrets gets those of its host's entry. The file must be its
        owner's alone. It is read when the Remote is first used. Default false.
    :ivar cookies: whether cookies are kept, and sent back where they belong: to the scheme and port that set them, and
        as their domain and path say. They end with the Context or the Remote. Default false.
    :ivar headers: sent to the origin of `url`, dropped where a redirect leaves it; default none; values never shown.
    :ivar origins: further origins, as URLs, that get all these secrets when they are asked for something; a realm that
        is to get user name and password is one of them, unless it is where the file is. Default none.
    :ivar policy: when a sync downloads the files of what it finds: "immediate" (default) at once; "on_demand" when the
        first client wants one, which is then kept; "streamed" for each client, without keeping any.
    :ivar user_agent: default None: `twisted_pulp/VERSION`.
    :ivar tls: whom to trust, and who we are.
    :ivar proxy: on the way; default None.
    :ivar proxy_from_environment: whether http_proxy, https_proxy, all_proxy and no_proxy count where there is no
        `proxy`; default false.
    :ivar network: how hosts are found and connected to.
    :ivar http2: whether HTTP/2 is spoken with servers that can (needs the extra ``http2``); default false.
    :ivar timeouts: how long silence may last.
    :ivar limits: how much there may be.
    :ivar retry: when a download is tried again.
    :ivar mirrors: URLs that stand for `url`: what is below it is below each of them too; they get no secrets of this
        Remote. Default none.
    :ivar mirror_list: where further `mirrors` are found: the URL of a text with one on each line, or, in code, a
        callable that gets the Remote and returns URLs or sources, or a Deferred of them. Default None.
    :ivar allow_weak_digests: whether md5 or sha1 alone prove a file; default false.
    :ivar allow_unproven: whether a body that ends with the connection, and that neither size nor digest proves, is a
        success; default false.
    :ivar file_roots: directories below which file:// URLs may be read; default none.
    :ivar file_mode: how a file:// URL becomes the target: `copy` (default), `hardlink` or `symlink`.
    """

    url: str | None = field(default=None, repr=_shown)
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    auth: Literal["basic", "digest", "token"] = choice("basic", "basic", "digest", "token")
    token: str | None = field(default=None, repr=False)
    netrc: bool = flag(False)
    cookies: bool = flag(False)
    headers: Mapping[str, str] = field(factory=dict, converter=checked_headers, repr=names_of, hash=False)
    origins: tuple[str, ...] = texts(_shown)
    policy: Literal["immediate", "on_demand", "streamed"] = choice("immediate", "immediate", "on_demand", "streamed")
    user_agent: str | None = field(default=None)
    tls: TLS = part(TLS)
    proxy: Proxy | None = part(Proxy, none=True)
    proxy_from_environment: bool = flag(False)
    network: Network = part(Network)
    http2: bool = flag(False)
    timeouts: Timeouts = part(Timeouts)
    limits: Limits = part(Limits)
    retry: Retry = part(Retry)
    allow_weak_digests: bool = flag(False)
    allow_unproven: bool = flag(False)
    mirrors: tuple[str, ...] = texts(_shown)
    mirror_list: Any = field(default=None, hash=False, repr=_shown)
    file_roots: tuple[str, ...] = texts()
    file_mode: Literal["copy", "hardlink", "symlink"] = choice("copy", "copy", "hardlink", "symlink")
    #: The origins that get the secrets; without `url` and `origins` there are none: whoever is asked gets them.
    secret_origins: frozenset[Origin] = field(init=False, repr=False, eq=False)

    @username.validator
    @password.validator
    def _secret(self, attribute: Attribute[Any], value: object) -> None:
        if value is not None and not isinstance(value, str):
            raise SettingsError(attribute.name, "***", "text, or none")

    @token.validator
    def _visible(self, _: object, value: object) -> None:
        if value is not None and (not isinstance(value, str) or not _token(value)):
            raise SettingsError("token", "***", "visible ASCII characters (RFC 6750 section 2.1)")

    @origins.validator
    @mirrors.validator
    @mirror_list.validator
    def _without_userinfo(self, attribute: Attribute[Any], value: object) -> None:
        for each in value if isinstance(value, tuple) else (value,):
            try:
                bad = isinstance(each, str) and without_userinfo(each)[1] is not None
            except SettingsError:
                bad = True
            if bad:
                words = "a URL without a user name; give that to a Remote"
                raise SettingsError(attribute.name, shown(str(each)), words)

    @property
    def mirrored(self) -> bool:
        """Whether there are mirrors."""
        return self.mirror_list is not None or bool(self.mirrors)

    @user_agent.validator
    def _one_line(self, _: object, value: str | None) -> None:
        if value is not None and not is_field_value(value):
            raise SettingsError("user_agent", value, "text of one line in Latin-1")

    @mirror_list.validator
    def _listed(self, _: object, value: object) -> None:
        if value is not None and not isinstance(value, str) and not callable(value):
            raise SettingsError("mirror_list", value, "a URL, or a callable")

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
        if self.token is not None and self.username is not None:
            raise SettingsError("token", "***", "left out where there is a username")
        if self.http2:
            self._check_http2()
        elif "h2" in self.tls.alpn:
            raise SettingsError("tls.alpn", self.tls.alpn, "without h2, unless http2 is true")
        if self.url is None and (self.mirrors or self.mirror_list is not None):
            raise SettingsError("mirrors", self.mirrors or self.mirror_list, "given together with a url")
        if self.network.unix_socket is not None:
            for name in ("proxy", "proxy_from_environment"):
                if getattr(self, name):
                    raise SettingsError(name, getattr(self, name), "left out where there is a network.unix_socket")
        mine = () if self.url is None else (self.url,)
        object.__setattr__(self, "secret_origins", frozenset(origin_of(each) for each in (*mine, *self.origins)))

    def _check_http2(self) -> None:
        from importlib.util import find_spec

        if self.tls.alpn and "h2" not in self.tls.alpn:
            raise SettingsError("http2", True, "false where tls.alpn does not offer h2")
        if find_spec("h2") is None:
            raise SettingsError("http2", True, "false, or h2 installed: pip install 'twisted_pulp[http2]'")

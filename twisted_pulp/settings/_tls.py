"""TLS, as one upstream or one proxy wants it."""

from __future__ import annotations

import os
import re
from copy import copy
from typing import Any, Literal

from attrs import Attribute, evolve, field, fields, frozen

from twisted_pulp.errors import SettingsError
from twisted_pulp.settings._fields import choice, flag, one_line, texts

__all__ = ["TLS"]

# What may be told apart from a ready `options`.
_BESIDE_OPTIONS = frozenset({"options", "server_name", "pins", "alpn", "verify"})
_PIN = r"sha256/[A-Za-z0-9+/]{43}=|cert-sha256/[0-9A-Fa-f]{64}"
_NAME = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+").fullmatch
_VERSIONS = ("1.0", "1.1", "1.2", "1.3")


def _pem() -> Any:
    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if value is not None and (not isinstance(value, str) or not value):
            raise SettingsError(attribute.name, "***", "PEM text, the path of a file of PEM, or none")

    return field(default=None, validator=check, repr=False)


@frozen(kw_only=True)
class TLS:
    """
    Whom to trust, and who we are.

    :ivar ca_cert: further certificate authorities: PEM text, or the path of a PEM file; default None.
    :ivar platform_trust: whether the platform's authorities (else certifi's; SSL_CERT_FILE is honoured) are trusted
        beside `ca_cert`; default true.
    :ivar verify: whether the server's certificate and name are checked; default true. False is said in the log.
    :ivar client_cert: our certificate and its chain: PEM text, or the path of a PEM file; default None.
    :ivar client_key: the key of `client_cert`, as PEM or path; default None: it stands with the certificate.
    :ivar client_key_password: of an encrypted key; default None; never shown.
    :ivar min_version: the lowest version spoken: "1.0", "1.1", "1.2" (default) or "1.3".
    :ivar max_version: the highest; default None: the highest there is.
    :ivar ciphers: OpenSSL's list of ciphers up to TLS 1.2; default None: Twisted's. Ciphers that do not encrypt, or
        prove nobody, are never used.
    :ivar server_name: the name asked for (SNI) and expected in the certificate; default None: the URL's host.
    :ivar pins: what the certificate must be, one of them, beside being trusted: ``sha256/BASE64`` of its public key
        (RFC 7469 section 2.4) or ``cert-sha256/HEX`` of itself; default none.
    :ivar alpn: protocols offered (RFC 7301), in order; default none.
    :ivar key_log: path of a file that gets the keys of each session, for debugging; default None.
    :ivar options: in code only: a ready `CertificateOptions` or `IPolicyForHTTPS`, which says whom to trust and who we
        are; `server_name`, `pins` and `alpn` may stand beside it. A policy checks names itself. Default None.
    :ivar loaded: what the PEM held when this was made.
    """

    ca_cert: str | None = _pem()
    platform_trust: bool = flag(True)
    verify: bool = flag(True)
    client_cert: str | None = _pem()
    client_key: str | None = _pem()
    client_key_password: str | None = field(default=None, repr=False)
    min_version: Literal["1.0", "1.1", "1.2", "1.3"] = choice("1.2", *_VERSIONS)
    max_version: Literal["1.0", "1.1", "1.2", "1.3"] | None = choice(None, *_VERSIONS, None)
    ciphers: str | None = one_line()
    server_name: str | None = one_line()
    pins: tuple[str, ...] = texts()
    alpn: tuple[str, ...] = texts()
    key_log: str | None = one_line()
    options: Any = field(default=None, repr=False, hash=False, eq=id)
    loaded: Any = field(init=False, default=None, repr=False, hash=False)

    @client_key_password.validator
    def _is_text(self, _: object, value: object) -> None:
        if value is not None and not isinstance(value, str):
            raise SettingsError("client_key_password", "***", "text, or none")

    @pins.validator
    def _are_pins(self, _: object, value: tuple[str, ...]) -> None:
        for each in value:
            if not isinstance(each, str) or not re.fullmatch(_PIN, each):
                raise SettingsError("pins", each, "sha256/ and 44 characters of base64, or cert-sha256/ and 64 of hex")

    @alpn.validator
    def _are_names(self, _: object, value: tuple[str, ...]) -> None:
        for each in value:
            if not isinstance(each, str) or not each.isascii() or not 0 < len(each) < 256:
                raise SettingsError("alpn", each, "names of protocols, as h2 and http/1.1")

    @server_name.validator
    def _is_name(self, _: object, value: str | None) -> None:
        if value is not None and (not value.isascii() or not _NAME(value)):
            raise SettingsError("server_name", value, "a host name in ASCII, or an address")

    @key_log.validator
    def _can_be_written(self, _: object, value: str | None) -> None:
        if value is not None and (os.path.isdir(value) or not os.path.isdir(os.path.dirname(value) or ".")):
            raise SettingsError("key_log", value, "the path of a file, in a directory that is there")

    def __attrs_post_init__(self) -> None:
        if not self.platform_trust and self.ca_cert is None:
            raise SettingsError("platform_trust", False, "true where there is no ca_cert")
        if self.max_version is not None and self.max_version < self.min_version:
            raise SettingsError("max_version", self.max_version, f"at least min_version, {self.min_version}")
        if self.client_cert is None:
            for name in ("client_key", "client_key_password"):
                if getattr(self, name) is not None:
                    raise SettingsError(name, "***", "given together with client_cert")
        if self.options is not None:
            self._check_options()
        # What follows is slow to import, and wanted by few.
        if self.ciphers is not None:
            from twisted_pulp.settings._ciphers import check_ciphers

            check_ciphers(self.ciphers)
        if self.ca_cert is not None or self.client_cert is not None:
            from twisted_pulp.settings._pem import loaded

            found = loaded(self.ca_cert, self.client_cert, self.client_key, self.client_key_password)
            object.__setattr__(self, "loaded", found)

    def _check_options(self) -> None:
        from twisted.internet.ssl import CertificateOptions
        from twisted.web.iweb import IPolicyForHTTPS

        for each in fields(TLS):
            if each.init and each.name not in _BESIDE_OPTIONS and getattr(self, each.name) != each.default:
                raise SettingsError(each.name, "***", "left out beside options")
        if isinstance(self.options, CertificateOptions):
            if self.verify and not self.options.verify:
                raise SettingsError("options", "CertificateOptions that trust anybody", "given a trustRoot")
        elif not IPolicyForHTTPS.providedBy(self.options):
            raise SettingsError("options", type(self.options).__name__, "CertificateOptions, or an IPolicyForHTTPS")

    @property
    def identifies(self) -> bool:
        """Whether these settings say who we are."""
        return self.client_cert is not None or getattr(self.options, "certificate", None) is not None

    def anonymous(self) -> TLS:
        """Return the same settings without a client certificate, for those who must not see it."""
        if not self.identifies:
            return self
        if self.options is not None:
            options = object.__new__(type(self.options))
            without: dict[str, Any] = {"certificate": None, "privateKey": None, "extraCertChain": [], "_context": None}
            vars(options).update(vars(self.options) | without)
            return evolve(self, options=options)
        # No file is read once more: it may have changed.
        made, authorities = copy(self), self.loaded.authorities
        for name in ("client_cert", "client_key", "client_key_password", "loaded"):
            object.__setattr__(made, name, None)
        if authorities:
            object.__setattr__(made, "loaded", type(self.loaded)(authorities=authorities))
        return made

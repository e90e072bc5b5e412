"""Why a TLS handshake failed, in words."""

from __future__ import annotations

from OpenSSL import SSL

__all__ = ["handshake_words", "refusal"]

# X509_V_ERR_... (openssl/x509_vfy.h) in words.
_REASONS = {
    7: "the certificate's signature is wrong",
    9: "the certificate is not valid yet",
    10: "the certificate has expired",
    18: "the certificate is self-signed",
    19: "the chain ends in a self-signed certificate that is not trusted",
    20: "the certificate's issuer is not known",
    21: "the certificate's issuer was not sent",
    22: "the chain is too long",
    23: "the certificate was revoked",
    25: "the chain is longer than an authority in it allows",
    26: "the certificate is not for servers",
    32: "the issuer may not sign certificates",
    37: "the issuer is no certificate authority",
    47: "the certificate is for a name that its authority may not sign for",
    48: "the certificate is for a name that its authority may not sign for",
    66: "the certificate's key is too small",
    67: "an authority's key is too small",
    68: "the certificate's signature algorithm is too weak",
    79: "the issuer is no certificate authority",
}

# What OpenSSL says of a handshake, and what it means for us.
_WORDS = (
    (("alert protocol version", "unsupported protocol"), "no version of TLS that both sides speak"),
    (
        ("wrong version number", "packet length too long", "http request", "record layer failure"),
        "what answers does not speak TLS",
    ),
    (("certificate required",), "the server wants a client certificate"),
    (
        ("alert handshake failure", "no shared cipher", "no ciphers available", "alert insufficient security"),
        "no cipher that both sides allow, or the server wants a client certificate",
    ),
    (("alert no application protocol",), "no protocol that both sides speak (ALPN)"),
    (("alert unrecognized name", "unrecognized name"), "the server does not know that name"),
    (
        (
            "alert unknown ca",
            "alert bad certificate",
            "alert certificate expired",
            "alert certificate revoked",
            "alert certificate unknown",
            "alert unsupported certificate",
            "alert access denied",
        ),
        "the server refused our certificate",
    ),
    (("dh key too small", "ee key too small"), "the server's key is too small"),
    (("bad signature", "decrypt error"), "the server does not have the certificate's key"),
)


def refusal(transport: object) -> str | None:
    """
    Return why the certificate of *transport*'s peer was refused, or None.

    Ask as soon as the handshake has failed. It only looks at what OpenSSL found: the check itself, of the chain and of
    the name, is Twisted's, which a verify callback of ours would replace.
    """
    connection = getattr(transport, "_tlsConnection", None)
    if connection is None:
        return None
    code: int = SSL._lib.SSL_get_verify_result(connection._ssl)  # type: ignore[attr-defined]
    return _REASONS.get(code) or _openssl(code) if code else None


def _openssl(code: int) -> str:
    words = SSL._ffi.string(SSL._lib.X509_verify_cert_error_string(code))  # type: ignore[attr-defined]
    return f"OpenSSL's reason {code}, {words.decode('ascii', 'replace')}"


def handshake_words(said: str) -> str:
    """Return what *said*, OpenSSL's words for a handshake that failed, means; its words are part of it."""
    for known, meaning in _WORDS:
        if any(each in said for each in known):
            return f"{meaning}: {said}"
    return f"TLS failed: {said}"

"""Tests for `tests.servers.tls`: Twisted's own client believes what it should."""

from __future__ import annotations

import datetime

import pytest
import trustme
from OpenSSL.SSL import Error as TLSError
from pytest_twisted import ensureDeferred
from service_identity import VerificationError
from twisted.internet.ssl import PrivateCertificate

from tests.servers.client import Connect
from tests.servers.fixtures import StartScripted
from tests.servers.scripted import ok
from tests.servers.tls import Authority, ServerContext

_PAST = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)


async def _answer(
    context: ServerContext,
    start: StartScripted,
    connect: Connect,
    tls: Authority,
    identity: PrivateCertificate | None = None,
) -> bytes:
    server = await start(context)
    server.default = lambda _: ok(b"abc")
    client = await connect(server)
    client.secure(tls.ca_file.read_bytes(), identity=identity)
    client.get()
    await client.heard(1)
    if client.ended is not None:
        raise client.ended
    return await client.answer()


@ensureDeferred
async def test_chain(start_scripted: StartScripted, connect: Connect, tls: Authority) -> None:
    """Certificates of intermediate authorities are sent along."""
    leaf = tls.ca.create_child_ca().create_child_ca().issue_cert("localhost")
    assert b"abc" == await _answer(tls.server(leaf), start_scripted, connect, tls)


@ensureDeferred
async def test_refused(start_scripted: StartScripted, connect: Connect, tls: Authority) -> None:
    """A certificate of another name, another authority or another time is refused."""
    with pytest.raises(VerificationError):
        await _answer(tls.server(tls.leaf("other.test")), start_scripted, connect, tls)
    with pytest.raises(TLSError, match="verify failed"):
        await _answer(tls.server(tls.leaf(issuer=trustme.CA())), start_scripted, connect, tls)
    with pytest.raises(TLSError, match="verify failed"):
        await _answer(tls.server(tls.leaf(not_after=_PAST)), start_scripted, connect, tls)


# Twisted passes pyOpenSSL's own certificates and keys to it, which its newer releases do not like.
@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
@ensureDeferred
async def test_client_certificate(start_scripted: StartScripted, connect: Connect, tls: Authority) -> None:
    """A server can ask for a client's certificate, and refuse who has none."""
    clients = trustme.CA()
    mine = clients.issue_cert("me@example.com").private_key_and_cert_chain_pem.bytes()
    identity = PrivateCertificate.loadPEM(mine)  # type: ignore[no-untyped-call]
    context = tls.server(client_ca=clients)
    assert b"abc" == await _answer(context, start_scripted, connect, tls, identity)
    with pytest.raises(TLSError, match="certificate required"):
        await _answer(context, start_scripted, connect, tls)

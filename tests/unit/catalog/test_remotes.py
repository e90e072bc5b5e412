"""Remotes in the catalog: what was put in comes out, and what is secret is nowhere to be seen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Connection, create_engine, select
from twisted.web.client import BrowserLikePolicyForHTTPS

from tests.servers.tls import Authority
from twisted_pulp.catalog import Key, remotes
from twisted_pulp.catalog._tables import metadata, remote
from twisted_pulp.errors import KeyRefused, NameTaken, NotInCatalog, SettingsError
from twisted_pulp.settings import TLS, Network, Proxy, Remote, Timeouts

SECRET = "S3CR3T"
KEY = Key(Fernet.generate_key())


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A connection to a database in memory."""
    engine = create_engine("sqlite://")
    with engine.connect() as connected:
        metadata.create_all(connected)
        yield connected
    engine.dispose()


def everything(connection: Connection) -> str:
    """Return all that the table of remotes holds."""
    return repr(connection.execute(select(remote)).all())


@pytest.mark.parametrize(
    "given",
    [
        Remote(url="https://example.org/", username="user", password=SECRET),
        Remote(url=f"https://user:{SECRET}@example.org/"),
        Remote(url="https://example.org/", username="user", password="none"),
        Remote(token=SECRET),
        Remote(headers={"X-Key": SECRET, "A": ""}),
        Remote(url=f"https://example.org/?token={SECRET}"),
        Remote(url="https://example.org/", mirrors=(f"https://m.example/?t={SECRET}", "https://n.example/")),
        Remote(proxy=Proxy(url="http://p.example:1", username="user", password=SECRET)),
        Remote(proxy=Proxy(url=f"http://user:{SECRET}@p.example:1", no_proxy=("a", "b"))),
    ],
    ids=range(9),
)
def test_secrets(connection: Connection, given: Remote) -> None:
    """Secrets are not in the database, not in what is listed, and back in what reaches the upstream."""
    row = remotes.create(connection, "one", given, 5.0, key=KEY)
    assert row.secret
    assert SECRET not in everything(connection)
    assert SECRET not in repr([row, remotes.get(connection, "one"), *remotes.list(connection)])
    assert given == remotes.reach(connection, "one", KEY)
    assert given == remotes.reach(connection, row.id, KEY)


def test_client_key(connection: Connection, tls: Authority) -> None:
    """A private key is a secret wherever it stands."""
    chain, key = (path.read_text() for path in tls.files())
    given = Remote(tls=TLS(client_cert=chain, client_key=key))
    assert remotes.create(connection, "one", given, 5.0, key=KEY).secret
    assert "PRIVATE KEY" not in everything(connection)
    assert given == remotes.reach(connection, "one", KEY)


@pytest.mark.parametrize(
    "given",
    [
        Remote(),
        Remote(url="https://example.org/", timeouts=Timeouts(idle=None, headers=2.5), cookies=True),
        Remote(network=Network(hosts={"a.example": ("127.0.0.1", "::1")})),
        Remote(origins=("https://a.example", "https://b.example"), file_roots=("/srv",)),
    ],
    ids=range(4),
)
def test_plain(connection: Connection, given: Remote) -> None:
    """A Remote without secrets needs no key, and comes back as it was."""
    row = remotes.create(connection, "one", given, 5.0, type="python")
    assert ("one", "python", False, 5.0, 5.0) == (row.name, row.type, row.secret, row.created, row.updated)
    assert given == remotes.reach(connection, "one")


def test_code(connection: Connection) -> None:
    """What exists in code only is refused, not left out."""
    given = Remote(url="https://example.org/", mirror_list=lambda remote: ())
    with pytest.raises(SettingsError, match="mirror_list"):
        remotes.create(connection, "one", given, 5.0)
    with pytest.raises(SettingsError, match=r"tls\.options"):
        remotes.create(connection, "one", Remote(tls=TLS(options=BrowserLikePolicyForHTTPS())), 5.0)  # type: ignore[no-untyped-call]
    assert [] == remotes.list(connection)


def test_without_key(connection: Connection) -> None:
    """Secrets are neither kept nor read without the key, nor with another."""
    given = Remote(token=SECRET)
    with pytest.raises(KeyRefused):
        remotes.create(connection, "one", given, 5.0)
    remotes.create(connection, "one", given, 5.0, key=KEY)
    for key in (None, Key(Fernet.generate_key())):
        with pytest.raises(KeyRefused):
            remotes.reach(connection, "one", key)


def test_names(connection: Connection) -> None:
    """A name is one remote's; what is not there is said."""
    remotes.create(connection, "b", Remote(), 5.0)
    one = remotes.create(connection, "a", Remote(), 5.0)
    assert ["a", "b"] == [each.name for each in remotes.list(connection)]
    assert ["b"] == [each.name for each in remotes.list(connection, "a", 5)]
    assert one == remotes.by_id(connection, one.id)
    with pytest.raises(NameTaken, match="remote a"):
        remotes.create(connection, "a", Remote(), 5.0)
    with pytest.raises(NameTaken, match="remote b"):
        remotes.update(connection, "a", 6.0, {}, rename="b")
    remotes.delete(connection, "a")
    for call in (remotes.get, remotes.delete, remotes.reach):
        with pytest.raises(NotInCatalog, match="remote a"):
            call(connection, "a")
    with pytest.raises(NotInCatalog):
        remotes.by_id(connection, 99)


def test_update(connection: Connection) -> None:
    """Fields that are named change, the rest and the secrets stay."""
    remotes.create(connection, "one", Remote(url="https://example.org/", username="u", password=SECRET), 5.0, key=KEY)
    row = remotes.update(connection, "one", 6.0, {"timeouts.idle": 3}, rename="two", key=KEY)
    assert ("two", 5.0, 6.0, 3) == (row.name, row.created, row.updated, row.settings["timeouts"]["idle"])
    assert SECRET == remotes.reach(connection, "two", KEY).password
    row = remotes.update(connection, "two", 7.0, {"username": None, "password": None}, key=KEY)
    assert not row.secret
    assert remotes.reach(connection, "two").password is None
    with pytest.raises(SettingsError, match=r"timeouts\.idle"):
        remotes.update(connection, "two", 8.0, {"timeouts.idle": 0})
    assert 7.0 == remotes.get(connection, "two").updated

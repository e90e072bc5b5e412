"""What a settings file says of a daemon."""

from __future__ import annotations

import pytest

from twisted_pulp.settings import (
    Log,
    Retention,
    Schedule,
    ServiceLimits,
    Settings,
    read_document,
    read_settings,
    write_settings,
)
from twisted_pulp.settings._units import number_of

GOOD = """
data = "/srv/pulp"
listen = ["tcp:8080:interface=127.0.0.1", "unix:/run/pulp/api:mode=660"]
content_listen = "tcp:8081"
database = "postgresql://pulp:S3CR3T@db/pulp"
roles = ["api", "content"]

[limits]
grace = "1m"
body = "1M"
rate = "none"

[retention]
jobs = "7d"
failed = "none"

[log]
format = "json"

[remotes.debian]
url = "https://deb.example/debian/"

[schedules.nightly]
repository = "debian"
every = "1d"
jitter = "30m"
"""


def test_good() -> None:
    """Everything can be said in a file; seconds and bytes as people write them."""
    settings, mistakes = read_document(GOOD)
    assert [] == mistakes
    assert settings is not None
    assert ("/srv/pulp", ("tcp:8081",), ("api", "content")) == (settings.data, settings.content_listen, settings.roles)
    assert ("tcp:8080:interface=127.0.0.1", "unix:/run/pulp/api:mode=660") == settings.listen
    assert ServiceLimits(grace=60, body=1 << 20, rate=None) == settings.limits
    assert Retention(jobs=7 * 86400, failed=None) == settings.retention
    assert Log(format="json") == settings.log
    assert {"nightly": Schedule(repository="debian", every=86400, jitter=1800)} == settings.schedules


def test_nothing() -> None:
    """Nothing needs to be said: it listens on this machine only, and does all there is to do."""
    settings = Settings()
    assert (("tcp:8080:interface=127.0.0.1",), (), ()) == (
        settings.listen,
        settings.content_listen,
        settings.metrics_listen,
    )
    assert (None, None, None, None) == (settings.data, settings.database, settings.storage, settings.broker)
    assert (("api", "worker", "content"), 30.0, 32) == (settings.roles, settings.limits.grace, settings.limits.depth)


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("data = 'here'", 1, "data"),
        ("storage = 3", 1, "storage"),
        ("listen = ['8080']", 1, "listen"),
        ("listen = []", 1, "listen"),
        ("database = 'mysql://u:S3CR3T@h/'", 1, "database"),
        ("database = 3", 1, "database"),
        ("broker = 'amqp://u:S3CR3T@/'", 1, "broker"),
        ("broker = 'amqp://u:S3CR3T@h:0/'", 1, "broker"),
        ("broker = 'amqp://u:S3CR3T@h/a/b'", 1, "broker"),
        ("broker = 'redis://u:S3CR3T@h/'", 1, "broker"),
        ("broker = ['amqp://u:S3CR3T@h/']", 1, "broker"),
        ("broker = 3", 1, "broker"),
        ("storage = 'bytes'", 1, "storage"),
        ("storage = 's3:///p?secret_access_key=S3CR3T'", 1, "storage"),
        ("storage = 's3://b/p?secret_access_key=S3CR3T#x'", 1, "storage"),
        ("storage = 'http://h/p?secret_access_key=S3CR3T'", 1, "storage"),
        ("storage = 's3://[/p?secret_access_key=S3CR3T'", 1, "storage"),
        ("key = 'key'", 1, "key"),
        ("workers = -1", 1, "workers"),
        ("workers = 257", 1, "workers"),
        ("\nroles = ['api', 'boss']", 2, "roles"),
        ("roles = []", 1, "roles"),
        ("[limits]\njobs = 0", 2, "limits.jobs"),
        ("[limits]\ndatabase = 1", 2, "limits.database"),
        ("[limits]\n\ngrace = '3 parsecs'", 3, "limits.grace"),
        ("[limits]\nbody = '8X'", 2, "limits.body"),
        ("[limits]\njbos = 3", 2, "limits.jbos"),
        ("limits = 3", 1, "limits"),
        ("[retention]\ncount = -1", 2, "retention.count"),
        ("[log]\nformat = 'xml'", 2, "log.format"),
        ("[schedules.a]\nrepository = 'r'", 1, "schedules.a.every"),
        ("[schedules.a]\nevery = '1h'", 1, "schedules.a.repository"),
        ("[schedules.a]\nevery = 0\nrepository = 'r'", 2, "schedules.a.every"),
        ("[schedules.a]\nevery = '1d'\nkind = 'verify'\nrepository = 'r'", 4, "schedules.a.repository"),
        ("[schedules.a]\nevery = '1d'\nrepository = 'r'\ntype = 'a b'", 4, "schedules.a.type"),
    ],
)
def test_mistake(text: str, line: int, field: str) -> None:
    """A mistake is named by its line and its field, says what is allowed, and shows no secret."""
    settings, mistakes = read_document(text)
    assert settings is None
    assert [(line, field)] == [(each.line, each.field) for each in mistakes]
    assert "must be" in mistakes[0].reason
    assert "S3CR3T" not in str(mistakes)


def test_all_mistakes() -> None:
    """All mistakes are said at once, several of one table too."""
    text = "data = 3\nroles = ['x']\n[limits]\njobs = 0\nbody = '8X'\nreserve = -1\n[schedules.a]\nkind = 'nap'\n"
    _, mistakes = read_document(text)
    assert [1, 2, 4, 5, 6, 7, 8] == [each.line for each in mistakes]


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("30s", "seconds", 30),
        ("1.5h", "seconds", 5400),
        ("2 w", "seconds", 1_209_600),
        ("7", "seconds", 7),
        ("7", "bytes", 7),
        ("512K", "bytes", 524288),
        ("8MiB", "bytes", 8388608),
        ("1t", "bytes", 1 << 40),
    ],
)
def test_units(text: str, unit: str, number: float) -> None:
    """A letter says the unit, a number alone is in seconds or bytes."""
    assert number == number_of(text, unit)


@pytest.mark.parametrize(
    ("value", "unit"), [("1h", None), ("1y", "seconds"), ("1d", "bytes"), ("h", "seconds"), (3, "bytes")]
)
def test_no_number(value: object, unit: str | None) -> None:
    """Anything else is left as it is."""
    assert value is number_of(value, unit)


def test_written() -> None:
    """What is written has everything but secrets, and reads as the same."""
    settings, _ = read_document(GOOD)
    assert settings is not None
    text = write_settings(settings)
    assert b"S3CR3T" not in text
    again = read_settings(Settings, text)
    assert (settings.limits, settings.schedules, settings.remotes) == (again.limits, again.schedules, again.remotes)
    assert "S3CR3T" not in repr(settings)


@pytest.mark.parametrize(
    "url", ["local", None, "amqp://h", "amqp://u:p@h:5673/%2F", "amqps://u:p@[::1]/pulp?heartbeat=9"]
)
def test_broker(url: str | None) -> None:
    """A broker is in the process, or has a URL."""
    assert url == Settings(broker=url).broker


@pytest.mark.parametrize("place", ["/srv", "s3://bucket", "s3://b/p/q?region=x", "gs://b/p", "az://container/p", None])
def test_storage(place: str | None) -> None:
    """A storage is a directory, or a bucket."""
    assert place == Settings(storage=place).storage


CLUSTER = """
database = "postgresql://pulp:S3CR3T@db/pulp"
broker = "amqp://pulp:S3CR3T@mq/pulp"
storage = "s3://bucket/prefix?endpoint=http://rgw:7480&secret_access_key=S3CR3T"
key = "/run/secrets/key"
workers = 4
"""


def test_cluster() -> None:
    """Three URLs make a member of a cluster; what is secret in them is shown and written nowhere."""
    settings, mistakes = read_document(CLUSTER)
    assert [] == mistakes
    assert settings is not None
    assert ("/run/secrets/key", 4) == (settings.key, settings.workers)
    written = write_settings(settings, "toml") + write_settings(settings, "json")
    assert "S3CR3T" not in repr(settings) + written.decode()
    assert "amqp://***@mq/pulp" in repr(settings)
    assert b'"amqp://mq/pulp"' in write_settings(Settings(broker="amqp://mq/pulp"))
    assert b'"s3://bucket/prefix"' in write_settings(Settings(storage="s3://bucket/prefix"))

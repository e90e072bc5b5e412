"""URLs of buckets."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from twisted.internet.defer import execute

from tests.fakes import result_of
from twisted_pulp.errors import SettingsError
from twisted_pulp.storage import ObjectStorage
from twisted_pulp.storage._location import Location


def test_parsed() -> None:
    """A URL names a bucket and a prefix, and its options are the store's, the client's or ours."""
    location = Location.parsed(
        "s3://packages/some/mirror/?endpoint=http://h:1&secret_access_key=S3CR3T%2B&allow_http=true"
        "&connections=4&redirect=yes&expires=60&patience=9"
    )
    assert ("s3", "packages", "some/mirror") == (location.scheme, location.bucket, location.prefix)
    assert {"endpoint": "http://h:1", "secret_access_key": "S3CR3T+"} == location.options
    assert {"allow_http": True} == location.client
    assert (4, True, 60, 9) == (location.connections, location.redirect, location.expires, location.patience)
    assert "s3://packages/some/mirror" == str(location)
    assert "S3CR3T" not in repr(location)
    assert "gs://packages" == str(Location.parsed("gs://packages"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://", "s3://BUCKET/PREFIX"),
        ("s3:///prefix", "s3://BUCKET/PREFIX"),
        ("https://packages/prefix", "s3://BUCKET/PREFIX"),
        ("s3://user:S3CR3T@packages", "s3://BUCKET/PREFIX"),
        ("s3://packages/../other", "s3://BUCKET/PREFIX"),
        ("s3://packages/a/./b", "s3://BUCKET/PREFIX"),
        ("s3://packages/ü", "s3://BUCKET/PREFIX"),
        ("s3://packages#part", "s3://BUCKET/PREFIX"),
        ("s3://packages?connections=0", "from 1 to 86400"),
        ("s3://packages?connections=many", "from 1 to 86400"),
        ("s3://packages?expires=86401", "from 1 to 86400"),
        ("s3://packages?redirect=perhaps", "true or false"),
    ],
)
def test_refused(url: str, said: str) -> None:
    """What is no bucket's URL is refused, with what it may be and without its secrets."""
    with pytest.raises(SettingsError) as caught:
        Location.parsed(url)
    assert said in str(caught.value)
    assert "S3CR3T" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "s3://packages?secret_acess_key=S3CR3T",
        "s3://packages?checksum_algorithm=S3CR3T",
        "s3://packages?root_certificate=S3CR3T",
        "az://packages?account_key=S3CR3T",
    ],
)
def test_unknown_options(url: str) -> None:
    """An option that the store does not know is refused, without its value."""
    with pytest.raises(SettingsError, match="with other options") as caught:
        Location.parsed(url).store()
    assert "S3CR3T" not in str(caught.value)


def test_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each scheme has its store, with time limits; bodies as long as they are have one without."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    store = Location.parsed("s3://packages/a").store()
    assert ("15s", "60s", "120s") == tuple(
        store.client_options[name] for name in ("connect_timeout", "read_timeout", "timeout")
    )
    assert ("SHA256", "a") == (store.config["checksum_algorithm"], store.prefix)
    assert "86400s" == Location.parsed("s3://packages").store(streams=True).client_options["timeout"]
    assert "GCSStore" == type(Location.parsed("gs://packages?skip_signature=true").store()).__name__
    assert "AzureStore" == type(Location.parsed("az://packages?account_name=me").store()).__name__


def test_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where obstore is missing, it is said what to install."""
    monkeypatch.setitem(sys.modules, "obstore", None)
    opening = ObjectStorage.open(None, "s3://packages", tmp_path, in_thread=execute)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=r"pip install twisted_pulp\[objects\]"):
        result_of(opening)

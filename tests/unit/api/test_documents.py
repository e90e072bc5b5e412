"""Documents out of JSON: strict, and with a word on each mistake."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_pulp.documents import (
    InvalidDocument,
    NewDownload,
    NewDownloads,
    NewRemote,
    NewSync,
    RepositoryChange,
    read_document,
)

URL = "https://example.org/"


def test_given() -> None:
    """What is given is there, and everything else has its default."""
    document = {"items": [{"url": URL, "digests": {"sha256": "AB" * 32}}]}
    found = read_document(NewDownloads, document)
    item = found.items[0]
    assert (URL, None, None, None, 0) == (item.url, item.path, item.size, found.remote, found.priority)
    assert item.digests is not None
    assert {"sha256": "ab" * 32} == item.digests.given()


@pytest.mark.parametrize(
    ("kind", "data", "pointers"),
    [
        (NewDownloads, [], [""]),
        (NewDownloads, {"items": 3}, ["/items"]),
        (NewDownloads, {"items": [{"url": URL}, {"url": 3}]}, ["/items/1/url"]),
        (NewDownloads, {"items": [{"url": URL, "a/b~": 1}], "x": 2}, ["/x", "/items/0/a~1b~0"]),
        (NewDownload, {"url": "gopher://x/"}, ["/url"]),
        (NewDownload, {"url": URL, "size": 2**63}, ["/size"]),
        (NewDownload, {"url": URL, "size": True}, ["/size"]),
        (NewDownload, {"url": URL, "size": 1.5}, ["/size"]),
        (NewDownload, {"url": URL, "path": ""}, ["/path"]),
        (NewDownload, {"url": URL, "digests": {"sha257": "a"}}, ["/digests/sha257"]),
        (NewDownload, {"url": URL, "digests": {"md5": "g" * 32}}, ["/digests/md5"]),
        (NewRemote, {"name": "x\n", "url": URL}, [""]),
        (NewRemote, {"name": "../x", "url": URL}, ["/name"]),
        (NewSync, {"repository": "x", "mirror": "yes"}, ["/mirror"]),
        (RepositoryChange, {"retain": 0}, ["/retain"]),
    ],
)
def test_mistakes(kind: Any, data: Any, pointers: list[str]) -> None:
    """Each mistake says where it is."""
    with pytest.raises(InvalidDocument) as caught:
        read_document(kind, data)
    assert pointers == [each.pointer for each in caught.value.faults]


def test_many_mistakes() -> None:
    """Of many mistakes some are told."""
    data = {"items": [{"url": URL, "x": 1}] * 1000}
    with pytest.raises(InvalidDocument) as caught:
        read_document(NewDownloads, data)
    assert 20 == len(caught.value.faults)

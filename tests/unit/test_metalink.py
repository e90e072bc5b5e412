"""Metalinks: files and headers that say where files are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_pulp.download import Pieces, Source
from twisted_pulp.errors import SettingsError
from twisted_pulp.headers import Fields
from twisted_pulp.metalink import Metalink, duplicates, looks_like, read_metalink

SHA256, SHA1, MD5 = "ab" * 32, "cd" * 20, "ef" * 16
V4 = '<metalink xmlns="urn:ietf:params:xml:ns:metalink">{}</metalink>'
V3 = '<metalink version="3.0" xmlns="http://www.metalinker.org/"><files>{}</files></metalink>'
FILE = f"""
<file name="a/b.iso">
  <identity>Example</identity>
  <size>524288</size>
  <hash type="sha-256">{SHA256.upper()}</hash>
  <hash type="sha-1">{SHA1}</hash>
  <hash type="whirlpool">00</hash>
  <pieces length="1048576" type="sha-1"><hash>{SHA1}</hash><hash>{SHA1}</hash></pieces>
  <pieces length="524288" type="sha-256"><hash>{SHA256}</hash></pieces>
  <pieces length="1" type="tiger"><hash>00</hash></pieces>
  <url location="de" priority="2"> http://m1.example/b.iso </url>
  <url priority="1">ftp://m2.example/b.iso</url>
  <url>https://m3.example/b.iso</url>
  <url>rsync://m4.example/b.iso</url>
  <metaurl mediatype="torrent">http://example.com/b.iso.torrent</metaurl>
</file>"""
FILE3 = f"""
<file name="b.iso">
  <size>5</size>
  <verification>
    <hash type="sha1">{SHA1}</hash><hash type="sha256">{SHA256}</hash>
    <pieces length="262144" type="sha1"><hash piece="0">{SHA1}</hash></pieces>
  </verification>
  <resources>
    <url type="http" location="uk" preference="100">http://m1.example/b.iso</url>
    <url type="ftp" preference="0">ftp://m2.example/b.iso</url>
    <url type="bittorrent" preference="100">torrent:b</url>
  </resources>
</file>"""


def read(files: str, form: str = V4, base: str | None = None) -> Metalink:
    """Return what a metalink with *files* asks for."""
    return read_metalink(form.format(files).encode(), base)


def test_version_4() -> None:
    """All that counts of a file is read: name, size, hashes, pieces, and URLs by priority."""
    metalink = read(FILE)
    (download,) = metalink.downloads
    assert ("a/b.iso", 524288, ()) == (download.path, download.size, metalink.refused)
    assert {"sha256": SHA256, "sha1": SHA1} == download.digests
    assert Pieces(524288, "sha256", [SHA256]) == download.pieces
    assert [
        ("ftp://m2.example/b.iso", 1),
        ("http://m1.example/b.iso", 2),
        ("https://m3.example/b.iso", 999999),
    ] == [(source.url, source.priority) for source in download.sources]


def test_version_3() -> None:
    """The older version is read too; its preferences count the other way round."""
    (download,) = read(FILE3, V3).downloads
    assert ("b.iso", 5, {"sha1": SHA1, "sha256": SHA256}) == (download.path, download.size, dict(download.digests))
    assert Pieces(262144, "sha1", [SHA1]) == download.pieces
    expected = [("http://m1.example/b.iso", 1), ("ftp://m2.example/b.iso", 101)]
    assert expected == [(source.url, source.priority) for source in download.sources]


def test_sparse() -> None:
    """A name and a URL are enough."""
    (download,) = read('<file name="f"><url>http://h/f</url></file>').downloads
    assert (None, {}, None) == (download.size, dict(download.digests), download.pieces)
    (download,) = read('<file name="f"><resources><url>http://h/f</url></resources></file>', V3).downloads
    assert (None, {}, None) == (download.size, dict(download.digests), download.pieces)


def test_relative() -> None:
    """A relative URL is resolved against that of the metalink; without one it is none."""
    text = '<file name="f"><url>pool/f</url></file>'
    assert "http://h/d/pool/f" == read(text, base="http://h/d/f.meta4").downloads[0].url
    assert (("f", "url is 'nothing', but it must be at least one URL that can be fetched"),) == read(text).refused


@pytest.mark.parametrize(
    "name", ["../f", "/etc/passwd", "a/../../f", "a//f", "C:f", "a\\f", "nul", "f.pulp-part", "a/%2e%2e/f", " f", ""]
)
def test_names(name: str) -> None:
    """A name that leads elsewhere, or is no file name everywhere, is refused; the other files are not."""
    good = '<file name="f"><url>http://h/f</url></file>'
    metalink = read(f'<file name="{name}"><url>http://h/f</url></file>{good}')
    assert [["f"], [name]] == [[each.path for each in metalink.downloads], [each for each, _ in metalink.refused]]


@pytest.mark.parametrize(
    "inside",
    [
        "<url>http://h/f</url><size>x</size>",
        "<url>http://h/f</url><size>-1</size>",
        '<url>http://h/f</url><hash type="sha-256">zz</hash>',
        '<url>http://h/f</url><pieces length="0" type="sha-256"><hash>00</hash></pieces>',
        '<url>http://h/f</url><pieces type="sha-256"/>',
        '<url priority="0">http://h/f</url>',
        '<url priority="one">http://h/f</url>',
        "<url>http://:99999/</url>",
        "<url>torrent:f</url>",
    ],
)
def test_bad_file(inside: str) -> None:
    """A file that is not what it must be is refused, and the reason is said."""
    ((name, reason),) = read(f'<file name="f">{inside}</file>').refused
    assert ("f", True) == (name, "must be" in reason)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no XML",
        b"<html></html>",
        b"<metalink></metalink>",
        V4.format("").encode(),
        V3.format("").encode(),
        b"<!DOCTYPE m [<!ENTITY a 'b'>]>" + V4.format(FILE).encode(),
        V4.format(FILE).encode()[:-5],
        b"\xff\xfe<",
    ],
)
def test_no_metalink(data: bytes) -> None:
    """What is no metalink, or has a document type, which can be a bomb, is an error."""
    with pytest.raises(SettingsError, match="metalink"):
        read_metalink(data)


def test_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A metalink has an end."""
    monkeypatch.setattr("twisted_pulp.metalink._file._LONGEST", 10)
    with pytest.raises(SettingsError, match="at most 10 bytes"):
        read(FILE)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """Whatever comes is an error that says so."""
    with pytest.raises(SettingsError):
        read_metalink(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"<?xml", True), (b"\xef\xbb\xbf \n<metalink", True), (b"http://h/<", False), (b"", False), (b"{", False)],
)
def test_looks_like(data: bytes, expected: bool) -> None:
    """The first character tells a metalink from other lists."""
    assert expected == looks_like(data)


# RFC 6249


def found(value: str, url: str = "http://h/d/f") -> list[tuple[str, int]]:
    """Return URL and priority of each duplicate that a Link of *value* names."""
    return [(each.url, each.priority) for each in duplicates(Fields([(b"Link", value.encode("latin-1"))]), url)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            "<http://m2/f>; rel=duplicate; pri=2; geo=gb, <ftp://m1/f>; rel=duplicate; pri=1; depth=1",
            [("ftp://m1/f", 1), ("http://m2/f", 2)],
        ),
        ('<https://m/f>; rel="self duplicate"', [("https://m/f", 999999)]),
        ("</other/f>; REL=Duplicate", [("http://h/other/f", 999999)]),
        ("<f.meta4>; rel=describedby; type=application/metalink4+xml", []),
        ("<http://m/f>; rel=duplicate; pri=none", [("http://m/f", 999999)]),
        ("<http://m/f>; rel=duplicate; rel=next", [("http://m/f", 999999)]),
        ('<http://m/f,g>; title="a, <b>; rel=duplicate"', []),
        ("<file:///etc/passwd>; rel=duplicate", []),
        ("<http://:99999/>; rel=duplicate", []),
        ("http://m/f; rel=duplicate", []),
        ("", []),
    ],
)
def test_duplicates(value: str, expected: list[tuple[str, int]]) -> None:
    """A Link that is a duplicate is another place of the file."""
    assert expected == found(value)


def test_no_link() -> None:
    """Most responses name no other place."""
    assert [] == duplicates(Fields(()), "http://h/f")


def test_stays_protected() -> None:
    """What was asked for by https is asked for nowhere without it."""
    value = "<http://m/f>; rel=duplicate, <ftp://m/f>; rel=duplicate, <https://m/f>; rel=duplicate"
    assert [("https://m/f", 999999)] == found(value, "https://h/f")


def test_not_too_many() -> None:
    """A hundred places are enough."""
    assert 100 == len(found(", ".join(f"<http://m{number}/f>; rel=duplicate" for number in range(200))))


@given(st.text(max_size=100))
def test_any_link(value: str) -> None:
    """Whatever a server says, it is understood or left out."""
    made = duplicates(Fields([(b"Link", value.encode("utf-8", "replace"))]), "http://h/f")
    assert all(isinstance(each, Source) for each in made)

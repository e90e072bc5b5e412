"""examples/newest.py: what pages of the simple API say."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from examples.python_index.pages import ACCEPT, PageError, files_on
from twisted_pulp import Remote

REMOTE = Remote()
URL = "https://index.example/simple/attrs/"
SHA256 = "ab" * 32
WHEEL = "attrs-26.1.0-py3-none-any.whl"


def page(*files: Mapping[str, object], version: str = "1.1") -> bytes:
    """Write a page in JSON."""
    return json.dumps({"meta": {"api-version": version}, "name": "attrs", "files": files}).encode()


def test_accept() -> None:
    """JSON is asked for first, then HTML by its own name, then any HTML."""
    kinds = [part.strip().partition(";q=") for part in ACCEPT.split(",")]
    wishes = {kind: float(quality or 1) for kind, _, quality in kinds}
    assert [
        "application/vnd.pypi.simple.v1+json",
        "application/vnd.pypi.simple.v1+html",
        "text/html",
    ] == sorted(wishes, key=lambda kind: -wishes[kind])


def test_json() -> None:
    """A page in JSON gives every field, and its URLs are relative to it."""
    entry = {
        "filename": WHEEL,
        "url": "../../files/" + WHEEL,
        "hashes": {"md5": "cd" * 16, "sha256": SHA256},
        "requires-python": ">=3.9",
        "size": 12,
        "yanked": False,
        "upload-time": "2026-01-01T00:00:00Z",
    }
    (file,) = files_on(page(entry), "application/vnd.pypi.simple.v1+json", URL, REMOTE)
    assert ("attrs", "26.1.0", WHEEL) == (file.project, str(file.version), file.name)
    assert f"https://index.example/files/{WHEEL}" == file.url
    assert {"sha256": SHA256} == file.digests
    assert (12, ">=3.9", False) == (file.size, file.requires_python, file.yanked)
    assert REMOTE is file.remote


@pytest.mark.parametrize(("yanked", "expected"), [(False, False), (True, True), ("broken", True), ("", True)])
def test_json_yanked(yanked: object, expected: bool) -> None:
    """A reason, even an empty one, means that the file was taken back."""
    entry = {"filename": WHEEL, "url": WHEEL, "hashes": {}, "yanked": yanked}
    (file,) = files_on(page(entry), "application/vnd.pypi.simple.v1+json", URL, REMOTE)
    assert expected is file.yanked


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "JSON that is no page"),
        (b"\xff\xfe", "JSON that is no page"),
        (b'{"meta": {"api-version": "1.0"}}', "files"),
        (page(version="2.0"), "version '2.0'"),
        (page(version="newest"), "version 'newest'"),
    ],
)
def test_json_refused(content: bytes, words: str) -> None:
    """What is no page, or one of a version to come, is an error that says so."""
    with pytest.raises(PageError, match=words):
        files_on(content, "application/vnd.pypi.simple.v1+json", URL, REMOTE)


def test_html() -> None:
    """A page in HTML gives what its attributes and fragments say, with character references undone."""
    content = f"""<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.3"></head><body>
        <A HREF="../../files/{WHEEL}#sha256={SHA256}" data-requires-python="&gt;=3.9,&lt;4">some text</A>
        <a href="attrs-25.1.0.tar.gz" data-yanked>old</a>
        <a href="https://elsewhere.example/attrs-24.1.0+local.1.tar.gz?a=b&amp;c=d#egg=attrs">old</a>
        <a href="attrs-23.1.0%2Blocal.zip">old</a>
        <a href="/about.html">about</a> <a name="no-reference">a</a></body></html>"""
    files = files_on(content.encode(), "text/html; charset=UTF-8", URL, REMOTE)
    assert [WHEEL, "attrs-25.1.0.tar.gz", "attrs-24.1.0+local.1.tar.gz", "attrs-23.1.0+local.zip"] == [
        file.name for file in files
    ]
    assert [
        f"https://index.example/files/{WHEEL}",
        URL + "attrs-25.1.0.tar.gz",
        "https://elsewhere.example/attrs-24.1.0+local.1.tar.gz?a=b&c=d",
        URL + "attrs-23.1.0%2Blocal.zip",
    ] == [file.url for file in files]
    assert [{"sha256": SHA256}, {}, {}, {}] == [file.digests for file in files]
    assert [">=3.9,<4", None, None, None] == [file.requires_python for file in files]
    assert [False, True, False, False] == [file.yanked for file in files]


def test_html_base() -> None:
    """References are relative to the first base of a page, and that to the page."""
    content = b"<base href='../pool/'><base href='/other/'><a href='attrs-1.tar.gz'>a</a>"
    (file,) = files_on(content, "application/vnd.pypi.simple.v1+html", URL, REMOTE)
    assert "https://index.example/simple/pool/attrs-1.tar.gz" == file.url


def test_html_charset() -> None:
    """A page is read in the charset that its server names."""
    content = "<a href='attrs-1.tar.gz' data-requires-python='>=3'>\u00fc</a>".encode("utf-16")
    (file,) = files_on(content, "text/html; charset=utf-16", URL, REMOTE)
    assert ">=3" == file.requires_python


@pytest.mark.parametrize(
    ("content_type", "content", "words"),
    [
        ("text/html; charset=klingon", b"a", "charset"),
        ("text/html", b"<meta name='pypi:repository-version' content='2.0'>", "version '2.0'"),
        ("text/html", b"<meta name='pypi:repository-version'>", "version ''"),
        ("application/json", b"{}", "'application/json'"),
        ("", b"", "type ''"),
    ],
)
def test_refused(content_type: str, content: bytes, words: str) -> None:
    """Another type, a charset nobody knows, and a version to come are errors that say so."""
    with pytest.raises(PageError, match=words):
        files_on(content, content_type, URL, REMOTE)


@pytest.mark.parametrize("reference", ["http://[::1", "https://a b/attrs-1.tar.gz", "mailto:x", "\x07", ""])
def test_bad_links(reference: str) -> None:
    """A link that leads to no file is left out; the others count."""
    entries: list[dict[str, object]] = [
        {"filename": "attrs-1.tar.gz", "url": each, "hashes": {}} for each in ("http://[::1", "ok.tar.gz")
    ]
    assert [URL + "ok.tar.gz"] == [
        file.url for file in files_on(page(*entries), "application/vnd.pypi.simple.v1+json", URL, REMOTE)
    ]
    content = f"<a href='{reference}'>a</a><a href='attrs-1.tar.gz'>b</a>".encode()
    assert [URL + "attrs-1.tar.gz"] == [file.url for file in files_on(content, "text/html", URL, REMOTE)]


@pytest.mark.parametrize(
    ("hashes", "expected"),
    [
        ({"sha512": "00" * 64, "sha256": SHA256}, {"sha256": SHA256}),
        ({"sha512": "00" * 64, "blake2b_256": "00" * 32}, {"sha512": "00" * 64}),
        ({"md5": "00" * 16, "sha1": "00" * 20}, {}),
    ],
)
def test_digests(hashes: dict[str, str], expected: dict[str, str]) -> None:
    """Of several digests the best known one counts, and of those that prove nothing none."""
    entry = {"filename": WHEEL, "url": WHEEL, "hashes": hashes}
    (file,) = files_on(page(entry), "application/vnd.pypi.simple.v1+json", URL, REMOTE)
    assert expected == file.digests


@pytest.mark.parametrize(
    "name", ["attrs-1.whl", "attrs.tar.gz", "attrs-one.tar.gz", "attrs-1.exe", "../attrs-1-py3-none-any.whl", ""]
)
def test_other_names(name: str) -> None:
    """A file that is neither a wheel nor a source distribution is left out."""
    entry = {"filename": name, "url": "x", "hashes": {}}
    assert [] == files_on(page(entry), "application/vnd.pypi.simple.v1+json", URL, REMOTE)


CONTENT_TYPES = st.sampled_from(["application/vnd.pypi.simple.v1+json", "text/html", "text/html; charset=utf-16"])
TEXTS = st.text() | st.sampled_from(["http://[", "//", WHEEL, "attrs-1.tar.gz", "file:///etc/passwd", "\udc80"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    st.lists,
    max_leaves=3,
)
ENTRIES = st.fixed_dictionaries(
    {"filename": TEXTS, "url": TEXTS, "hashes": st.dictionaries(TEXTS, TEXTS, max_size=3)},
    optional={"requires-python": VALUES, "yanked": VALUES, "size": VALUES},
)
PIECES = st.sampled_from(
    [
        "<",
        ">",
        "a ",
        "href=",
        "'",
        '"',
        "base ",
        "meta ",
        "name=pypi:repository-version ",
        "content=",
        "<!",
        "<![",
        "--",
        "&",
        "#",
    ]
)


def only_page_errors(content: bytes, content_type: str) -> None:
    """Read a page that may be anything; what is wrong with it must be a `PageError`."""
    try:
        files = files_on(content, content_type, URL, REMOTE)
    except PageError:
        return
    assert all("/" not in file.name and file.url.isascii() for file in files)


@given(st.binary(), CONTENT_TYPES | st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])))
def test_any_bytes(content: bytes, content_type: str) -> None:
    """Whatever an index sends, under whatever name, is files or an error that says what it is not."""
    only_page_errors(content, content_type)


@given(st.lists(ENTRIES, max_size=3))
def test_any_json(entries: list[dict[str, object]]) -> None:
    """Pages in JSON with anything in their fields are files or an error."""
    only_page_errors(page(*entries), "application/vnd.pypi.simple.v1+json")


@given(st.lists(PIECES | TEXTS).map("".join))
@example("<![n")
@example("<!DOCTYPE [")
def test_any_html(content: str) -> None:
    """Pages in broken HTML are files or an error."""
    only_page_errors(content.encode("utf-8", "surrogatepass"), "text/html")

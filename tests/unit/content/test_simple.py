"""Pages of simple indexes: their links change, and nothing else."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_pulp.content.simple import SIMPLE
from twisted_pulp.streamer import LinkedPage

ROOT = "https://index.example/"
SHA256, OTHER = "5a" * 32, "0f" * 32
HTML = "application/vnd.pypi.simple.v1+html"
JSON = "application/vnd.pypi.simple.v1+json"
FILES = "../../+files/https/files.example/"


def page(path: str = "simple/foo/") -> LinkedPage:
    """Return a page that has this path upstream and here."""
    return LinkedPage(ROOT + path, ROOT, path)


def rewritten(text: str, one: LinkedPage | None = None, kind: str = HTML) -> str:
    """Return the page as it is served."""
    body = SIMPLE.filtered(text.encode(), kind, one or page())
    return text if body is None else body.decode()


def digests(one: LinkedPage) -> dict[str, dict[str, str]]:
    """Return what is remembered of the files that a page names."""
    return {link.url: dict(link.digests) for link in one.links.values()}


# HTML

PAGE = f"""<!DOCTYPE html>
<html>
  <head>
    <meta name="pypi:repository-version" content="1.1">
    <title>Links for foo</title>
  </head>
  <body>
    <h1>Links for foo</h1>
    <a href="https://files.example/aa/foo-1.0-py3-none-any.whl#sha256={SHA256}" data-requires-python="&gt;=3.8"
       data-dist-info-metadata="sha256={OTHER}" data-core-metadata="sha256={OTHER}">foo-1.0-py3-none-any.whl</a><br />
    <a href="https://files.example/bb/foo-0.9.tar.gz#sha256={OTHER}" data-yanked="it &quot;broke&quot;">foo</a><br/>
  </body>
</html>
<!--SERIAL 12345-->"""


def test_html() -> None:
    """The links of a page stay on the Distribution; digests, attributes and everything else stay as they are."""
    one = page()
    assert PAGE.replace("https://files.example/", FILES) == rewritten(PAGE, one)
    assert {
        "https://files.example/aa/foo-1.0-py3-none-any.whl": {"sha256": SHA256},
        "https://files.example/aa/foo-1.0-py3-none-any.whl.metadata": {"sha256": OTHER},
        "https://files.example/bb/foo-0.9.tar.gz": {"sha256": OTHER},
    } == digests(one)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("<a href='/a'>", '<a href="../../a">'),
        ("<a href=/a>", '<a href="../../a">'),
        ("<A HREF = '/a' >", '<A HREF = "../../a" >'),
        ("<a\nclass=x\nhref\n=\n'/a'\n>", '<a\nclass=x\nhref\n=\n"../../a"\n>'),
        ("<a/href='/a'/>", '<a/href="../../a"/>'),
        ('<a title="it\'s > this" href="/a">', '<a title="it\'s > this" href="../../a">'),
        ("<a title=it's href=/a>", '<a title=it\'s href="../../a">'),
        ('<a href="/a?b&amp;c=d">', '<a href="../../a?b&amp;c=d">'),
        ('<a href="&#x2f;a">', '<a href="../../a">'),
        ('<a href="/\'a">', '<a href="../../&#x27;a">'),
        ('<a href="/a" href="/b">', '<a href="../../a" href="../../b">'),
        ('<p title="<a href=/b>"><a href="/a">', '<p title="<a href=/b>"><a href="../../a">'),
        ('<a href="/a"', '<a href="/a"'),
        ('<a href="/a', '<a href="/a'),
        ("<a href>", "<a href>"),
        ('<a href="">', '<a href="">'),
        ('<abbr href="/a">', '<abbr href="/a">'),
        ('</a href="/a">', '</a href="/a">'),
        ('<!-- <a href="/a"> --><a href="/b">', '<!-- <a href="/a"> --><a href="../../b">'),
        ('<!--><a href="/b">', '<!--><a href="../../b">'),
        ('<!-- <a href="/a">', '<!-- <a href="/a">'),
        ('<script>"<a href=/a>"</script><a href="/b">', '<script>"<a href=/a>"</script><a href="../../b">'),
        ('<title><a href="/a"></TITLE ><a href="/b">', '<title><a href="/a"></TITLE ><a href="../../b">'),
        ('<title><a href="/a">', '<title><a href="/a">'),
    ],
)
def test_markup(given: str, expected: str) -> None:
    """What is a link is decided as browsers do."""
    assert expected == rewritten(given)


def test_base() -> None:
    """A base element counts for all links of the page, and is gone afterwards."""
    one = page()
    text = '<a href="a"><base href="https://files.example/x/"><base href="/no/"><base target="_top"><a href="b">'
    expected = f'<a href="{FILES}x/a"><base target="_top"><a href="{FILES}x/b">'
    assert expected == rewritten(text, one)


@pytest.mark.parametrize(
    ("attributes", "siblings"),
    [
        ('data-core-metadata="true"', {".metadata": {}}),
        ('data-dist-info-metadata="true"', {".metadata": {}}),
        (f'data-core-metadata="sha256={OTHER}"', {".metadata": {"sha256": OTHER}}),
        ('data-core-metadata="false"', {}),
        ("data-core-metadata", {}),
        ('data-gpg-sig="true"', {".asc": {}}),
        ('data-gpg-sig="false"', {}),
    ],
)
def test_siblings(attributes: str, siblings: dict[str, dict[str, str]]) -> None:
    """A file's metadata, and its signature, are had where the page says that there are any."""
    one, url = page(), "https://files.example/foo.whl"
    rewritten(f'<a href="{url}" {attributes}>', one)
    assert {url: {}, **{url + ending: told for ending, told in siblings.items()}} == digests(one)


@pytest.mark.parametrize(
    "text",
    [
        '<meta name="pypi:repository-version" content="1.0"><a href="/a">',
        f'<a href="/a"><a href="/a#sha256={SHA256}">',
        '<a href="/a#md5=5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a">',
    ],
)
def test_recognised(text: str) -> None:
    """A page of plain HTML is one of an index if it says so, or tells digests."""
    assert '<a href="../a' in rewritten(text, page("x/"), "text/html")


def test_recognised_by_path() -> None:
    """What is below a directory "simple" is a page of an index."""
    assert '<a href="../a">' == rewritten('<a href="/a">', page("simple/"), "text/html; charset=utf-8")


def test_others() -> None:
    """Other pages of a tree stay as they are."""
    text = '<title>Simple things</title><a href="/a"><a href="https://files.example/foo-1.0.tar.gz#readme">'
    assert None is SIMPLE.filtered(text.encode(), "text/html", page("x/"))


def test_nothing_to_do() -> None:
    """A page whose links stay on the Distribution anyway is as it was."""
    assert None is SIMPLE.filtered(b'<a href="foo-1.whl">', HTML, page())


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("\u00e9\u4e00".encode(), HTML),
        (b"\xe9\xff\x80", HTML),
        (b"\xe9\xff\x80", f"{HTML}; charset=iso-8859-1"),
        (b"\xe9\xff\x80", f'{HTML}; charset="windows-1252"'),
        (b"\xe9\xff\x80", f"{HTML}; charset=rot13"),
        (b"\xe9\xff\x80", f"{HTML}; charset=utf-16"),
        (b"\xe9\xff\x80", f"{HTML}; charset=no-such-thing"),
    ],
)
def test_charsets(body: bytes, kind: str) -> None:
    """Characters that are none of a link's stay the same bytes, whatever they are."""
    expected = body + b'<a href="../../a">' + body
    assert expected == SIMPLE.filtered(body + b'<a href="/a">' + body, kind, page())


def test_utf16() -> None:
    """A page of 16-bit characters stays as it is: no client knows indexes of these."""
    assert None is SIMPLE.filtered('<a href="/a">'.encode("utf-16"), HTML, page())


class Links(HTMLParser):
    """The links of a page as pip finds them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


def links(text: str) -> list[str]:
    """Return what pip finds in a page."""
    parser = Links()
    parser.feed(text)
    return parser.found


NAME = st.text("abc-._~%+&;=\"'<>é/?", min_size=1, max_size=12)
TAG = st.builds(
    lambda url, quote, more: f"<a{more} href={quote}{url}{quote}>x</a>".replace("\n", " "),
    st.builds("https://files.example/{}".format, st.text("abcé-._~+/", max_size=12)),
    st.sampled_from("\"'"),
    st.sampled_from(["", " data-yanked", " title='>'", ' title="<a>"', "\n"]),
)


@given(st.lists(TAG))
def test_found_by_pip(tags: list[str]) -> None:
    """Of a page in order, pip finds no link that leads elsewhere."""
    text = "".join(tags)
    found = links(rewritten(text))
    assert len(tags) == len(found)
    assert all(link.startswith(FILES) for link in found)


SOUP = st.lists(
    st.sampled_from(
        [
            *("<a", "<a ", "</a>", ">", "href", "=", '"', "'", " ", "/", "<!--", "-->", "<base href=", "<title>"),
            "</title>",
            "<script>",
            "</script",
            f"{ROOT}x",
            "/y",
            "z",
            "#sha256=" + SHA256,
            "&amp;",
            "&",
            "<",
            "\0",
            "é",
        ]
    ),
    max_size=40,
)


@given(SOUP)
def test_soup(parts: list[str]) -> None:
    """Whatever a page is, it is served; and links that were made to stay below the top are not changed again."""
    text = "".join(parts)
    once = rewritten(text)
    assert once == rewritten(once)
    assert rewritten(text.replace(ROOT, "https://files.example/")) is not None


@given(st.binary())
def test_bytes(body: bytes) -> None:
    """Bytes that are no page stay what they are, but for links in them."""
    found = SIMPLE.filtered(b'<a href="/a">' + body, HTML, page())
    assert found is not None
    assert found.startswith(b'<a href="../../a">')


@pytest.mark.parametrize(
    "piece",
    [
        "<!--",
        '<a href="',
        "<a href='",
        "<a x=\"'><a x='",
        "<script>",
        "<title>",
        "<a ",
        "<a/",
        "<a ==",
        "&#",
        "<a href=/x>",
    ],
)
def test_linear(piece: str) -> None:
    """Twenty times as long a page takes at most a hundred times as long, however it was made to take longer."""

    def seconds(count: int) -> float:
        text = piece * count
        before = time.process_time()
        rewritten(text)
        return time.process_time() - before

    short = min(seconds(2_000) for _ in range(3))
    assert seconds(40_000) < 100 * max(short, 0.001)


# JSON

DOCUMENT: dict[str, Any] = {
    "meta": {"api-version": "1.3", "_last-serial": 12345},
    "name": "foo",
    "versions": ["0.9", "1.0"],
    "files": [
        {
            "filename": "foo-1.0-py3-none-any.whl",
            "url": "https://files.example/aa/foo-1.0-py3-none-any.whl",
            "hashes": {"sha256": SHA256, "md5": "5a" * 16},
            "size": 1234,
            "core-metadata": {"sha256": OTHER},
            "data-dist-info-metadata": {"sha256": OTHER},
            "requires-python": ">=3.8",
            "upload-time": "2025-01-01T00:00:00.000000Z",
            "yanked": False,
            "provenance": "https://index.example/integrity/foo/1.0/provenance",
        },
        {
            "filename": "foo-0.9.tar.gz",
            "url": "../../packages/foo-0.9.tar.gz",
            "hashes": {},
            "yanked": "broken",
            "gpg-sig": True,
            "_extra": [None, 1.5, 2**70],
        },
    ],
}


def filtered(document: object, one: LinkedPage | None = None) -> Any:
    """Return the document as it is served."""
    body = SIMPLE.filtered(msgspec.json.encode(document), JSON, one or page())
    return document if body is None else msgspec.json.decode(body)


def test_json() -> None:
    """The links of a page stay on the Distribution; everything else stays what it is."""
    one = page()
    expected = msgspec.json.decode(msgspec.json.encode(DOCUMENT))
    expected["files"][0]["url"] = f"{FILES}aa/foo-1.0-py3-none-any.whl"
    expected["files"][0]["provenance"] = "../../integrity/foo/1.0/provenance"
    expected["files"][1]["url"] = "../../packages/foo-0.9.tar.gz"
    assert expected == filtered(DOCUMENT, one)
    assert {
        "https://files.example/aa/foo-1.0-py3-none-any.whl": {"sha256": SHA256},
        "https://files.example/aa/foo-1.0-py3-none-any.whl.metadata": {"sha256": OTHER},
    } == digests(one)


def test_same_links() -> None:
    """Both forms of a page lead to the same files."""
    url = "https://files.example/foo-1.whl"
    html, json = page(), page()
    rewritten(f'<a href="{url}#sha256={SHA256}" data-core-metadata="sha256={OTHER}" data-gpg-sig="true">', html)
    file = {"url": url, "hashes": {"sha256": SHA256}, "core-metadata": {"sha256": OTHER}, "gpg-sig": True}
    assert f"{FILES}foo-1.whl" == filtered({"files": [file]}, json)["files"][0]["url"]
    assert html.links == json.links


@pytest.mark.parametrize("metadata", [True, {}, {"sha256": 1}, "x"])
def test_json_metadata(metadata: object) -> None:
    """Metadata of which there is no digest can be had all the same."""
    one = page()
    filtered({"files": [{"url": "https://files.example/a", "core-metadata": metadata}]}, one)
    expected = (
        {"https://files.example/a", "https://files.example/a.metadata"} if metadata else {"https://files.example/a"}
    )
    assert expected == set(digests(one))


@pytest.mark.parametrize(
    "document",
    [
        {"meta": {"api-version": "1.0"}, "projects": [{"name": "foo"}]},
        {"files": []},
        {"files": {}},
        {"files": [1, None, "a", {}, {"url": 1}, {"url": None, "provenance": 2}]},
        [],
        "https://files.example/a",
        None,
    ],
)
def test_no_links(document: object) -> None:
    """Pages without links, and what is none, stay what they are."""
    assert document == filtered(document)


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"\xff", b"[" * 100_000, b'{"files":[{"url":"a"}'])
def test_no_json(body: bytes) -> None:
    """What is not JSON is what clients may make of it."""
    assert None is SIMPLE.filtered(body, JSON, page())


JSONS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
FILE = st.dictionaries(st.sampled_from(["url", "hashes", "size", "core-metadata", "gpg-sig", "provenance", "x"]), JSONS)


@given(st.lists(FILE | JSONS))
def test_any_json(files: list[Any]) -> None:
    """Whatever is in a page: only links change."""
    found = filtered({"files": files})

    def others(each: Any) -> Any:
        return {**each, "url": 0, "provenance": 0} if isinstance(each, dict) else each

    assert [others(each) for each in files] == [others(each) for each in found["files"]]


@given(st.from_regex(re.compile(r"(https?:)?(//files\.example)?/?[a-z./]{0,12}\Z"), fullmatch=True))
def test_same_file(reference: str) -> None:
    """A link of a page leads to the same file in both forms."""
    html, json = page(), page()
    rewritten(f'<a href="{reference}">', html)
    filtered({"files": [{"url": reference}]}, json)
    assert html.links == json.links

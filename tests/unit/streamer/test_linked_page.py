"""Pages: what stands for a link on a Distribution, and which files are remembered."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_pulp.errors import MetadataError
from twisted_pulp.streamer import LinkedPage
from twisted_pulp.streamer._links import elsewhere

ROOT = "https://index.example/"
SHA256 = "5a" * 32


def made(
    url: str = f"{ROOT}simple/foo/", root: str = ROOT, path: str = "simple/foo/", *, closed: bool = False
) -> LinkedPage:
    """Return a page of an index."""
    return LinkedPage(url, root, path, closed)


@pytest.mark.parametrize(
    ("reference", "here"),
    [
        ("foo-1.whl", "foo-1.whl"),
        ("./foo-1.whl", "../../simple/foo/foo-1.whl"),
        ("../bar/", "../../simple/bar/"),
        ("/simple/bar/", "../../simple/bar/"),
        ("/packages/foo-1.whl#sha256=5a", "../../packages/foo-1.whl#sha256=5a"),
        ("https://index.example/a", "../../a"),
        ("https://INDEX.example:443/a?b#c", "../../a?b#c"),
        ("//index.example/a", "../../a"),
        ("https://index.example", "../../"),
        ("https://index.example/a/../b/./c/..", "../../b/"),
        (" \n/a\tb ", "../../ab"),
        ("#top", "../../simple/foo/#top"),
        ("", ""),
        ("?a", "../../simple/foo/?a"),
        ("https://files.example/a/foo-1.whl#b", "../../+files/https/files.example/a/foo-1.whl#b"),
        ("https://files.example:8443/a?b=c", "../../+files/https/files.example:8443/a?b=c"),
        ("https://[2001:db8::1]/a", "../../+files/https/%5B2001:db8::1%5D/a"),
        ("https://index.example//a", "../../+files/https/index.example//a"),
        ("https://index.example//evil.example/a/../b", "../../+files/https/index.example//evil.example/b"),
        ("/+files/https/evil.example/a", "../../+files/https/index.example/+files/https/evil.example/a"),
        ("/%2Bfiles/x", "../../+files/https/index.example/%2Bfiles/x"),
        ("https://b\u00fccher.example/\u00e9 ", "../../+files/https/xn--bcher-kva.example/%C3%A9"),
    ],
)
def test_here(reference: str, here: str) -> None:
    """A link becomes one that is relative to the page, and names neither this server nor another one."""
    assert here == made().here(reference)


@pytest.mark.parametrize(
    "reference",
    [
        "ftp://files.example/a",
        "javascript:alert(1)",
        "mailto:somebody@example",
        "data:text/html,a",
        "https://user:secret@files.example/a",
        "https://files.example/%2e%2e/a",
        "http://files.example/a",
        "https://files.example/" + "a" * 2000,
        "https://[/a",
        "https://",
    ],
)
def test_stays(reference: str) -> None:
    """What cannot be had through the Distribution keeps its link, and is not remembered."""
    one = made()
    assert reference == one.here(reference)
    assert {} == one.links


def test_clear() -> None:
    """What is fetched in clear needs a digest, unless the page came in clear itself."""
    assert "../../+files/http/files.example/a" == made().here("http://files.example/a", {"sha256": SHA256})
    weak = made().here("http://files.example/a", {"md5": "5a" * 16})
    assert "http://files.example/a" == weak
    clear = made("http://index.example/simple/foo/", "http://index.example/")
    assert "../../+files/http/files.example/a" == clear.here("http://files.example/a")


def test_remembered() -> None:
    """Files that are elsewhere, and those with digests, are remembered, with their siblings."""
    one = made()
    one.here("/a.whl", {"SHA256": SHA256.upper(), "md5": "5a" * 16}, {".metadata": {"sha256": "b" * 64}, ".asc": {}})
    one.here("https://files.example/b.whl", siblings={".asc": {}})
    found = {link.url: dict(link.digests) for link in one.links.values()}
    assert {
        f"{ROOT}a.whl": {"sha256": SHA256},
        f"{ROOT}a.whl.metadata": {"sha256": "b" * 64},
        "https://files.example/b.whl": {},
        "https://files.example/b.whl.asc": {},
    } == found


def test_named_twice() -> None:
    """A file that is named with a digest, and without, has it."""
    one = made()
    one.here("https://files.example/a", {"sha256": SHA256})
    one.here("https://files.example/a")
    assert [{"sha256": SHA256}] == [dict(link.digests) for link in one.links.values()]


@pytest.mark.parametrize("told", [{"sha256": "5a"}, {"sha256": "x" * 64}, {"sha3": "5a" * 32}, {"sha1": "5a" * 20}])
def test_no_digest(told: dict[str, str]) -> None:
    """What is no digest, or proves nothing, is not expected of a file."""
    one = made()
    one.here("https://files.example/a", told)
    assert [{}] == [dict(link.digests) for link in one.links.values()]


def test_remote_below() -> None:
    """What is above the Remote's URL is elsewhere, though the host is the same."""
    one = made(f"{ROOT}simple/foo/", f"{ROOT}simple", "foo/")
    assert "../bar/" == one.here("/simple/bar/")
    assert "../+files/https/index.example/packages/a" == one.here("/packages/a")
    assert "../+files/https/index.example/simpler/a" == one.here("/simpler/a")
    assert "../" == one.here("/simple/")


def test_top() -> None:
    """On a page at the top of the Distribution no reference can be taken for a scheme's."""
    one = made(ROOT, ROOT, "")
    assert "./a:b" == one.here("/a:b")


def test_redirected() -> None:
    """Links of a page that came from elsewhere begin there; the client does not know of that."""
    one = made("https://other.example/index/foo/?signature=S3CR3T", ROOT, "simple/foo")
    assert "../+files/https/other.example/index/foo/a.whl" == one.here("a.whl")
    assert "../+files/https/other.example/index/foo/#a" == one.here("#a")


def test_secrets() -> None:
    """Neither credentials nor queries of the page's own URL get into links."""
    one = LinkedPage("https://user:S3CR3T@index.example/simple/foo/?token=S3CR3T", ROOT, "simple/foo/", closed=True)
    found = [one.here(each) for each in ("a", "./a", "?", "?b", "#c", "", ".", "/x")]
    assert not [each for each in found if "S3CR3T" in each]
    assert not [link for link in one.links.values() if "S3CR3T" in link.url]


def test_closed() -> None:
    """Below a Remote whose URL has a query, files that have one of their own are elsewhere."""
    assert "../../+files/https/index.example/a?b" == made(closed=True).here("/a?b")


@pytest.mark.parametrize(
    ("base", "here"),
    [
        ("https://files.example/x/", "../../+files/https/files.example/x/a"),
        ("/y/", "../../y/a"),
        ("mailto:nobody", "a"),
    ],
)
def test_rebase(base: str, here: str) -> None:
    """Relative links begin where the page's base element says, if that is anywhere."""
    one = made()
    one.rebase(base)
    assert here == one.here("a")


def test_too_many() -> None:
    """A page that names too many files is not served."""
    one = LinkedPage(ROOT, ROOT, "", most=2)
    one.here("https://files.example/1")
    one.here("https://files.example/2")
    with pytest.raises(MetadataError, match="more than 2 files"):
        one.here("https://files.example/3")


def test_needs_http() -> None:
    """Only the Remotes of HTTP have pages."""
    with pytest.raises(ValueError, match="HTTP"):
        LinkedPage("file:///srv/a/", "file:///srv/", "a/")


BASE = "http://127.0.0.1/content/base/"


@given(st.text(), st.sampled_from(["simple/foo/", "simple/foo", "", "a/b/c?d=e/f"]))
def test_never_beyond(reference: str, path: str) -> None:
    """Whatever a link is: what it becomes is a file of the Distribution, or not below this server at all."""
    one = made(ROOT + path, ROOT, path)
    here = one.here(reference)
    try:
        at = urljoin(BASE + path, here.split("#")[0])
        host = urlsplit(at).hostname
    except ValueError:
        return
    if here != reference and host == "127.0.0.1":
        assert at.startswith(BASE)


@given(
    st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), min_size=1, max_size=4),
    st.sampled_from([{}, {"sha256": SHA256}]),
)
def test_found_again(segments: list[str], digests: dict[str, str]) -> None:
    """The link to a file elsewhere leads to what was remembered of it, however its path is written."""
    one = made()
    here = one.here("https://files.example/" + "/".join(segments), digests).partition("#")[0]
    if not here.startswith("../../+files/"):
        return
    path, mark, query = here.removeprefix("../../+files/").partition("?")
    assert elsewhere(path.split("/"), query if mark else None) in one.links

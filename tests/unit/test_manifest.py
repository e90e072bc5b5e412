"""PULP_MANIFEST: its lines, read piece by piece, and where its files are."""

from __future__ import annotations

import random
import sys
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twisted_pulp.errors import MetadataError
from twisted_pulp.manifest import (
    Entry,
    ManifestReader,
    Suspect,
    directory_of,
    entry_of,
    find_path,
    line_of,
    parsed,
    url_of,
)
from twisted_pulp.manifest._line import LONGEST_PATH
from twisted_pulp.manifest._paths import Paths
from twisted_pulp.manifest._reader import LONGEST_LINE

HEX = "ab" * 32
URL = "http://example.org/pool/PULP_MANIFEST"


def read(data: bytes, size: int | None = None) -> list[Entry]:
    """Return the entries of *data*, fed in pieces of *size* bytes."""
    reader, entries = ManifestReader(URL), []
    for start in range(0, len(data), size or len(data) or 1):
        entries += reader.feed(data[start : start + (size or len(data))])
    entries += reader.finish()
    assert [] == reader.suspects
    return entries


@st.composite
def some_entries(draw: st.DrawFn) -> list[Entry]:
    """Entries that a manifest can hold."""
    part = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
    paths = st.lists(part.filter(lambda each: each not in (".", "..")), min_size=1, max_size=3).map("/".join)
    writable = paths.filter(
        lambda path: path.encode() == path.encode().strip() and not path.startswith(("#", "\ufeff"))
    )
    entry = st.builds(
        Entry, writable, st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(0, (1 << 63) - 1)
    )
    return draw(st.lists(entry, max_size=5, unique_by=lambda each: each.path))


# Lines


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (f"a.iso,{HEX},42", Entry("a.iso", HEX, 42)),
        (f"a.iso,{HEX.upper()},0", Entry("a.iso", HEX, 0)),
        (f"  b/c d.iso , {HEX}\t, 0042 \r", Entry("b/c d.iso", HEX, 42)),
        (f"a,b,c.iso,{HEX},1", Entry("a,b,c.iso", HEX, 1)),
        (f",,{HEX},1", Entry(",", HEX, 1)),
        (f"{HEX},1,{HEX},1", Entry(f"{HEX},1", HEX, 1)),
        (f"ä/%3a?#;.iso,{HEX},1", Entry("ä/%3a?#;.iso", HEX, 1)),
        (f".hidden/...,{HEX},1", Entry(".hidden/...", HEX, 1)),
        (f"a,{HEX},{(1 << 63) - 1}", Entry("a", HEX, (1 << 63) - 1)),
        ("x" * LONGEST_PATH + f",{HEX},1", Entry("x" * LONGEST_PATH, HEX, 1)),
    ],
)
def test_entries(line: str, entry: Entry) -> None:
    """The last two commas count, blanks around fields do not, and hex is lower-case."""
    assert entry == entry_of(line.encode())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"a.iso", "not of the form"),
        (f"a.iso,{HEX}".encode(), "not of the form"),
        (b"a.iso,abcd,1", "has 4 characters instead of 64"),
        (f"a.iso,{HEX}0,1".encode(), "has 65 characters"),
        (b"a.iso," + b"g" * 64 + b",1", "not hexadecimal"),
        (f"a.iso,{HEX},".encode(), "size is not a whole number"),
        (f"a.iso,{HEX},-1".encode(), "size is not a whole number"),
        (f"a.iso,{HEX},+1".encode(), "size is not a whole number"),
        (f"a.iso,{HEX},1_0".encode(), "size is not a whole number"),
        (f"a.iso,{HEX},1.5".encode(), "size is not a whole number"),
        (f"a.iso,{HEX},١".encode(), "size is not a whole number"),
        (f"a.iso,{HEX},{'9' * 20}".encode(), "size is not a whole number"),
        (f"a.iso,{HEX},{1 << 63}".encode(), "larger than any"),
        (f" ,{HEX},1".encode(), "path is empty"),
        (f"/etc/passwd,{HEX},1".encode(), "slash"),
        (f"a/,{HEX},1".encode(), "slash"),
        (f"a//b,{HEX},1".encode(), "slash"),
        (f"http://evil/b,{HEX},1".encode(), "slash"),
        (f"..,{HEX},1".encode(), "'..'"),
        (f"a/../b,{HEX},1".encode(), "'..'"),
        (f"../../etc/passwd,{HEX},1".encode(), "'..'"),
        (f"./a,{HEX},1".encode(), "'.'"),
        (f"a\0b,{HEX},1".encode(), "control"),
        (f"a\rb,{HEX},1".encode(), "control"),
        (b"\xff," + HEX.encode() + b",1", "UTF-8"),
        (b"x" * (LONGEST_PATH + 1) + b"," + HEX.encode() + b",1", f"longer than {LONGEST_PATH} bytes"),
    ],
)
def test_bad(line: bytes, reason: str) -> None:
    """A line that is none says why."""
    with pytest.raises(ValueError, match=reason):
        entry_of(line)


def test_parsed() -> None:
    """What does not end as a line of a manifest is none; what does, must be one."""
    assert parsed(b"https://a/b,c,d") is None
    assert parsed(f"a,{HEX},1".encode()) == Entry("a", HEX, 1)
    with pytest.raises(ValueError, match="slash"):
        parsed(f"/a,{HEX},1".encode())


@given(st.binary(max_size=200))
@example(b"," * 200)
@example(b" " * 100 + b"," + b" " * 100)
def test_any_line(line: bytes) -> None:
    """Whatever comes is an entry with a safe path, or a ValueError."""
    try:
        entry = entry_of(line)
    except ValueError:
        return
    parts = entry.path.split("/")
    assert not {"", ".", ".."}.intersection(parts)
    assert (64, True) == (len(entry.sha256), entry.size >= 0)


@given(some_entries())
def test_round_trip(entries: list[Entry]) -> None:
    """What is written is read again as it was, however it is cut."""
    data = b"".join(map(line_of, entries))
    assert [entries] * 3 == [read(data), read(data, 1), read(data, 7)]


@pytest.mark.parametrize(
    "path", ["", "/a", "a/", "a//b", "..", "a/.", " a", "a ", "a\nb", "#a", "\ufeffa", "\ud800", "x" * 2000]
)
def test_unwritable(path: str) -> None:
    """A path that would be read as something else is not written."""
    with pytest.raises(ValueError, match="path"):
        line_of(Entry(path, HEX, 1))


@pytest.mark.parametrize("entry", [Entry("a", "ab", 1), Entry("a", "g" * 64, 1), Entry("a", HEX, -1)])
def test_unwritable_values(entry: Entry) -> None:
    """A digest or size that is none is not written."""
    with pytest.raises(ValueError, match="sha256 or the size"):
        line_of(entry)


# Reader


def test_pieces() -> None:
    """Comments, blank lines, CRLF, a byte order mark and a last line without end are as one expects."""
    data = f"\ufeffa,{HEX},1\r\n\n# b,{HEX},2\n  #\n \t\nc,d,{HEX},3".encode()
    expected = [Entry("a", HEX, 1), Entry("c,d", HEX, 3)]
    assert [expected] * len(data) == [read(data, size) for size in range(1, len(data) + 1)]


def test_arrives() -> None:
    """An entry is there when its line is, not before."""
    reader = ManifestReader(URL)
    assert [] == reader.feed(b"a," + HEX.encode())
    assert [Entry("a", HEX, 1)] == reader.feed(b",1\nb,")
    assert 1 == reader.line
    with pytest.raises(MetadataError, match=r"line 2: not of the form"):
        reader.finish()


def test_nothing_counts() -> None:
    """Pieces of nothing but ends of lines count as lines, wherever they come."""
    reader = ManifestReader(URL)
    assert [] == reader.feed(b"\n" * 1000) + reader.feed(b"# a")
    assert [] == reader.feed(b"\n\n")
    with pytest.raises(MetadataError, match="line 1004"):
        reader.feed(b"\nbad\n")


def test_empty() -> None:
    """No lines are no entries."""
    assert [] == read(b"")


def test_line_number() -> None:
    """An error says which line of which manifest, comments and blank lines counted."""
    reader = ManifestReader("http://user:secret@example.org/PULP_MANIFEST?sig=1")
    with pytest.raises(MetadataError) as caught:
        reader.feed(f"# one\n\na,{HEX},1\n../b,{HEX},1\n".encode())
    assert 4 == caught.value.line
    assert str(caught.value).startswith("line 4: the path has a part that is '.' or '..' (")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("start", [b"", b"#"])
def test_endless_line(start: bytes) -> None:
    """A line longer than any has a bound while it comes in pieces, a comment too."""
    reader = ManifestReader(URL)
    assert [] == reader.feed(start + b"x" * (LONGEST_LINE - 1))
    assert [] == reader.feed(b"" if start else b"x")
    with pytest.raises(MetadataError, match="line 1: longer than 65536 bytes"):
        reader.feed(b"x")


def test_long_line_at_once() -> None:
    """A long line that comes with its end is refused as one that comes in pieces."""
    with pytest.raises(MetadataError, match="line 2: longer"):
        ManifestReader(URL).feed(b"# \n#" + b"x" * LONGEST_LINE + b"\n")


def test_duplicate() -> None:
    """The second of two equal paths is set aside, and can be found where it was before."""
    data = f"# a,{HEX},1\nb,{HEX},1\na,{HEX},1\nc,{HEX},1\na ,{'cd' * 32},2\n".encode()
    reader = ManifestReader(URL)
    assert ["b", "a", "c"] == [each.path for each in reader.feed(data)]
    (suspect,) = reader.suspects
    assert Suspect(Entry("a", "cd" * 32, 2), 5) == suspect
    line = find_path(data.splitlines(), "a")
    assert 3 == line
    assert "line 5: the path 'a' was there before, in line 3" in str(reader.repeated(suspect, line))


def test_collision() -> None:
    """A hash that another path had sets an entry aside too, but its path is found nowhere before."""
    data = f"\ufeffa,{HEX},1\nxb,{HEX},1\nb,{HEX},1\n".encode()
    reader = ManifestReader(URL, paths=Paths(len))
    assert ["a", "xb"] == [each.path for each in reader.feed(data)]
    (suspect,) = reader.suspects
    assert "b" == suspect.entry.path
    assert find_path(data.splitlines()[: suspect.line - 1], "b") is None
    assert 1 == find_path(data.splitlines(), "a")


@given(st.lists(st.binary(max_size=40), max_size=20), st.randoms(use_true_random=False))
def test_any_bytes(pieces: list[bytes], rng: random.Random) -> None:
    """Whatever comes in whatever pieces, the outcome is the same as at once: entries, or the same error."""
    good = f"a{rng.random()},{HEX},1\n".encode()
    data = b"".join(rng.choice([piece, good, b"\n"]) for piece in pieces)

    def outcome(size: int) -> object:
        reader = ManifestReader(URL)
        try:
            found = [entry for start in range(0, len(data), size) for entry in reader.feed(data[start : start + size])]
            return found + reader.finish(), reader.suspects, reader.line
        except MetadataError as error:
            return str(error), error.line

    assert outcome(len(data) or 1) == outcome(1) == outcome(13)


def test_flipped_bits() -> None:
    """One bit flipped anywhere: the manifest is refused, or no unit that differs is one that the files would prove."""
    rng = random.Random(25)
    entries = [Entry(f"dir/{number}.bin", f"{rng.getrandbits(256):064x}", number * 7) for number in range(50)]
    data = b"".join(map(line_of, entries))
    true = {entry.path: entry for entry in entries}
    refused = wrong = same = 0
    for _ in range(1000):
        bit = rng.randrange(8 * len(data))
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            found = read(bytes(flipped))
        except MetadataError:
            refused += 1
            continue
        except AssertionError:  # a path that another line has
            refused += 1
            continue
        # A path that is not on the server is a 404; a wrong digest or size of one that is fails its download.
        strange = [each for each in found if true.get(each.path) != each]
        wrong += bool(strange)
        same += not strange and len(found) == len(entries)
    assert 1000 == refused + wrong + same
    assert refused > 300
    assert wrong > 300


# Paths


def test_paths() -> None:
    """Of many paths each is new once, and none is lost when tables grow."""
    paths = Paths()
    names = [f"pool/{number:06}.rpm" for number in range(50_000)]
    assert [] == [name for name in names if paths.add(name)]
    assert [] == [name for name in names if not paths.add(name)]
    assert (50_000, "<Paths 50000>") == (len(paths), repr(paths))


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=200))
@example([0, 1, 1 << 8, 0])
def test_paths_as_a_set(hashes: list[int]) -> None:
    """Whatever the hashes, one that was there before is never called new."""
    paths, before = Paths(int), set[int]()
    for each in hashes:
        assert paths.add(str(each)) or each not in before
        before.add(each)


def test_memory() -> None:
    """To know half a million paths takes less than 10 MiB, and hardly more while a table grows."""
    paths = Paths()
    assert not any(paths.add(f"pool/{number:07}.rpm") for number in range(500_000))
    sizes = [sys.getsizeof(table) for table in paths._tables]
    assert 500_000 == len(paths)
    assert sum(sizes) + max(sizes) < 10 << 20


# URLs


@pytest.mark.parametrize(
    ("url", "directory"),
    [
        ("http://example.org/pool/PULP_MANIFEST", "http://example.org/pool/"),
        ("http://example.org/PULP_MANIFEST?token=a/b", "http://example.org/"),
        ("http://example.org", "http://example.org/"),
        ("https://example.org:8443/a%20b/PULP_MANIFEST", "https://example.org:8443/a%20b/"),
        ("file:///srv/a%20b/PULP_MANIFEST", "file:///srv/a%20b/"),
        ("ftp://example.org/pub/PULP_MANIFEST", "ftp://example.org/pub/"),
    ],
)
def test_directory(url: str, directory: str) -> None:
    """Files are beside the manifest, without its query."""
    assert directory == directory_of(url)


@pytest.mark.parametrize(
    ("path", "quoted"),
    [
        ("a/b-1.0~rc1_2.iso", "a/b-1.0~rc1_2.iso"),
        ("b/c d.iso", "b/c%20d.iso"),
        ("a,b.iso", "a%2Cb.iso"),
        ("50%.iso", "50%25.iso"),
        ("a%3ab", "a%253ab"),
        ("%2e%2e/b", "%252e%252e/b"),
        ("a?b#c;d", "a%3Fb%23c%3Bd"),
        ("d:e.iso", "d%3Ae.iso"),
        ("ä/\U0001f600", "%C3%A4/%F0%9F%98%80"),
        ("a\\..\\b", "a%5C..%5Cb"),
    ],
)
def test_url(path: str, quoted: str) -> None:
    """A path is a file's name, and nothing in it has a meaning in a URL."""
    assert f"http://h/x/{quoted}" == url_of("http://h/x/", path)
    assert f"file:///x/{quoted}" == url_of("file:///x/", path)


@given(some_entries())
def test_url_is_below(entries: list[Entry]) -> None:
    """Whatever the path, its URL is below the directory and stands for that path again."""
    for entry in entries:
        url = urlsplit(url_of("http://example.org/pool/", entry.path))
        assert ("http", "example.org", "", "") == (url.scheme, url.netloc, url.query, url.fragment)
        assert f"/pool/{entry.path}" == unquote(url.path)

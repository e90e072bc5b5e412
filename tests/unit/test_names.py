"""Names from the network become paths below a directory, or nothing."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twisted_pulp.documents import NewRepository
from twisted_pulp.errors import PathError, SettingsError
from twisted_pulp.names import JOURNAL, PARTIAL, called, file_name_of, inside

PAYLOADS = [
    "",
    "/",
    ".",
    "..",
    "../x",
    "a/../x",
    "a/../../x",
    "a/..",
    "./x",
    "a/./x",
    "a//x",
    "a/",
    "/etc/passwd",
    "//host/share",
    "..\\x",
    "a\\..\\..\\x",
    "\\\\host\\share",
    "C:/x",
    "C:x",
    "c:",
    "a/C:x",
    "%2e%2e/x",
    "%2E%2e/x",
    ".%2e/x",
    "%2e",
    "a%2fb",
    "..%2fx",
    "..%5cx",
    "%2e%2e%2fx",
    "x%00.txt",
    "a\0b",
    "a\nb",
    "a\rb",
    "a\x1bb",
    "a\x7fb",
    "a\u2028b",
    "a\u202eb",
    "a\u2066b",
    "a\ud800b",
    "a*",
    "a?",
    'a"',
    "a<b",
    "a>b",
    "a|b",
    "a.",
    "a ",
    " a",
    "a./b",
    "...",
    "CON",
    "con.txt",
    "a/Aux",
    "nul.tar.gz",
    "COM1",
    "lpt9.x",
    "com\u00b9",
    "CONIN$",
    "conout$.x",
    "prn",
    "a" * 256,
    "é" * 128,
    "a/" * 2048 + "b",
    "x" + PARTIAL,
    "a/x" + JOURNAL,
]


@pytest.mark.parametrize("name", PAYLOADS, ids=lambda name: ascii(name)[:30])
def test_refused(name: str) -> None:
    """What would leave the directory, or is no portable file name, is refused."""
    with pytest.raises(PathError):
        inside("/srv/mirror", name)


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "a/b/c.rpm",
        "..a",
        "a..b",
        "...a",
        ".hidden",
        "a b",
        "a%20b",
        "100%",
        "a%zz",
        "a:b:c" if os.name == "nt" else "ab:c",
        "console",
        "com10",
        "a" * 255,
        "é" * 127,
        "x" + PARTIAL + "x",
        "~root",
        "-rf",
        "$HOME",
    ],
)
def test_allowed(name: str) -> None:
    """What is a file name everywhere stays as it is."""
    assert f"/srv/mirror/{name}" == inside("/srv/mirror", name)


def test_relative() -> None:
    """The directory may be relative."""
    assert "mirror/a/b" == inside("mirror", "a/b")


def test_composed() -> None:
    """Two spellings of one name are one path, so that neither hides the other."""
    composed, apart = "caf\u00e9/x", "cafe\u0301/x"
    assert inside("/d", composed) == inside("/d", apart)


def test_says_why() -> None:
    """The error names what was wanted, printably, and what is wrong with it."""
    with pytest.raises(PathError, match=r"'a/\.\./x' cannot be a path below the directory: it is absolute"):
        inside("/d", "a/../x")


SEPARATED = st.lists(
    st.sampled_from(["..", ".", "", "a", "%2e%2e", "%2f", "..%5c", "con", "x.", "\\", "C:", "é", "e\u0301", "\0"])
    | st.text(),
    max_size=6,
).map("/".join)


@given(SEPARATED)
@example("\ufe52/x")
@example("\uff0e\uff0e/x")
@example("\u2024\u2024/x")
@example("\u0344" * 80)
def test_never_outside(name: str) -> None:
    """Whatever the name, its path is below the directory, on POSIX and on Windows."""
    try:
        path = inside("/srv/mirror", name)
    except PathError:
        return
    assert os.path.normpath(path) == path
    assert path.startswith("/srv/mirror/")
    below = path.removeprefix("/srv/mirror/")
    windows = PureWindowsPath(below)
    assert not windows.is_absolute()
    assert "" == windows.drive
    assert ".." not in windows.parts
    assert len(PurePosixPath(below).parts) == len(windows.parts)
    assert all(len(os.fsencode(part)) <= 255 for part in below.split("/"))


@given(SEPARATED)
def test_settled(name: str) -> None:
    """A name that was accepted is accepted again, as the same path."""
    try:
        path = inside("/d", name)
    except PathError:
        return
    assert path == inside("/d", path.removeprefix("/d/"))


@given(st.text(), st.sampled_from(["NFC", "NFD"]))
def test_twins(name: str, form: str) -> None:
    """A name and its other spelling go to the same place, or nowhere."""
    twin = unicodedata.normalize(form, name)  # type: ignore[arg-type]

    def place(text: str) -> str | None:
        try:
            return inside("/d", text)
        except PathError:
            return None

    there = {place(name), place(twin)} - {None}
    assert len(there) <= 1


def test_creates(tmp_path: Path) -> None:
    """What is accepted can be created on this file system."""
    path = Path(inside(str(tmp_path), "d/caf\u00e9 1.0~rc1+b2.rpm"))
    path.parent.mkdir()
    path.write_bytes(b"x")
    assert [path] == list((tmp_path / "d").iterdir())


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://h/a/b.rpm", "b.rpm"),
        ("http://h/b.rpm?x=/y#z/w", "b.rpm"),
        ("http://h/a%20b.rpm", "a b.rpm"),
        ("http://h/caf%C3%A9", "café"),
        ("http://h/cafe%CC%81", "café"),
        ("http://h/%ff", "\ufffd"),
        ("file:///srv/x", "x"),
        ("http://h/a+b", "a+b"),
        ("http://h/a;type=i", "a;type=i"),
        ("ftp://h/a;type=i", "a"),
        ("FTPS://h/d/a;TYPE=A", "a"),
        ("ftp://h/a;type=", "a;type="),
    ],
)
def test_file_name(url: str, name: str) -> None:
    """The last segment of the path, decoded, is the file's name."""
    assert name == file_name_of(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "http://h/",
        "http://h/a/",
        "http://h?x=/y",
        "http://h/..",
        "http://h/%2e%2e",
        "http://h/a%2fb",
        "http://h/..%2fb",
        "http://h/%2fetc%2fpasswd",
        "http://h/a%5cb",
        "http://h/a%00b",
        "http://h/%252e%252e",
        "http://h/a%252fb",
        "http://h/con",
        "http://h/x" + PARTIAL,
        "nonsense",
    ],
)
def test_no_file_name(url: str) -> None:
    """Where there is no file name, or none that may be used, a path must be given."""
    with pytest.raises(PathError, match="give a path"):
        file_name_of(url)


@given(st.binary(max_size=50))
def test_any_file_name(segment: bytes) -> None:
    """Whatever a URL ends with, its file name has no directory."""
    url = "http://h/d/" + "".join(f"%{byte:02x}" for byte in segment)
    try:
        name = file_name_of(url)
    except PathError:
        return
    assert f"/d/{name}" == inside("/d", name)


@given(st.text(max_size=10) | st.text("aZ0_-.+~", max_size=300))
@example("a\n")
@example("x" * 255)
@example("x" * 256)
def test_called(name: str) -> None:
    """Something new may be called what the API could call it, and nothing else."""
    try:
        msgspec.convert({"name": name}, NewRepository)
    except msgspec.ValidationError:
        with pytest.raises(SettingsError, match="repository"):
            called("repository", name)
    else:
        assert name == called("repository", name)

"""The tree of errors: its shape, its words, and what never stands in them."""

from __future__ import annotations

import inspect
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError

from twisted_pulp import errors
from twisted_pulp.errors import (
    Cancelled,
    ConnectError,
    ConnectionLost,
    ConnectionRefused,
    ConnectTimeout,
    DigestMismatch,
    DNSError,
    DownloadError,
    DownloadTimeout,
    HeadersTimeout,
    HookError,
    HTTPStatusError,
    IdleTimeout,
    InvalidContent,
    LowSpeed,
    NotAuthorized,
    NotFound,
    PathError,
    ProtocolError,
    ProxyError,
    ProxyNotAuthorized,
    ProxyTimeout,
    PulpError,
    RedirectError,
    ResumeRefused,
    RetryLater,
    SettingsError,
    SizeMismatch,
    StorageError,
    StorageFull,
    TLSError,
    TooLarge,
    TotalTimeout,
    Truncated,
    Unproven,
    WriterError,
    shown,
)

KINDS = [kind for name in errors.__all__ if inspect.isclass(kind := getattr(errors, name))]
DOWNLOAD = [kind for kind in KINDS if issubclass(kind, DownloadError) and not issubclass(kind, HTTPStatusError)]


def tree(text: str) -> dict[str, str]:
    """Return class -> parent as *text* draws them."""
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        bare = line.replace("+-", "  ").replace("|", " ")
        words = bare.split()
        if not words or not line.startswith("    ") or not hasattr(errors, words[0]):
            continue
        depth = len(bare) - len(bare.lstrip())
        while above and above[-1][0] >= depth:
            above.pop()
        if above:
            parents[words[0]] = above[-1][1]
        above.append((depth, words[0]))
    return parents


def test_drawn() -> None:
    """The tree in the docstring is the tree of the classes, and none is missing."""
    drawn = tree(errors.__doc__ or "")
    assert {kind.__name__ for kind in KINDS} == {*drawn, "PulpError"}
    assert [] == [
        name for name, parent in drawn.items() if not issubclass(getattr(errors, name), getattr(errors, parent))
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_documented(kind: type[PulpError]) -> None:
    """Every error tells a person what to make of it, in its own words."""
    assert kind.__dict__["__doc__"].strip()


@pytest.mark.parametrize(
    ("kind", "other"),
    [
        (SettingsError, ValueError),
        (StorageFull, WriterError),
        (StorageFull, StorageError),
        (ConnectTimeout, ConnectError),
        (ConnectTimeout, DownloadTimeout),
        (Cancelled, CancelledError),
    ],
)
def test_second_parents(kind: type[PulpError], other: type[BaseException]) -> None:
    """Who catches the other parent catches it too."""
    assert issubclass(kind, other)


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (ConnectError(), True),
        (ConnectionRefused(), True),
        (ConnectionLost(), True),
        (DNSError(), False),
        (DNSError(retryable=True), True),
        (TLSError(), False),
        (TLSError(retryable=True), True),
        (ConnectTimeout(), True),
        (ProxyError(), True),
        (ProxyError(retryable=False), False),
        (ProxyNotAuthorized(), False),
        (ProxyTimeout(), True),
        (HeadersTimeout(), True),
        (IdleTimeout(), True),
        (LowSpeed(), True),
        (TotalTimeout(), False),
        (Truncated(), True),
        (SizeMismatch(), True),
        (DigestMismatch(), True),
        (Unproven(), False),
        (TooLarge(), False),
        (RedirectError(), False),
        (ProtocolError(), False),
        (ResumeRefused(), True),
        (RetryLater(), False),
        (WriterError(), False),
        (StorageFull(), False),
        (HookError(), False),
        (InvalidContent(), False),
        (PathError(), False),
        (Cancelled(), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_retryable(error: DownloadError, retryable: bool) -> None:
    """Each error says whether another try may help."""
    assert retryable is error.retryable


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, HTTPStatusError, False),
        (401, NotAuthorized, False),
        (403, NotAuthorized, False),
        (404, NotFound, False),
        (407, ProxyNotAuthorized, False),
        (408, HTTPStatusError, True),
        (410, NotFound, False),
        (413, HTTPStatusError, False),
        (416, HTTPStatusError, False),
        (425, HTTPStatusError, True),
        (429, HTTPStatusError, True),
        (500, HTTPStatusError, True),
        (501, HTTPStatusError, False),
        (502, HTTPStatusError, True),
        (503, HTTPStatusError, True),
        (504, HTTPStatusError, True),
        (505, HTTPStatusError, False),
        (522, HTTPStatusError, True),
        (524, HTTPStatusError, True),
        (999, HTTPStatusError, False),
    ],
)
def test_statuses(status: int, kind: type[HTTPStatusError], retryable: bool) -> None:
    """A status has its class, and those that pass are retryable."""
    error = HTTPStatusError.of("http://h/f", status)
    assert (kind, status, retryable) == (type(error), error.status, error.retryable)
    assert str(status) in str(error)


def test_too_large_for_now() -> None:
    """413 is retryable only where the server says when to come back."""
    error = HTTPStatusError.of("http://h/f", 413, {"retry-after": "3"})
    assert (True, "3") == (error.retryable, error.retry_after)


def test_phrases() -> None:
    """A status that has a name is called by it, and one without is a number."""
    assert "404 Not Found (http://h/f)" == str(HTTPStatusError.of("http://h/f", 404))
    assert "599 (http://h/f)" == str(HTTPStatusError.of("http://h/f", 599))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (IdleTimeout("http://h/f", 60.0), "No byte came in time, after 60 s (http://h/f)"),
        (IdleTimeout("http://h/f", detail="nothing"), "nothing (http://h/f)"),
        (Truncated("http://h/f", 5, 10), "the body was cut short: 5 of 10 bytes came (http://h/f)"),
        (Truncated("http://h/f", 5), "the body was cut short: 5 of a body with no end came (http://h/f)"),
        (SizeMismatch("http://h/f", 0, 1), "wrong size: expected 0 bytes, got 1 (http://h/f)"),
        (DigestMismatch("http://h/f", "md5", "aa", "bb"), "wrong md5: expected aa, got bb (http://h/f)"),
        (TooLarge("http://h/f", 7), "larger than the 7 bytes allowed (http://h/f)"),
        (TooLarge("http://h/f", 7, "no"), "no (http://h/f)"),
        (
            RetryLater("http://h/f", 900, 300),
            "the server asked to wait 900 s, more than the 300 s allowed (http://h/f)",
        ),
        (SettingsError("size", -1, "a number"), "size is -1, but it must be a number"),
        (PathError(detail="no"), "no"),
    ],
)
def test_words(error: PulpError, words: str) -> None:
    """An error says what was expected, what came, and where."""
    assert words == str(error)


def test_values() -> None:
    """What the words say can be read as values too."""
    truncated, size, digest = Truncated("", 5, 10), SizeMismatch("", 1, 2), DigestMismatch("", "md5", "aa", "bb")
    assert (5, 10) == (truncated.received, truncated.expected)
    assert (1, 2) == (size.expected, size.actual)
    assert ("md5", "aa", "bb") == (digest.algorithm, digest.expected, digest.actual)
    assert 60.0 == IdleTimeout("", 60.0).seconds
    assert (900.0, 300.0) == (RetryLater("", 900.0, 300.0).seconds, RetryLater("", 900.0, 300.0).limit)
    assert 7 == TooLarge("", 7).limit
    assert ("f", 1, "x") == (
        SettingsError("f", 1, "x").field,
        SettingsError("f", 1, "x").value,
        SettingsError("f", 1, "x").allowed,
    )


@pytest.mark.parametrize("kind", DOWNLOAD, ids=lambda kind: kind.__name__)
def test_no_secrets(kind: type[DownloadError]) -> None:
    """No error shows a user name, a password or the values of a query."""
    error = kind("https://joe:hunter2@h/f?token=s3cret#part")
    for words in (str(error), repr(error), error.url):
        assert not [secret for secret in ("joe", "hunter2", "s3cret") if secret in words]


def test_reason() -> None:
    """Without a detail the class speaks for itself."""
    assert HookError.__doc__ is not None
    assert HookError.__doc__.rstrip(".") == HookError("http://h/f").reason
    assert "told" == HookError("http://h/f", "told").reason
    assert "HookError('told (http://h/f)')" == repr(HookError("http://h/f", "told"))


def test_pickled_settings_error() -> None:
    """A bad setting found in another process arrives whole."""
    copy = pickle.loads(pickle.dumps(SettingsError("size", -1, "a number")))
    assert "size is -1, but it must be a number" == str(copy)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/f", "http://h/f"),
        ("http://joe:pw@h/f", "http://***@h/f"),
        ("HTTP://joe@h", "HTTP://***@h"),
        ("http://a@b:c@h/f", "http://***@h/f"),
        ("http:/joe:pw@h/f", "http:/***@h/f"),
        ("http:joe:pw@h/f", "http:***@h/f"),
        ("http://h/a@b", "http://h/a@b"),
        ("http://h/f?a=1&b=2;c=3", "http://h/f?a=***&b=***;c=***"),
        ("http://h/f?token", "http://h/f?***"),
        ("http://h/f?", "http://h/f?***"),
        ("http://h/f?a=", "http://h/f?a="),
        ("http://h/f#secret", "http://h/f"),
        ("http://h/\r\nX: y\x7f", "http://h/%0D%0AX: y%7F"),
        ("", ""),
    ],
)
def test_shown(url: str, expected: str) -> None:
    """What may be shown of a URL is shown, and nothing else."""
    assert expected == shown(url)


@given(st.text())
def test_shown_always(text: str) -> None:
    """Nothing shown can begin a line or move a terminal's cursor, and to show it again changes nothing."""
    words = shown(text)
    assert not [character for character in words if character < " " or character == "\x7f"]
    assert words == shown(words)


def test_arguments() -> None:
    """Nor is a secret in what an error was made of."""
    error = NotFound("https://joe:S3CR3T@h/f?key=S3CR3T#S3CR3T", 404)
    assert "S3CR3T" not in f"{error.args} {vars(error)}"
    assert ("https://***@h/f?key=***", "404 Not Found") == error.args


@given(
    st.text(st.characters(exclude_characters="@/?#:"), min_size=8),
    st.text(st.characters(exclude_characters="@/?#"), min_size=8),
)
def test_shown_without_userinfo(user: str, password: str) -> None:
    """A password is never shown, whatever it is."""
    assert "https://***@host/f" == shown(f"https://{user}:{password}@host/f")

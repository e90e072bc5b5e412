"""What a daemon logs: lines and documents, without secrets, with ids."""

from __future__ import annotations

import json
import re
from contextvars import copy_context
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from twisted_pulp.errors import StorageError
from twisted_pulp.service._log import IDS, DaemonLog
from twisted_pulp.service._redaction import Redaction, secrets_of
from twisted_pulp.settings import Proxy, Remote, Settings

SECRET = "S3CR3T-1"
PROXY = Proxy(url="http://p", username="j", password="S3-4")


class Said:
    """A log, and what it has written."""

    def __init__(self, **options: Any) -> None:
        self.lines: list[str] = []
        self.log = DaemonLog(self.lines.append, Redaction([SECRET]), now=lambda: 0.0, **options)

    def logger(self, namespace: str = "twisted_pulp.service") -> Logger:
        """Return what logs to it."""
        return Logger(namespace, observer=self.log)


def test_text() -> None:
    """A line has the time and the words, a warning says that it is one."""
    said = Said()
    said.logger().info("downloaded {count} files", count=3)
    said.logger().warn("slow")
    assert [" downloaded 3 files", " warning: slow"] == [line[19:] for line in said.lines]


def test_ids() -> None:
    """What belongs to a request, a job or a file of it says so, in whatever it is logged."""
    said = Said()

    def within() -> None:
        IDS.set({"job": "abc"})
        said.logger().info("one")
        said.logger().info("two", item=7)

    copy_context().run(within)
    said.logger().info("three")
    assert ["one [job=abc]", "two [job=abc item=7]", "three"] == [line[20:] for line in said.lines]


def test_json() -> None:
    """Each line is a document, with the fields of what was logged."""
    said = Said(format="json")
    said.logger().info("got {url}", url="http://u:p@h/?k=v", size=3, job="abc")
    (found,) = map(json.loads, said.lines)
    assert ("got http://***@h/?k=***", "info", 3, "abc", "twisted_pulp.service") == tuple(
        found[name] for name in ("message", "level", "size", "job", "logger")
    )


def test_failure() -> None:
    """A failure has its traceback, in text and JSON, without what is secret."""
    for form in ("text", "json"):
        said = Said(format=form)
        try:
            raise StorageError(f"no {SECRET} at http://u:{SECRET}@h/?x={SECRET}")
        except StorageError:
            said.logger().failure("it failed", failure=Failure())
        assert SECRET not in "".join(said.lines)
        assert "StorageError" in said.lines[0]
        assert "it failed" in said.lines[0]


@pytest.mark.parametrize(
    ("namespace", "level", "least", "count"),
    [
        ("twisted_pulp.jobs", LogLevel.debug, "info", 0),
        ("twisted_pulp.jobs", LogLevel.debug, "debug", 1),
        ("twisted_pulp.jobs", LogLevel.info, "info", 1),
        ("twisted_pulp.jobs", LogLevel.info, "warn", 0),
        ("twisted.web", LogLevel.info, "info", 0),
        ("twisted.web", LogLevel.info, "debug", 1),
        ("twisted.web", LogLevel.warn, "info", 1),
        ("twisted.web", LogLevel.warn, "error", 0),
        ("twisted.web", LogLevel.critical, "error", 1),
    ],
)
def test_levels(namespace: str, level: Any, least: str, count: int) -> None:
    """Less than what is wanted is not written, and of others only warnings and errors."""
    said = Said(level=least)
    said.logger(namespace).emit(level, "words")
    assert count == len(said.lines)


class Bad:
    """Something that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("form", ["text", "json"])
def test_bad(form: str) -> None:
    """Whatever a field does when it is shown, there is a line."""
    said = Said(format=form)
    said.logger().info("this is {bad}", bad=Bad())
    said.log({"log_level": LogLevel.error, "log_namespace": "x", "isError": 1, "log_failure": None})
    assert 2 == len(said.lines)


@given(st.text())
def test_lines(text: str) -> None:
    """One event is one line, whatever it says: nobody can make others, or move the cursor."""
    for form in ("text", "json"):
        said = Said(format=form)
        said.logger().info("{text}", text=text)
        assert not re.search("[\\x00-\\x1f\\x7f-\\x9f\u2028\u2029\u202e]", said.lines[0])
        assert form != "json" or json.loads(said.lines[0])


# Secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see http://joe:pw@h/a?token=x#y, please", "see http://***@h/a?token=***, please"),
        ("(https://h/?sig=abc)", "(https://h/?sig=***)"),
        ("Authorization: Bearer abcdefghijk", "Authorization: ***"),
        ("{'cookie': 'a=b'}", "{'cookie': ***"),
        ("got Bearer abcdefghijk there", "got Bearer *** there"),
        ("S3CR3T-1 and S3CR3T-12", "*** and ***2"),
        ("API token: pulp_abc-DEF_12345678", "API token: pulp_abc-DEF_12345678"),
        ("a basic need for bearer plates", "a basic need for bearer plates"),
        ("nothing", "nothing"),
    ],
)
def test_redaction(text: str, shown: str) -> None:
    """What URLs hide, headers that prove who asks, and what is known to be secret is not shown."""
    assert shown == Redaction([SECRET])(text)


def test_known() -> None:
    """The secrets of settings are known, encoded ones too; too short ones are not looked for."""
    settings = Settings(
        database="postgresql://pulp:S3CR3T-2@db/pulp",
        broker="amqp://pulp:S3CR3T%2F7@mq/pulp",
        storage="s3://bucket?secret_access_key=S3CR3T-8&allow_http=true",
        remotes={
            "a": Remote(
                username="joe", password="S3CR3T/3", proxy=Proxy(url="http://p", username="j", password="S3-4")
            ),
            "b": Remote(token="S3CR3T-5", headers={"X": "S3CR3T-6"}),
            "c": Remote(username="joe", password="abc"),
        },
    )
    redaction = Redaction(secrets_of(settings))
    for secret in ("S3CR3T-2", "S3CR3T/3", "S3CR3T%2F3", "S3-4", "S3CR3T-5", "S3CR3T-6", "S3CR3T/7", "S3CR3T-8"):
        assert "is ***." == redaction(f"is {secret}.")
    assert "abc is true" == redaction("abc is true")
    redaction.replace(())
    assert "S3CR3T-5" == redaction("S3CR3T-5")

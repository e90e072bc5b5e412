"""What became of a transfer: decided from the bytes, the end of the data connection and the last reply."""

from __future__ import annotations

from typing import Literal

from twisted.internet.error import ConnectionDone

from twisted_pulp.errors import ConnectionLost, HTTPStatusError, PulpError, ResumeRefused, SizeMismatch, Truncated
from twisted_pulp.schemes._ftp_data import Data
from twisted_pulp.schemes._ftp_replies import Reply
from twisted_pulp.schemes._ftp_request import Plan
from twisted_pulp.schemes._ftp_words import Refusal

__all__ = ["excess", "refused", "verdict"]


def refused(refusal: Refusal) -> Plan:
    """Return the answer that tells of *refusal*."""
    return Plan(refusal.status, refusal.words, [(b"Content-Length", b"0")])


def verdict(
    url: str, plan: Plan, data: Data, last: Reply | None, *, silent: bool, patient: bool
) -> PulpError | Literal["whole"] | None:
    """
    Return what is wrong with a transfer, or that it is whole, or None while that is open.

    :param last: the reply that says how it went, or None when there is none yet.
    :param silent: whether none will come any more.
    :param patient: whether what is on its way is waited for, though the transfer was broken off.
    """
    if data.reason is None and (patient or last is None or last.kind == 2):
        return None
    if last is not None and last.kind != 2:
        refusal = Refusal("the transfer", last)
        if last.kind == 5:
            return HTTPStatusError.of(url, refusal.status, None, refusal.words)
        return ConnectionLost(url, f"broken off after {data.received} bytes: {refusal.words}")
    if last is None and not silent:
        return None
    assert data.reason is not None
    # A connection may end in many ways behind the last byte; where that is unknown, only a clean end is one.
    all_came = data.reason.check(ConnectionDone) if plan.length is None else data.received == plan.length
    return "whole" if last is not None and all_came else Truncated(url, data.received, plan.length)


def excess(url: str, plan: Plan, received: int) -> PulpError:
    """Return what it means that more than *plan* says came: the server has begun at 0 after all, or the file grew."""
    if plan.start:
        return ResumeRefused(url, f"the server sent more than the {plan.length} bytes that are left")
    return SizeMismatch(url, plan.length or 0, received)

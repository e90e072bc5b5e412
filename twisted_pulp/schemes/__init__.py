"""Schemes beside HTTP, each an agent, and the agent that picks among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted_pulp.schemes._scheme import LateAgent, SchemeAgent, third_party

if TYPE_CHECKING:
    from twisted_pulp.schemes._file import FileAgent

__all__ = ["FileAgent", "LateAgent", "SchemeAgent", "third_party"]


def __getattr__(name: str) -> Any:
    if name != "FileAgent":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from twisted_pulp.schemes._file import FileAgent  # few downloads need it

    return FileAgent

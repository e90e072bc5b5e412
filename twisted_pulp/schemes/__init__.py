"""Schemes beside HTTP, each an agent, and the agent that picks among them."""

from twisted_pulp.schemes._file import FileAgent
from twisted_pulp.schemes._scheme import LateAgent, SchemeAgent, third_party

__all__ = ["FileAgent", "LateAgent", "SchemeAgent", "third_party"]

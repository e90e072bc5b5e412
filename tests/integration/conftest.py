"""Fixtures of the integration tests."""

from tests.integration.process import forking, get, start_command
from tests.integration.screen import screen

__all__ = ["forking", "get", "screen", "start_command"]

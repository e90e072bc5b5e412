"""Fixtures of the integration tests."""

from tests.integration.process import get, start_command

__all__ = ["get", "start_command"]

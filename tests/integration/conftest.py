"""Fixtures of the integration tests."""

from tests.integration.cluster import start_cluster
from tests.integration.process import get, start_command
from tests.integration.screen import screen

__all__ = ["get", "screen", "start_cluster", "start_command"]

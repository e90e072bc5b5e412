"""The dashboard: what a daemon does, and what it is to do, for people."""

from twisted_pulp.dashboard._dashboard import Dashboard

__all__ = ["Dashboard"]

"""Fixtures: what a sync of files needs, in memory."""

from tests.unit.stages.conftest import catalog, fields, repository, site, storage, sync, world

__all__ = ["catalog", "fields", "repository", "site", "storage", "sync", "world"]

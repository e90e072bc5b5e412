"""What is known: artifacts, content, repositories and their versions, remotes, runs."""

from twisted_pulp.catalog._catalog import Catalog

__all__ = ["Catalog"]

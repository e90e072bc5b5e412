"""Many downloads, as one Remote wants them."""

from twisted_pulp.downloader._downloader import Downloader

__all__ = ["Downloader"]

"""The same downloads for programs without a reactor of their own: calls that block, from any thread."""

from twisted_pulp.blocking._downloader import Downloader
from twisted_pulp.blocking._http import HTTPClient, Response

__all__ = ["Downloader", "HTTPClient", "Response"]

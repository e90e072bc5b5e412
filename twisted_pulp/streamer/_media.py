"""The media type of a file, by its name."""

from __future__ import annotations

from mimetypes import MimeTypes

__all__ = ["UNKNOWN", "media_type"]

UNKNOWN = "application/octet-stream"
# What clients of repositories ask for, and Python's own table, which is the same everywhere, has not.
_OURS = {
    ".deb": "application/vnd.debian.binary-package",
    ".udeb": "application/vnd.debian.binary-package",
    ".dsc": "text/plain",
    ".rpm": "application/x-rpm",
    ".drpm": "application/x-rpm",
    ".whl": "application/zip",
    ".jar": "application/java-archive",
    ".zst": "application/zstd",
    ".md": "text/markdown",
    ".toml": "application/toml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".asc": "application/pgp-signature",
    ".sig": "application/pgp-signature",
}
_PACKED = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "br": "application/x-brotli",
    "compress": "application/x-compress",
}
# Names that have no ending, in repositories of all kinds.
_PLAIN = frozenset({"Packages", "Sources", "Release", "InRelease", "PULP_MANIFEST", "SHA256SUMS", "README", "METADATA"})
_types = MimeTypes(filenames=())
for _ending, _type in _OURS.items():
    _types.add_type(_type, _ending)


def media_type(path: str) -> str:
    """Return the media type of a file of this name; a packed one is what it is packed as, since it is sent so."""
    name = path.rpartition("/")[2]
    if name in _PLAIN:
        return "text/plain"
    found, coding = _types.guess_type(f"./{name}")
    if coding is not None:
        return _PACKED.get(coding, UNKNOWN)
    return found or UNKNOWN

"""What the catalog does not do."""

from __future__ import annotations

from twisted_pulp.errors._root import PulpError

__all__ = [
    "CatalogDamaged",
    "CatalogError",
    "CatalogFull",
    "CatalogLocked",
    "CatalogNewer",
    "CatalogUnavailable",
    "CatalogUncertain",
    "DraftLost",
    "KeyRefused",
    "NameTaken",
    "NotInCatalog",
]


class CatalogError(PulpError):
    """
    The catalog could not be read or written.

    :ivar retryable: whether trying again may help.
    """

    retryable = False


class CatalogLocked(CatalogError):
    """Others have kept the database locked for longer than patience lasts: find out who, and try again."""

    retryable = True


class CatalogUnavailable(CatalogError):
    """The database cannot be reached: see whether it is there and runs, and whether user and password are right."""

    retryable = True


class CatalogUncertain(CatalogUnavailable):
    """The connection was lost while a transaction was committed, and nobody can tell whether it was."""

    retryable = False


class CatalogDamaged(CatalogError):
    """The database is damaged, or is none: restore it from a copy, or move it away to begin with an empty one."""


class CatalogFull(CatalogError):
    """The disk that the database is on is full."""

    retryable = True


class CatalogNewer(CatalogError):
    """A newer version of this program made the database: use that version."""


class KeyRefused(CatalogError):
    """The key is not there, is no key, may be read by others, or is another than the secrets were sealed with."""


class NotInCatalog(CatalogError):
    """
    The catalog has no such thing: look at its list for the names that there are.

    :ivar noun: what was looked for, such as `repository`.
    :ivar name: its name or number.
    """

    def __init__(self, noun: str, name: object) -> None:
        super().__init__(noun, name)
        self.noun, self.name = noun, name

    def __str__(self) -> str:
        return f"there is no {self.noun} {self.name}"


class NameTaken(CatalogError):
    """
    The name is taken: choose another, or update what has it.

    :ivar noun: what has the name, such as `repository`.
    :ivar name: the name.
    """

    def __init__(self, noun: str, name: str) -> None:
        super().__init__(noun, name)
        self.noun, self.name = noun, name

    def __str__(self) -> str:
        return f"there is a {self.noun} {self.name} already"


class DraftLost(CatalogError):
    """
    The version that was being made is gone or finished: another one was begun since; begin again.

    :ivar repository_id: the repository.
    :ivar number: the number that the version was to have.
    """

    def __init__(self, repository_id: int, number: int) -> None:
        super().__init__(repository_id, number)
        self.repository_id, self.number = repository_id, number

    def __str__(self) -> str:
        return f"version {self.number} of repository {self.repository_id} is not being made any more"

"""What can be asked: a table that requests are answered by, and that the description of the API is made from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from attrs import field, frozen

__all__ = ["KEY", "LIMIT", "Answer", "Parameter", "Route", "after"]

Scope = Literal["read", "write", "admin"]


@frozen(kw_only=True)
class Parameter:
    """
    A parameter of the query, or a header.

    :ivar name: its own.
    :ivar kind: of its value.
    :ivar says: what it does.
    :ivar least: the lowest number, or None.
    :ivar most: the highest number, or the most characters; None: any.
    :ivar among: the only values that it may have; None: any.
    :ivar pattern: what its value looks like; None: anything.
    :ivar header: whether it is a header.
    """

    name: str
    says: str
    kind: Literal["integer", "string"] = "string"
    least: int | None = None
    most: int | None = None
    among: tuple[str, ...] | None = None
    pattern: str | None = None
    header: bool = False


@frozen
class Answer:
    """
    What is answered.

    :ivar document: the body; None: there is none.
    :ivar status: default 200.
    :ivar headers: further ones.
    """

    document: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class Route:
    """
    Something that can be asked.

    :ivar method: of the request.
    :ivar path: below /api/v1, with names in angle brackets.
    :ivar says: what it does, in one sentence.
    :ivar run: called with a `Call` and what stands for the names in the path; gives an `Answer` or a document.
    :ivar scope: what a token must allow; None: no token is needed.
    :ivar takes: class of the document that is sent; None: none.
    :ivar gives: class of the document that is answered; None: none.
    :ivar status: of the answer when all is well.
    :ivar parameters: of the query, and headers.
    :ivar streams: whether the body may be lines of JSON.
    :ivar kind: media type of the answer.
    :ivar prompt: whether it is refused at once while the catalog is away, and does not wait for it to be back.
    """

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    says: str
    run: Callable[..., Awaitable[Any]]
    scope: Scope | None = "read"
    takes: Any = None
    gives: Any = None
    status: int = 200
    parameters: tuple[Parameter, ...] = ()
    streams: bool = False
    kind: str = "application/json"
    prompt: bool = False

    @property
    def name(self) -> str:
        """Tells it from every other one."""
        words = [each.strip("<>") for each in self.path.strip("/").split("/")]
        return "_".join((self.method.lower(), *(each.replace(".", "_") for each in words)))


LIMIT = Parameter(name="limit", kind="integer", least=1, most=1000, says="How many at most; default 100.")
KEY = Parameter(
    name="Idempotency-Key",
    header=True,
    most=255,
    pattern=r"^[!-~]+$",
    says="Tells this request from others: sent again with the same key, it is answered with what the first one made.",
)


def after(kind: Literal["integer", "string"] = "string") -> Parameter:
    """Return the parameter that says where a page begins."""
    says = "Where the page begins; see `next` of the page before."
    if kind == "integer":
        return Parameter(name="after", kind=kind, least=0, most=2**53 - 1, says=says)
    return Parameter(name="after", most=255, pattern=r"^[^\x00-\x1f\x7f]*$", says=says)

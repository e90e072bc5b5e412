"""
Answers of scripted servers that ask who is there: digests, and tokens with the realm that has them.

Each is a callable for ``scripted.on`` or ``scripted.default``, and may be asked for any number of files.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64decode
from collections.abc import Callable, Sequence
from urllib.parse import parse_qs, unquote

from attrs import define, field

from tests.servers.answers import status
from tests.servers.steps import Answer, Request, Step, Steps

_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
_PART = re.compile(r'([\w*]+)=(?:"((?:[^"\\]|\\.)*)"|([^,\s]+))')


def basic_of(request: Request) -> str | None:
    """Give ``user:password`` of basic authentication, or None."""
    scheme, _, rest = (request.header(b"Authorization") or b"").partition(b" ")
    return b64decode(rest).decode() if scheme == b"Basic" else None


def _steps(answer: Answer, request: Request) -> Steps:
    return answer(request) if callable(answer) else answer


@define(eq=False)
class DigestGuard:
    """
    Lets those through who prove that they know the password (RFC 7616); every nonce and count is taken once.

    :ivar algorithms: that it offers, each in a challenge of its own, with -sess or without.
    :ivar qop: that it offers, or None.
    :ivar uses: requests that a nonce is good for; then it is stale. None: any number.
    :ivar asked: challenges so far.
    :ivar chosen: algorithms that were answered with, in order.
    """

    answer: Answer
    users: dict[str, str]
    algorithms: Sequence[str] = ("MD5",)
    qop: str | None = "auth"
    uses: int | None = None
    userhash: bool = False
    realm: str = 'the "realm"'
    asked: int = field(init=False, default=0)
    chosen: list[str] = field(init=False, factory=list)
    _used: dict[str, set[str]] = field(init=False, factory=dict)

    def __call__(self, request: Request) -> Steps:
        said = (request.header(b"Authorization") or b"").decode("latin-1")
        if not said.startswith("Digest "):
            return self._ask("false")
        given = {name: re.sub(r"\\(.)", r"\1", quoted) or plain for name, quoted, plain in _PART.findall(said)}
        counts = self._used.get(given["nonce"])
        if counts is None or (self.uses is not None and len(counts) >= self.uses):
            return self._ask("true")
        count = given.get("nc", str(len(counts)))
        if count in counts or not self._proven(request, given):
            return self._ask("false")
        counts.add(count)
        self.chosen.append(given.get("algorithm", ""))
        return _steps(self.answer, request)

    def _ask(self, stale: str) -> Steps:
        self.asked += 1
        nonce = f"nonce-{self.asked}"
        self._used[nonce] = set()
        realm = self.realm.replace('"', r"\"")
        rest = f'nonce="{nonce}", opaque="x", stale={stale}, userhash={"true" if self.userhash else "false"}'
        if self.qop is not None:
            rest += f', qop="{self.qop}"'
        lines = [f'Digest realm="{realm}", {rest}, algorithm={each}' for each in self.algorithms]
        return status(401, [(b"WWW-Authenticate", each.encode()) for each in lines], b"who is there?")

    def _proven(self, request: Request, given: dict[str, str]) -> bool:
        name = given["algorithm"].upper()
        if given["algorithm"] not in self.algorithms or given["uri"].encode() != request.target:
            return False
        make = _HASHES[name.removesuffix("-SESS")]

        def digest(*parts: str) -> str:
            return make(":".join(parts).encode()).hexdigest()

        user = self._user(given, digest)
        if user is None:
            return False
        key = digest(user, self.realm, self.users[user])
        if name.endswith("-SESS"):
            key = digest(key, given["nonce"], given["cnonce"])
        between = [given["nonce"]]
        if self.qop is not None:
            between += [given["nc"], given["cnonce"], given["qop"]]
        return given["response"] == digest(key, *between, digest(request.method.decode(), given["uri"]))

    def _user(self, given: dict[str, str], digest: Callable[..., str]) -> str | None:
        named = given.get("username") or unquote(given.get("username*", "").removeprefix("UTF-8''"))
        if given.get("userhash") == "true":
            return next((each for each in self.users if digest(each, self.realm) == named), None)
        return named if named in self.users else None


@define(eq=False)
class Realm:
    """
    Gives tokens.

    :ivar lasts: seconds that it says they last; None: it does not say.
    :ivar before: steps that come before an answer.
    :ivar users: ``user:password`` of those who get one; None: everybody.
    :ivar given: the tokens given so far.
    :ivar good: those that a guard takes.
    """

    lasts: int | None = None
    before: Sequence[Step] = ()
    users: Sequence[str] | None = None
    given: list[str] = field(init=False, factory=list)
    good: set[str] = field(init=False, factory=set)
    asked: list[Request] = field(init=False, factory=list)

    def __call__(self, request: Request) -> Steps:
        self.asked.append(request)
        if self.users is not None and basic_of(request) not in self.users:
            return [*self.before, *status(403)]
        scope = " ".join(parse_qs(request.target.decode().partition("?")[2]).get("scope", []))
        token = f"S3CR3T-token-{len(self.given)}-{scope}".replace(" ", "+")
        self.given.append(token)
        self.good.add(token)
        said: dict[str, object] = {"token": token}
        if self.lasts is not None:
            said["expires_in"] = self.lasts
        return [*self.before, *status(200, (), json.dumps(said).encode())]


@define(eq=False)
class TokenGuard:
    """
    Lets those through who have a good token of its realm, for the scope of what they ask for.

    :ivar url: of the realm.
    """

    answer: Answer
    realm: Realm
    url: str
    scope: Callable[[Request], str] = lambda request: "pull"

    def __call__(self, request: Request) -> Steps:
        said, scope = (request.header(b"Authorization") or b"").decode("latin-1"), self.scope(request)
        token = said.removeprefix("Bearer ")
        if said.startswith("Bearer ") and token in self.realm.good and token.endswith(f"-{scope}"):
            return _steps(self.answer, request)
        line = f'Bearer realm="{self.url}",service="files",scope="{scope}"'
        return status(401, [(b"WWW-Authenticate", line.encode())], b'{"errors": []}')

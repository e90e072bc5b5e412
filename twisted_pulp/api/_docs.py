"""The description of the API as a page: no script, no style but its own, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby
from typing import Any

__all__ = ["STYLE", "page"]

STYLE = b"""\
:root { color-scheme: light dark; --line: #8885; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; } h2 { border-bottom: 1px solid var(--line); margin-top: 2.5rem; }
h3 { font: 600 1rem/1.4 ui-monospace, monospace; margin: 0; display: inline; overflow-wrap: anywhere; }
summary { cursor: pointer; padding: .5rem; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; }
details > div { padding: 0 1rem 1rem; } .says { display: block; padding-left: 1.1rem; }
.method { display: inline-block; min-width: 4.2em; }
code { background: var(--soft); border-radius: 3px; padding: 0 .2em; }
table { border-collapse: collapse; width: 100%; } .wide { overflow-x: auto; }
th, td { text-align: left; vertical-align: top; border-top: 1px solid var(--line); padding: .3rem .6rem .3rem 0; }
nav a { margin-right: .8em; } a { color: LinkText; }
"""


def page(description: dict[str, Any], root: str) -> bytes:
    """
    Return the page.

    :param description: see `twisted_pulp.api._openapi.described`.
    :param root: where the API is.
    """
    return "".join(_page(description, root)).encode()


def _page(description: dict[str, Any], root: str) -> Iterator[str]:
    info, schemas = description["info"], description["components"]["schemas"]
    asked = [
        (each["tags"][0], method.upper(), path, each)
        for path, methods in description["paths"].items()
        for method, each in methods.items()
    ]
    yield (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>API of pulpdownloader</title>'
        f'<link rel="stylesheet" href="{escape(root)}/docs.css"></head><body><main>'
        f"<h1>API of pulpdownloader {escape(info['version'])}</h1>"
        "<p>A token goes into the header <code>Authorization: Bearer TOKEN</code>. What goes wrong is told as "
        f'<code>application/problem+json</code> (RFC 9457). For programs: <a href="{escape(root)}/openapi.json">'
        "openapi.json</a>.</p><nav>"
    )
    asked.sort(key=lambda each: each[0])
    tags = list(dict.fromkeys(each[0] for each in asked))
    yield from (f'<a href="#{escape(tag)}">{escape(tag)}</a> ' for tag in [*tags, "documents"])
    yield "</nav>"
    for tag, group in groupby(asked, key=lambda each: each[0]):
        yield f'<section><h2 id="{escape(tag)}">{escape(tag)}</h2>'
        for _, method, path, operation in group:
            yield from _operation(method, root + path, operation)
        yield "</section>"
    yield '<section><h2 id="documents">documents</h2>'
    for name, schema in sorted(schemas.items()):
        yield from _schema(name, schema)
    yield "</section></main></body></html>"


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield (
        f'<details id="{escape(operation["operationId"])}"><summary><h3><span class="method">{method}</span> '
        f'{escape(path)}</h3><span class="says">{escape(operation["summary"])}</span></summary><div>'
    )
    if "description" in operation:
        yield f"<p>{_code(operation['description'])}</p>"
    if operation["parameters"]:
        yield from _table(
            ("parameter", "in", "value", "what it does"),
            (
                (
                    f"<code>{escape(each['name'])}</code>",
                    each["in"],
                    _kind(each["schema"]),
                    _code(each.get("description", "")),
                )
                for each in operation["parameters"]
            ),
        )
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Takes <code>{escape(kind)}</code>: {_kind(body['schema'])}</p>"
    rows = (
        (
            status,
            escape(each["description"]),
            ", ".join(_kind(body["schema"]) for body in each.get("content", {}).values()),
        )
        for status, each in operation["responses"].items()
    )
    yield from _table(("status", "what it says", "document"), rows)
    yield "</div></details>"


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f'<details id="document-{escape(name)}"><summary><h3>{escape(schema.get("title", name))}</h3>'
    yield f'<span class="says">{_code(schema.get("description", ""))}</span></summary><div>'
    needed = schema.get("required", ())
    rows = (
        (
            f"<code>{escape(field)}</code>",
            _kind(each),
            "yes" if field in needed else "",
            _code(each.get("description", "")),
        )
        for field, each in schema.get("properties", {}).items()
    )
    yield from _table(("field", "value", "needed", "what it is"), rows)
    yield "</div></details>"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield '<div class="wide"><table><thead><tr>'
    yield from (f'<th scope="col">{each}</th>' for each in head)
    yield "</tr></thead><tbody>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{each}</td>" for each in row) + "</tr>"
    yield "</tbody></table></div>"


def _kind(schema: dict[str, Any]) -> str:
    """Return what *schema* allows, in a few words of HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#document-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return escape(str(kind))


def _code(words: str) -> str:
    """Return *words* as HTML, with what stands between backquotes as code."""
    parts = escape(words).split("`")
    return "".join(f"<code>{each}</code>" if at % 2 else each for at, each in enumerate(parts))

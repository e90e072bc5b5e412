"""The description of the API (OpenAPI 3.1), made from its routes and the classes of its documents."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from twisted_pulp.api._route import Parameter, Route
from twisted_pulp.documents import Problem

__all__ = ["described", "template_of"]

_HOLE = re.compile(r"<(\w+)>")
_FIELD = re.compile(r"^:ivar (\w+): (.*?)(?=^:ivar |\Z)", re.M | re.S)
_REFERENCE = "#/components/schemas/{name}"
#: Path parameter -> what it may be.
_PLACES: dict[str, dict[str, Any]] = {
    "name": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[A-Za-z0-9_][A-Za-z0-9_.+~-]*$"},
    "uid": {"type": "string", "pattern": r"^[A-Za-z0-9_-]{22}$"},
    "number": {"type": "integer", "minimum": 1, "maximum": 2147483647},
    "id": {"type": "integer", "minimum": 1, "maximum": 2147483647},
}
_WHICH = {"name": "Which one.", "uid": "Id of the job.", "number": "Of the version.", "id": "Number of the token."}
_SAYS = {400: "It makes no sense.", 401: "A token is needed.", 403: "The token does not allow it."}
_SAYS |= {404: "There is no such thing.", 409: "Its state forbids it, or its name is taken.", 412: "It has changed."}
_SAYS |= {413: "There is too much of it.", 415: "It is of another kind.", 422: "It is not what it must be."}
_SAYS |= {429: "There were too many wrong tokens.", 503: "Not now.", 507: "There is no room."}
_SEVERAL = {"POST": (409, 413, 415, 422, 507), "PATCH": (409, 412, 413, 415, 422, 507), "DELETE": (409, 412)}


def template_of(path: str) -> str:
    """Return the path of a route as OpenAPI writes it."""
    return _HOLE.sub(lambda hole: f"{{{hole[1]}}}", path)


def described(routes: tuple[Route, ...], root: str, version: str) -> dict[str, Any]:
    """
    Return the description of an API.

    :param root: where it is.
    :param version: of the program.
    """
    kinds = [each for route in routes for each in (route.takes, route.gives) if each is not None]
    kinds = list(dict.fromkeys((*kinds, Problem)))
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    by_kind = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(template_of(route.path), {})[route.method.lower()] = _operation(route, by_kind)
    return {
        "openapi": "3.1.0",
        "info": {"title": "pulpdownloader", "version": version, "license": {"name": "MIT", "identifier": "MIT"}},
        "servers": [{"url": root or "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": {name: _worded(schema) for name, schema in components.items()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.says,
        "tags": [route.path.split("/")[1]],
        "parameters": [*map(_place, _HOLE.findall(route.path)), *map(_parameter, route.parameters)],
        "responses": _responses(route, schemas),
    }
    if route.scope is None:
        operation["security"] = []
    else:
        operation["description"] = f"Needs the scope `{route.scope}`."
    if route.takes is not None:
        content = {"application/json": {"schema": schemas[route.takes]}}
        if route.streams:
            content["application/jsonl"] = {"schema": {"type": "string", "description": "JSON, one item on each line."}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _responses(route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Done."}
    if route.gives is not None:
        good["content"] = {route.kind: {"schema": schemas[route.gives]}}
    elif route.status != 204:
        good["content"] = {route.kind: {"schema": {"type": "string"}}}
    if route.status in (201, 202):
        good["headers"] = {"Location": {"schema": {"type": "string"}, "description": "Where it is."}}
    found = {str(route.status): good}
    statuses = [400, 422, 503] if route.parameters else [400, 503]
    statuses += [401, 403, 429] if route.scope is not None else []
    statuses += [404] if "<" in route.path else []
    if route.method == "GET" and route.kind == "application/json":
        found["304"] = {"description": "It is what the client knows."}
    for status in sorted({*statuses, 422, *_SEVERAL.get(route.method, ())}):
        problem = {"application/problem+json": {"schema": schemas[Problem]}}
        found.setdefault(str(status), {"description": _SAYS[status], "content": problem})
    if route.path == "/ready":
        found["503"] = {**good, "description": "It does not."}
    return found


def _place(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "description": _WHICH[name], "schema": _PLACES[name]}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": parameter.kind}
    number = parameter.kind == "integer"
    limits = {
        "minimum": parameter.least,
        "maximum" if number else "maxLength": parameter.most,
        "enum": parameter.among and list(parameter.among),
        "pattern": parameter.pattern,
    }
    schema |= {key: value for key, value in limits.items() if value is not None}
    place = "header" if parameter.header else "query"
    return {"name": parameter.name, "in": place, "description": parameter.says, "schema": schema}


def _worded(schema: dict[str, Any]) -> dict[str, Any]:
    """Return *schema* with the words of its class where they belong, and closed: other fields are refused."""
    words = schema.get("description", "")
    found = dict(schema)
    if "properties" in found:
        says = {name: " ".join(text.split()) for name, text in _FIELD.findall(words)}
        found["properties"] = {
            name: {**each, "description": says[name]} if name in says and "$ref" not in each else each
            for name, each in found["properties"].items()
        }
        found["additionalProperties"] = False
    found["description"] = " ".join(_FIELD.sub("", words).split())
    return found

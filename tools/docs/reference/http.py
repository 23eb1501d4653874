"""The studio's HTTP door as a page, from what the studio says of itself by OpenAPI."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lastlayer.client import Client
from lastlayer.studio.app import create_api

Schema = Mapping[str, Any]
"""A JSON schema, or a part of what OpenAPI says."""

_REFERENCE: Final = "#/components/schemas/"


def description() -> Schema:
    """Return what the studio says of itself, as it is served at `/v1/openapi.json`."""
    with Client() as client:  # it calls nobody
        return create_api(client).openapi()


def page(api: Schema) -> str:
    """Return the page of an OpenAPI description: every path, and the types of what is sent and answered."""
    return "\n".join(_page(api))


def _page(api: Schema) -> Iterator[str]:
    yield "# The HTTP door\n"
    yield "Made from `/v1/openapi.json` of the studio. [By HTTP](../how-to/clients/http.md) has examples.\n"
    yield f"{api['info']['description']}\n"
    yield "## Paths\n"
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            yield f"### `{method.upper()} {path}` {{ #{_anchor(f'{method} {path}')} }}\n"
            yield f"{operation.get('description') or operation['summary'] + '.'}\n"
            yield from _sent(operation)
            answers = [_answer(code, answer) for code, answer in operation["responses"].items() if code != "default"]
            yield f"Answers {', '.join(answers)}.\n"
    yield "## Types\n"
    used = _references(api["paths"], api["components"]["schemas"])
    for name in sorted(used):
        schema = api["components"]["schemas"][name]
        yield f"### {name} {{ #{name.lower()} }}\n"
        yield f"{schema.get('description', '')}\n"
        yield from _fields(schema)


def _references(part: Any, schemas: Schema) -> set[str]:
    """Return the names of the types that a part of the description refers to, and of those that these refer to."""
    found: set[str] = set()
    left = [part]
    while left:
        one = left.pop()
        if isinstance(one, Mapping):
            name = str(one.get("$ref", "")).removeprefix(_REFERENCE)
            if name in schemas and name not in found:
                found.add(name)
                left.append(schemas[name])
            left += one.values()
        elif isinstance(one, list):
            left += one
    return found


def _sent(operation: Schema) -> Iterator[str]:
    for content, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"Takes `{content}`{_of(body.get('schema', {}))}.\n"
    queries = [parameter for parameter in operation.get("parameters", []) if parameter["in"] == "query"]
    if queries:
        yield "| parameter | type | default | meaning |\n| --- | --- | --- | --- |"
        for parameter in queries:
            yield _row(parameter["name"], parameter["schema"], parameter.get("description", ""))
        yield ""


def _of(schema: Schema) -> str:
    """Return what is in a body, as a phrase; empty where its content says it all."""
    if properties := schema.get("properties"):
        required = schema.get("required", [])
        return " with " + ", ".join(
            f"`{name}`{'' if name in required else ' (may be left out)'}" for name in properties
        )
    return f": {_type(schema)}" if schema.get("$ref") else ""


def _answer(code: str, answer: Schema) -> str:
    [content] = answer.get("content") or [""]
    schema = answer["content"][content].get("schema", {}) if content else {}
    return f"{code} with {_type(schema)}" if schema else code


def _fields(schema: Schema) -> Iterator[str]:
    if "enum" in schema:
        yield f"One of {_type(schema)}.\n"
    fields = schema.get("properties", {})
    if any("description" in field for field in fields.values()):
        yield "| field | type | default | meaning |\n| --- | --- | --- | --- |"
        yield from (_row(name, field, field.get("description", "")) for name, field in fields.items())
    elif fields:
        yield "| field | type | default |\n| --- | --- | --- |"
        yield from (_row(name, field) for name, field in fields.items())
    yield ""


def _row(name: str, schema: Schema, meaning: str | None = None) -> str:
    default = schema.get("default")
    shown = "" if default in (None, "") else f"`{str(default).lower() if isinstance(default, bool) else default}`"
    row = f"| `{name}` | {_type(schema)} | {shown} |"
    return row if meaning is None else f"{row} {' '.join(meaning.split())} |"


def _type(schema: Schema) -> str:
    if reference := schema.get("$ref"):
        name = reference.removeprefix(_REFERENCE)
        return f"[{name}](#{name.lower()})"
    if kinds := schema.get("anyOf"):
        return " or ".join(_type(kind) for kind in kinds)
    if values := schema.get("enum"):
        return ", ".join(f"`{value}`" for value in values)
    if schema.get("type") == "array":
        items = [schema["items"]] if "items" in schema else schema.get("prefixItems", [])
        return f"list of {' and '.join(map(_type, items)) or 'any values'}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {_type(schema['additionalProperties'])}"
    kind = schema.get("type", "")
    return {"": "any value", "null": "`null`"}.get(kind) or schema.get("format") or kind


def _anchor(text: str) -> str:
    return re.sub(r"\W+", "-", text.lower()).strip("-")

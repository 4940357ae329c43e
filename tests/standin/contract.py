"""Whether a request to LangFuse is one that its OpenAPI document allows.

    check_request("GET", "/api/public/v3/scores", {"name": "grounded", "dataType": "NUMERIC", "valueMax": 0.6})

The document says most of it in words: which columns, operators, dimensions and measures there are stands in the
descriptions of ``filter`` and ``query``, from which they are read here. What it says wrongly, or not at all, and the
recorded answers show, is in the constants below with the name of the recording. ``openapi.yml`` is a part of the
official document: ``trim_openapi.py`` says which.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.standin.contract_json import filter_mistakes, mistake_in_time, query_mistakes

V2, V3_SCORES = "/api/public/v2/observations", "/api/public/v3/scores"

RECORDED_LIMITS = {"/api/public/observations": 100, "/api/public/traces": 100}  # traces_limit_101
# Beside ``filter`` they say nothing (obs_v2_filter_plus_query_ignored).
_BESIDE_FILTER = {"fields", "limit", "cursor", "page", "expandMetadata", "orderBy", "filter"}
_GROUPS = re.compile(r"(?:Available groups|Allowed|Available field groups): ([^.—]*)", re.DOTALL)


class ContractError(AssertionError):
    """A request that the OpenAPI document does not allow."""


def check_request(method: str, path: str, params: Mapping[str, Any] | None = None, body: Any = None) -> None:
    """Raises ContractError, which names every mistake. Values may be text, as they come in a URL; a list is a parameter
    that is repeated. A path may have something before ``/api/public``, as the address of a server may."""
    found = list(_mistakes(method.lower(), "/api/public" + path.partition("/api/public")[2], dict(params or {}), body))
    if found:
        raise ContractError(f"{method} {path}: " + "; ".join(found))


class HeldToTheContract(httpx.AsyncBaseTransport):
    """A transport that checks each request on its way, and counts them: so that no test can pass by asking what a real
    server refuses. For readers: of what is sent it says nothing."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.checked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        params = request.url.params
        if request.method == "GET":
            check_request("GET", request.url.path, {name: params.get_list(name) for name in params})
            self.checked += 1
        return await self._inner.handle_async_request(request)


@cache
def document() -> Mapping[str, Any]:
    """The part of the OpenAPI document that is about the requests used; read once."""
    found: Mapping[str, Any] = yaml.safe_load((Path(__file__).parent / "openapi.yml").read_text())
    return found


def _mistakes(method: str, path: str, params: Mapping[str, Any], body: Any) -> Iterator[str]:
    operation = document()["paths"].get(path, {}).get(method)
    if operation is None:
        yield "no such endpoint among those that are used"
        return
    known = {each["name"]: each for each in operation.get("parameters", ())}
    for name, parameter in known.items():
        if parameter.get("required") and name not in params:
            yield f"{name} is missing"
    for name, value in params.items():
        values = list(value) if isinstance(value, list | tuple) else [value]
        if name not in known:
            yield f"no parameter {name}"
        elif len(values) > 1 and known[name]["schema"].get("type") != "array":
            yield f"{name} is given more than once"
        else:
            for one in values:
                yield from _mistakes_of_value(path, known[name], one)
    last = {name: value[-1] if isinstance(value, list | tuple) else value for name, value in params.items()}
    yield from _mistakes_together(path, last)
    if path == "/api/public/v2/metrics" and "query" in last:
        yield from query_mistakes(str(last["query"]), operation["description"], known["query"]["description"])
    if body is not None:
        yield from _mistakes_of_body(operation, body)


def _mistakes_of_value(path: str, parameter: Mapping[str, Any], value: Any) -> Iterator[str]:
    name, described = parameter["name"], parameter.get("description", "")
    yield from _mistakes_of_type(name, parameter["schema"], value)
    largest = re.search(r"Maximum (\d+)", described)
    limit = int(largest[1]) if largest else RECORDED_LIMITS.get(path)
    if name == "limit" and limit is not None and str(value).isdigit() and int(value) > limit:
        yield f"limit is {value}, more than {limit}"
    if name == "fields" and (groups := _GROUPS.search(described)):
        allowed = set(re.findall(r"\b[a-z_]{2,}\b", re.sub(r"\(.*?\)", "", groups[1])))
        for group in str(value).split(","):
            if group not in allowed:
                yield f"no field group {group!r}"
    if name == "filter":
        yield from filter_mistakes(str(value), described, needs_window=path == V2)


def _mistakes_of_type(name: str, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
    if "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    kind, text = schema.get("type"), str(value)
    if "enum" in schema and value not in schema["enum"]:
        yield f"{name} is {value!r}, none of {schema['enum']}"
    elif kind == "array":
        yield from _mistakes_of_type(name, schema["items"], value)
    elif kind == "integer" and (isinstance(value, bool) or not re.fullmatch(r"-?\d+", text)):
        yield f"{name} is {value!r}, no integer"
    elif kind == "number" and (isinstance(value, bool) or not re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text)):
        yield f"{name} is {value!r}, no number"
    elif kind == "boolean" and text.lower() not in ("true", "false"):
        yield f"{name} is {value!r}, neither true nor false"
    elif schema.get("format") == "date-time":
        yield from mistake_in_time(name, value)


def _mistakes_together(path: str, params: Mapping[str, Any]) -> Iterator[str]:
    if "filter" in params:
        for name in params.keys() - _BESIDE_FILTER:
            yield f"{name} says nothing beside filter, which replaces it"
    if path != V3_SCORES:
        return
    kinds = str(params.get("dataType", "")).upper().split(",")
    if ("valueMin" in params or "valueMax" in params) and kinds != ["NUMERIC"]:
        yield "valueMin and valueMax need dataType=NUMERIC"
    if "value" in params and (len(kinds) > 1 or kinds[0] not in ("NUMERIC", "BOOLEAN", "CATEGORICAL")):
        yield "value needs one dataType"
    if "observationId" in params and "traceId" not in params:
        yield "observationId needs traceId"
    if len(params.keys() & {"traceId", "sessionId", "experimentId"}) > 1:
        yield "traceId, sessionId and experimentId exclude one another"
    for kind in kinds:
        if kind not in ("", "NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT", "CORRECTION"):
            yield f"no dataType {kind}"


def _mistakes_of_body(operation: Mapping[str, Any], body: Any) -> Iterator[str]:
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = document()["components"]["schemas"][reference.rpartition("/")[2]]
    if not isinstance(body, dict):
        yield "the body is no object"
        return
    for name in schema["required"]:
        if name not in body:
            yield f"{name} is missing in the body"
    for name in body.keys() - schema["properties"].keys():
        yield f"no {name} in the body"

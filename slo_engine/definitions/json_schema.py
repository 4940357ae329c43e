"""JSON Schema (draft 2020-12) of what is written in YAML, for editors: made of the models that read it.

A schema refuses nothing that its reader accepts. It accepts more: PromQL, time zones and what holds between keys are
checked by ``slo-engine validate``.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, create_model
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from slo_engine.definitions.duration import Duration
from slo_engine.definitions.format import ITEMS, HeaderFormat

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def slo_file_schema() -> JsonSchemaValue:
    """The schema of an SLO file."""
    lists: dict[str, Any] = {name: (list[model] | None, None) for name, model in ITEMS.items()}  # type: ignore[valid-type]
    file = create_model("SloFile", __base__=HeaderFormat, **lists)
    schema = schema_of(file, "slo-engine: an SLO file (slo-engine/v1)")
    for name, model in ITEMS.items():
        schema["properties"][name]["description"] = _plain(model.__doc__ or "")
    return schema | {"allOf": [_needs_a_service(name) for name in ("slos", "thresholds")]}


def schema_of(model: type[BaseModel], title: str) -> JsonSchemaValue:
    """The schema of a model. The description of a key is what stands below it in the source."""
    made = model.model_json_schema(by_alias=True, schema_generator=_Described)
    made.pop("description", None)
    return {"$schema": DIALECT, "title": title, **{key: value for key, value in made.items() if key != "title"}}


def _needs_a_service(items: str) -> JsonSchemaValue:
    some = {"properties": {items: {"type": "array", "minItems": 1}}, "required": [items]}
    return {"if": some, "then": {"required": ["service"], "properties": {"service": {"type": "string"}}}}


class _Described(GenerateJsonSchema):
    """Without the titles and the defaults that pydantic makes up: a title repeats its key, and the default of a whole
    section is written out with keys that nobody would write."""

    def encode_default(self, dft: Any) -> Any:
        return str(dft) if isinstance(dft, Duration) else super().encode_default(dft)

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        made.pop("title", None)
        made["description"] = _plain(model.__doc__ or "")
        told = _docstrings(model)
        for name, info in model.model_fields.items():
            key = made["properties"].get(info.alias or name)
            if key is None:
                continue
            key.pop("title", None)
            if isinstance(key.get("default"), Mapping | None):
                key.pop("default", None)
            description = told.get(name) or info.description or _of_a_section(info.annotation)
            if description:
                key["description"] = _plain(description)
        return made


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The text below each field, of the classes that a model is made of; nothing of one that has no source."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if each.__module__.startswith("slo_engine."):
            found |= _below_fields(each)
    return found


def _below_fields(model: type) -> dict[str, str]:
    try:
        (written,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    except (OSError, TypeError):
        return {}
    statements = written.body if isinstance(written, ast.ClassDef) else []
    return dict(_pairs(statements))


def _pairs(statements: list[ast.stmt]) -> Iterable[tuple[str, str]]:
    for field, below in pairwise(statements):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            yield field.target.id, below.value.value


def _of_a_section(annotation: Any) -> str:
    """What the section itself says, where a key is one."""
    for each in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each.__doc__ or ""
    return ""


def _plain(docstring: str) -> str:
    """As an editor shows it: one paragraph, without the markup of Python's docstrings."""
    first = inspect.cleandoc(docstring).split("\n\n")[0]
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", first.replace("``", "`")).replace("\n", " ")

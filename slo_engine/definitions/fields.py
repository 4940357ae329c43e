"""The values that keys of an SLO file take: names, labels, selectors, money, templates; each with its own words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import CoreSchema

from slo_engine.definitions.alert_templates import check_alert_template
from slo_engine.definitions.labels import RESERVED_LABELS
from slo_engine.definitions.money import Budget
from slo_engine.definitions.promql import Selector, parse_alert_expression, parse_selector
from slo_engine.definitions.template_tokens import AlertTemplateError
from slo_engine.errors import SloEngineError

_NAME = re.compile(r"[a-z0-9]([-a-z0-9_.]*[a-z0-9])?\Z")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_ALERT = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
_MONEY = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([A-Z]{3})\Z")
_END = r"\Z"
MAX_NAME = 100
"""Characters of a name or a label."""


def refuse(message: str, *, at: int | None = None) -> PydanticCustomError:
    """The error of a validator, in words for the author of the file. ``at``: where in the text of the value the mistake
    is, in characters from 0."""
    return PydanticCustomError("slo", "{message}", {"message": message} | ({} if at is None else {"at": at}))


@dataclass(frozen=True)
class _Matching(AfterValidator):
    pattern: re.Pattern[str]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "pattern": ecma(self.pattern), "maxLength": MAX_NAME}


def ecma(pattern: re.Pattern[str]) -> str:
    """The pattern as JSON Schema reads it: one that matches the whole text."""
    return f"^{pattern.pattern.removesuffix(_END)}$"


def matching(pattern: re.Pattern[str], rule: str) -> AfterValidator:
    """A text that has this form; ``rule`` says which."""

    def check(text: str) -> str:
        if not pattern.match(text):
            raise refuse(rule)
        if len(text) > MAX_NAME:
            raise refuse(f"must be at most {MAX_NAME} characters")
        return text

    return _Matching(check, pattern)


def _free_label(label: str) -> str:
    if label in RESERVED_LABELS or label.startswith("__"):
        raise refuse(f"is a label that the rules use themselves ({label}): take another one")
    return label


def _parser(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if isinstance(value, Selector):
            return value
        if not isinstance(value, str):
            raise refuse("must be PromQL text: put it in quotes")
        try:
            return parse(value)
        except SloEngineError as error:
            raise refuse(str(error)) from None

    return read


_selector = _parser(parse_selector)


def _one_or_several(value: Any) -> Any:
    # One that stands alone has no place in a list, where a mistake in it could be told.
    return value if isinstance(value, list) else [_selector(value)]


def _template(text: str) -> str:
    """A text that Prometheus reads as a Go template."""
    try:
        check_alert_template(text)
    except AlertTemplateError as error:
        raise refuse(str(error), at=error.at) from None
    return text


def _money(value: Any) -> Any:
    if isinstance(value, Budget):
        return value
    match = _MONEY.match(value) if isinstance(value, str) else None
    if not match or not 0 < float(match.group(1)) < 1e12:
        raise refuse("must be an amount above 0 with its currency, such as 3000 USD")
    return Budget(float(match.group(1)), match.group(2))


Name = Annotated[str, matching(_NAME, "must be lower-case letters, digits and -, _ or ., such as support-agent")]
AnnotationName = Annotated[str, matching(LABEL, "must be a name in letters, digits and _, such as runbook_url")]
Label = Annotated[
    str, matching(LABEL, "must be a label name: letters, digits and _, such as team"), AfterValidator(_free_label)
]
AlertName = Annotated[str, matching(_ALERT, "must be an alert name in letters, digits and _, such as AgentErrors")]
SelectorField = Annotated[Selector, BeforeValidator(_selector, json_schema_input_type=str)]
SelectorsField = Annotated[
    list[SelectorField],
    BeforeValidator(_one_or_several, json_schema_input_type=str | Annotated[list[str], Field(min_length=1)]),
    Field(min_length=1),
]
"""One selector, or a list of them."""
ExpressionField = Annotated[str, BeforeValidator(_parser(parse_alert_expression))]
Money = Annotated[
    Budget,
    BeforeValidator(_money, json_schema_input_type=Annotated[str, Field(pattern=ecma(_MONEY), examples=["3000 USD"])]),
]
SeverityName = Annotated[str, matching(LABEL, "must be one word, such as warning or critical")]
Alpha = Annotated[float, Field(ge=1e-12, le=0.1, allow_inf_nan=False, strict=True)]
Objective = Annotated[float, Field(gt=1, lt=100, allow_inf_nan=False, strict=True)]
Text = Annotated[str, Field(max_length=2_000)]
Template = Annotated[Text, AfterValidator(_template)]


def schema_of_set(key: str) -> dict[str, Any]:
    """The JSON Schema of a mapping in which the key stands, and not with null."""
    return {"required": [key], "properties": {key: {"not": {"type": "null"}}}}


class Strict(BaseModel):
    """A mapping that takes its own keys and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

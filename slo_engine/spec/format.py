"""The file format ``slo-engine/v1``: what each key takes. What crosses items and files is checked in ``loading``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from slo_engine.errors import SloEngineError
from slo_engine.spec.duration import Duration
from slo_engine.spec.names import RESERVED_LABELS
from slo_engine.spec.policies import Severity
from slo_engine.spec.promql import Selector, parse_alert_expression, parse_selector
from slo_engine.spec.slo import Budget

VERSION = "slo-engine/v1"

_NAME = re.compile(r"[a-z0-9]([-a-z0-9_.]*[a-z0-9])?\Z")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_ALERT = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
_MONEY = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([A-Z]{3})\Z")


def _refuse(message: str) -> PydanticCustomError:
    return PydanticCustomError("slo", "{message}", {"message": message})


def _matching(pattern: re.Pattern[str], rule: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.match(text):
            raise _refuse(rule)
        if len(text) > 100:
            raise _refuse("must be at most 100 characters")
        return text

    return AfterValidator(check)


def _free_label(label: str) -> str:
    if label in RESERVED_LABELS or label.startswith("__"):
        raise _refuse(f"is a label that the rules use themselves ({label}): take another one")
    return label


def _parsed_by(parse: Callable[[str], Any]) -> BeforeValidator:
    def read(value: Any) -> Any:
        if not isinstance(value, str):
            raise _refuse("must be PromQL text: put it in quotes")
        try:
            return parse(value)
        except SloEngineError as error:
            raise _refuse(str(error)) from None

    return BeforeValidator(read)


def _template(text: str) -> str:
    """A text that Prometheus reads as a Go template. One that it cannot read makes it refuse the whole rule file, with
    every alert of the service: what is plainly broken is found here, the rest by promtool."""
    rest = text
    while "{{" in rest:
        action, closed, rest = rest.partition("{{")[2].partition("}}")
        if not closed:
            raise _refuse("opens a template with {{ and never closes it: add }}")
        if not action.strip(" -"):
            raise _refuse("holds an empty template {{ }}: write {{ $labels.agent_type }} or {{ $value }}, say")
    return text


def _money(value: Any) -> Any:
    if isinstance(value, Budget):
        return value
    match = _MONEY.match(value) if isinstance(value, str) else None
    if not match or not 0 < float(match.group(1)) < 1e12:
        raise _refuse("must be an amount above 0 with its currency, such as 3000 USD")
    return Budget(float(match.group(1)), match.group(2))


Name = Annotated[str, _matching(_NAME, "must be lower-case letters, digits and -, _ or ., such as support-agent")]
AnnotationName = Annotated[str, _matching(_LABEL, "must be a name in letters, digits and _, such as runbook_url")]
Label = Annotated[
    str, _matching(_LABEL, "must be a label name: letters, digits and _, such as team"), AfterValidator(_free_label)
]
AlertName = Annotated[str, _matching(_ALERT, "must be an alert name in letters, digits and _, such as AgentErrors")]
SelectorField = Annotated[Selector, _parsed_by(parse_selector)]
ExpressionField = Annotated[str, _parsed_by(parse_alert_expression)]
Money = Annotated[Budget, BeforeValidator(_money)]
Objective = Annotated[float, Field(gt=1, lt=100, allow_inf_nan=False, strict=True)]
Text = Annotated[str, Field(max_length=2_000)]
Template = Annotated[Text, AfterValidator(_template)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class EventsFormat(_Strict):
    """``sli.events``"""

    total: SelectorField
    errors: SelectorField | None = None
    good: SelectorField | None = None

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.errors is None) == (self.good is None):
            raise _refuse("takes total and exactly one of errors and good")
        return self


class LatencyFormat(_Strict):
    """``sli.latency``"""

    histogram: SelectorField
    threshold: Duration

    @field_validator("histogram")
    @classmethod
    def _base_name(cls, histogram: Selector) -> Selector:
        if histogram.metric.endswith(("_bucket", "_count", "_sum")):
            base = histogram.metric.rpartition("_")[0]
            raise _refuse(f"takes the histogram's base name: {base} instead of {histogram.metric}")
        return histogram


class CostFormat(_Strict):
    """``sli.cost``"""

    spend: SelectorField
    budget: Money


class SliFormat(_Strict):
    """``sli``: exactly one kind."""

    events: EventsFormat | None = None
    latency: LatencyFormat | None = None
    cost: CostFormat | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(kind is not None for kind in (self.events, self.latency, self.cost)) != 1:
            raise _refuse("takes exactly one of events, latency and cost")
        return self


class OverrideFormat(_Strict):
    """One item of ``overrides``."""

    match: dict[Label, str] = Field(min_length=1)
    objective: Objective | None = None
    budget: Money | None = None


class TierAlertingFormat(_Strict):
    """``alerting.page`` and ``alerting.ticket``"""

    disabled: bool = Field(default=False, strict=True)
    labels: dict[Label, Template] = {}
    annotations: dict[AnnotationName, Template] = {}


class AlertingFormat(_Strict):
    """``alerting``"""

    policy: Name | None = None
    page: TierAlertingFormat | None = None
    ticket: TierAlertingFormat | None = None
    min_events: Annotated[int, Field(ge=0, strict=True)] | None = None
    absent: Duration | None = None

    def over(self, defaults: AlertingFormat) -> AlertingFormat:
        """These keys where they are set, else those of ``defaults``."""
        return defaults.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})


class TracesFormat(_Strict):
    """``traces``"""

    tags: list[Text] = []
    observation: Text | None = None


class DefaultsFormat(_Strict):
    """``defaults``"""

    window: Duration = Duration.parse("30d")
    by: list[Label] = []
    objective: Objective | None = None
    alerting: AlertingFormat = AlertingFormat()
    traces: TracesFormat | None = None


class SloFormat(_Strict):
    """One item of ``slos``."""

    name: Name
    description: Text = ""
    objective: Objective | None = None
    window: Duration | None = None
    by: list[Label] | None = None
    sli: SliFormat
    overrides: list[OverrideFormat] = []
    alerting: AlertingFormat = AlertingFormat()
    traces: TracesFormat | None = None


class ThresholdFormat(_Strict):
    """One item of ``thresholds``."""

    alert: AlertName
    expr: ExpressionField
    for_: Duration | None = Field(default=None, alias="for")
    severity: Annotated[str, _matching(_LABEL, "must be one word, such as warning or critical")]
    summary: Template
    description: Template = ""
    labels: dict[Label, Template] = {}
    annotations: dict[AnnotationName, Template] = {}


class TierFormat(_Strict):
    """One item of a policy's ``tiers``."""

    severity: Severity
    long: Duration
    short: Duration
    factor: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False, strict=True)]

    @field_validator("short")
    @classmethod
    def _short_is_shorter(cls, short: Duration, info: ValidationInfo) -> Duration:
        if (long := info.data.get("long")) and short >= long:
            raise _refuse(f"must be shorter than the long window ({long}); 1/12 of it is usual")
        return short


class PolicyFormat(_Strict):
    """One item of ``policies``."""

    name: Name
    tiers: list[TierFormat] = Field(min_length=1)


class HeaderFormat(_Strict):
    """What a file says once for all its items."""

    version: Literal["slo-engine/v1"]
    service: Name | None = None
    owner: Text | None = None
    labels: dict[Label, Template] = {}
    defaults: DefaultsFormat = DefaultsFormat()


ITEMS: Mapping[str, type[_Strict]] = {"slos": SloFormat, "thresholds": ThresholdFormat, "policies": PolicyFormat}
"""The lists of a file. Each item is checked by itself, so that one mistake never hides another."""


def keys_of_the_format() -> Mapping[str, tuple[str, ...]]:
    """The keys that each place of a file takes: ``slos.sli.cost`` -> spend, budget. The top of the file is ``""``."""
    places: dict[str, tuple[str, ...]] = {}
    open_places: list[tuple[str, type[BaseModel]]] = [("", HeaderFormat), *ITEMS.items()]
    while open_places:
        place, model = open_places.pop(0)
        fields = {info.alias or name: info for name, info in model.model_fields.items()}
        places[place] = tuple(fields) if place else (*fields, *ITEMS)
        for name, info in fields.items():
            inner = f"{place}.{name}" if place else name
            open_places += [(inner, each) for each in _models_in(info.annotation)]
    return places


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]

"""The file format ``slo-engine/v1``: what each key takes. What crosses items and files is checked in ``loading``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core.core_schema import CoreSchema

from slo_engine.definitions.duration import Duration
from slo_engine.definitions.fields import (
    AlertName,
    Alpha,
    AnnotationName,
    ExpressionField,
    Label,
    Money,
    Name,
    Objective,
    SeverityName,
    Strict,
    Template,
    Text,
    refuse,
    schema_of_set,
)
from slo_engine.definitions.kinds import KINDS, KindFormat, Sli
from slo_engine.definitions.policies import ALPHA, Severity
from slo_engine.definitions.templates import TEMPLATES
from slo_engine.definitions.templates.apply import KEY, apply
from slo_engine.definitions.traces import TraceQuery

VERSION = "slo-engine/v1"


class _Kinds(Strict):
    """A key for each kind of the table."""

    def written(self) -> list[KindFormat]:
        """The kinds that the file gives."""
        found = (getattr(self, name) for name in KINDS)
        return [kind for kind in found if kind is not None]


if not TYPE_CHECKING:
    _Kinds = create_model("_Kinds", __base__=_Kinds, **{name: (kind | None, None) for name, kind in KINDS.items()})


class SliFormat(_Kinds):
    """``sli``: exactly one kind, or a template."""

    template: str | None = None
    """The name of a ready SLI: ``slo-engine templates`` lists them, and the parameters that stand beside it."""
    _of_template: Sli | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if len(self.written()) != 1:
            raise refuse(f"takes exactly one of {', '.join(type(self).model_fields)}")
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _template(cls, data: Any, otherwise: ModelWrapValidatorHandler[Self]) -> Self:
        # Beside `template` stand the parameters of that template, which are the keys of no kind.
        if not (isinstance(data, dict) and KEY in data):
            return otherwise(data)
        made: Any = cls.model_construct(template=data[KEY])
        made._of_template = apply(data)
        return made  # type: ignore[no-any-return]

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        of_kinds = handler.resolve_ref_schema(handler(schema))
        kinds = {name: of_kinds["properties"][name] for name in KINDS}
        choices: list[JsonSchemaValue] = [
            {"properties": kinds, "oneOf": [schema_of_set(name) for name in KINDS], "additionalProperties": False}
        ]
        for template in TEMPLATES.values():
            made = handler.resolve_ref_schema(handler(template.parameters.__pydantic_core_schema__))
            key = {"const": template.name, "description": template.description}
            choices.append(
                made
                | {
                    "description": template.description,
                    "properties": {KEY: key, **made["properties"]},
                    "required": [KEY, *template.required],
                }
            )
        return {"type": "object", "description": of_kinds["description"], "oneOf": choices}

    def sli(self) -> Sli:
        """What the rules are made of."""
        return self._of_template or self.written()[0].sli()


class OverrideFormat(Strict):
    """One item of ``overrides``."""

    match: dict[Label, str] = Field(min_length=1)
    """Labels of ``by``, and the value that each must have. The first override that matches counts."""
    objective: Objective | None = None
    """Percent of good events of these groups."""
    budget: Money | None = None
    """Money for each of these groups, for an SLO of ``cost``."""


class TierAlertingFormat(Strict):
    """``alerting.page`` and ``alerting.ticket``"""

    disabled: bool = Field(default=False, strict=True)
    """true: no tier of this severity."""
    labels: dict[Label, Template] = {}
    """Added to the alerts; they win over ``labels`` and ``owner`` of the file."""
    annotations: dict[AnnotationName, Template] = {}
    """Added to the alerts, such as runbook_url; they win over ``summary`` and ``description``."""


class SeveritiesFormat(Strict):
    """``alerting.severities``"""

    page: SeverityName | None = None
    """What pages carry in the label ``severity``, such as critical."""
    ticket: SeverityName | None = None
    """What tickets carry in the label ``severity``, such as warning."""


class AlertingFormat(Strict):
    """``alerting``"""

    policy: Name | None = None
    """Which burn rates alert: google (the default), agent, page-at-5x, or one of ``policies``."""
    name: AlertName | None = None
    """What the burn alerts are called instead of SLOErrorBudgetBurn or SLOSpendBudgetBurn."""
    severities: SeveritiesFormat = SeveritiesFormat()
    """What is written into the label ``severity`` instead of page and ticket."""
    page: TierAlertingFormat | None = None
    """For all alerts of severity page."""
    ticket: TierAlertingFormat | None = None
    """For all alerts of severity ticket."""
    disabled: list[Duration] = []
    """Long windows of the tiers that are not wanted, such as 3d."""
    min_events: Annotated[int, Field(ge=0, strict=True)] | None = None
    """No burn-rate alert over a window with fewer events than this; not for ``cost``."""
    sure: bool = Field(default=True, strict=True)
    """true: burn alerts fire only when the errors are no accident; false: the burn rate alone."""
    alpha: Alpha = ALPHA
    """How improbable an accident must be for an alert."""
    keep_firing_for: Duration | None = None
    """Alerts go on for so long after their condition has ended (Prometheus 2.42 or later)."""
    exhausted: Severity | None = None
    """The severity of an alert that fires while nothing is left of the budget."""
    absent: Duration | None = None
    """A ticket when the metric has not been there for so long."""

    def over(self, defaults: AlertingFormat) -> AlertingFormat:
        """These keys where they are set, else those of ``defaults``."""
        return defaults.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})


class TracesFormat(Strict):
    """``traces``"""

    tags: list[Text] = []
    """A trace must carry all of these tags."""
    observation: Text | None = None
    """The step of this name counts, not the run: a failing tool, say."""
    model: Text | None = None
    """Calls of this model count, not the run."""
    environment: Text | None = None
    """The environment in LangFuse; without it, staging's failures are shown as well."""
    name: Text | None = None
    """The name of the trace."""
    user: Text | None = None
    """The user of the trace."""
    session: Text | None = None
    """The session of the trace."""
    metadata: dict[Text, Text] = {}
    """What the metadata of the run, or of the step that counts, must say."""
    score: Text | None = None
    """For an SLO of ``score``: what the score is called in LangFuse."""

    def query(self) -> TraceQuery | None:
        """What is asked of LangFuse; None: nothing."""
        texts = self.model_dump(exclude={"tags", "metadata"})
        return TraceQuery(tags=tuple(self.tags), metadata=tuple(self.metadata.items()), **texts)


class NoTracesFormat(TracesFormat):
    """``traces: false``"""

    def query(self) -> None:
        """Nothing is asked."""
        return


def _or_false(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    return NoTracesFormat() if value is False else read(value)


Traces = Annotated[TracesFormat, WrapValidator(_or_false, json_schema_input_type=TracesFormat | Literal[False])]


class DefaultsFormat(Strict):
    """``defaults``"""

    window: Duration = Duration.parse("30d")
    """The SLO window."""
    by: list[Label] = []
    """Labels that divide each SLO into groups with a budget each."""
    objective: Objective | None = None
    """Percent of good events."""
    alerting: AlertingFormat = AlertingFormat()
    """How the SLOs of this file alert; an SLO overrides each key by itself."""
    traces: Traces | None = None
    """Which traces in LangFuse explain the SLOs; false: none."""


class SloFormat(Strict):
    """One item of ``slos``."""

    name: Name
    """The label ``slo``: unique within the service, over all files."""
    description: Text = ""
    """What it promises, for people."""
    objective: Objective | None = None
    """Percent of good events; not for ``cost``, whose objective is its budget."""
    window: Duration | None = None
    """The SLO window, rolling, in whole minutes; 30d unless the defaults say otherwise."""
    by: list[Label] | None = None
    """Labels that divide the SLO into groups with a budget each; the metrics must have them."""
    sli: SliFormat
    """What counts: exactly one kind of SLI, or a template."""
    overrides: list[OverrideFormat] = []
    """Other objectives or budgets for some groups."""
    alerting: AlertingFormat = AlertingFormat()
    """How the SLO alerts; what it leaves out is that of the defaults."""
    traces: Traces | None = None
    """Which traces in LangFuse explain the SLO; false: none."""


class ThresholdFormat(Strict):
    """One item of ``thresholds``."""

    alert: AlertName
    """The name of the alert: unique within the service."""
    expr: ExpressionField
    """PromQL that gives one value a series; the alert fires for each."""
    for_: Duration | None = Field(default=None, alias="for")
    """How long it must hold."""
    severity: SeverityName
    """The label ``severity``."""
    summary: Template
    """An annotation: what is wrong, in a line. Prometheus fills in {{ $labels.x }} and {{ $value }}."""
    description: Template = ""
    """An annotation: the same at length."""
    labels: dict[Label, Template] = {}
    """Added to those of the file."""
    annotations: dict[AnnotationName, Template] = {}
    """Added to the alert, such as runbook_url."""


class TierFormat(Strict):
    """One item of a policy's ``tiers``."""

    severity: Severity
    """page or ticket."""
    long: Duration
    """The window over which the burn rate must exceed the factor."""
    short: Duration
    """A shorter window over which it must, too, so that the alert ends soon after the trouble; 1/12 of the long one is
    usual."""
    factor: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False, strict=True)]
    """The burn rate."""
    above: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False, strict=True)] = 0.0
    """An error ratio below which it does not fire, whatever the factor: 0.5 tells of outages only."""
    alpha: Alpha | None = None
    """A stricter one than that of ``alerting``, for this tier."""

    @field_validator("short")
    @classmethod
    def _short_is_shorter(cls, short: Duration, info: ValidationInfo) -> Duration:
        if (long := info.data.get("long")) and short >= long:
            raise refuse(f"must be shorter than the long window ({long}); 1/12 of it is usual")
        return short


class PolicyFormat(Strict):
    """One item of ``policies``."""

    name: Name
    """Known in all files that are read together; none of a built-in policy."""
    tiers: list[TierFormat] = Field(min_length=1)
    """When an alert of which severity fires."""


class HeaderFormat(Strict):
    """What a file says once for all its items."""

    version: Literal["slo-engine/v1"]
    """The format of the file."""
    service: Name | None = None
    """The label ``slo_service``; several files may share one."""
    owner: Text | None = None
    """A label on the alerts of the SLOs."""
    labels: dict[Label, Template] = {}
    """More labels, on all alerts of the file."""
    defaults: DefaultsFormat = DefaultsFormat()
    """What the SLOs of this file have where they say nothing."""


ITEMS: Mapping[str, type[Strict]] = {"slos": SloFormat, "thresholds": ThresholdFormat, "policies": PolicyFormat}
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

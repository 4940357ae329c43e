"""The file format ``slo-engine/v1``: what each key takes. What crosses items and files is checked in ``loading``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
    field_validator,
    model_validator,
)

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
)
from slo_engine.definitions.kinds import KINDS, KindFormat, Sli
from slo_engine.definitions.policies import ALPHA, Severity
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

    def sli(self) -> Sli:
        """What the rules are made of."""
        return self._of_template or self.written()[0].sli()


class OverrideFormat(Strict):
    """One item of ``overrides``."""

    match: dict[Label, str] = Field(min_length=1)
    objective: Objective | None = None
    budget: Money | None = None


class TierAlertingFormat(Strict):
    """``alerting.page`` and ``alerting.ticket``"""

    disabled: bool = Field(default=False, strict=True)
    labels: dict[Label, Template] = {}
    annotations: dict[AnnotationName, Template] = {}


class SeveritiesFormat(Strict):
    """``alerting.severities``"""

    page: SeverityName | None = None
    ticket: SeverityName | None = None


class AlertingFormat(Strict):
    """``alerting``"""

    policy: Name | None = None
    name: AlertName | None = None
    severities: SeveritiesFormat = SeveritiesFormat()
    page: TierAlertingFormat | None = None
    ticket: TierAlertingFormat | None = None
    disabled: list[Duration] = []
    min_events: Annotated[int, Field(ge=0, strict=True)] | None = None
    sure: bool = Field(default=True, strict=True)
    alpha: Alpha = ALPHA
    keep_firing_for: Duration | None = None
    exhausted: Severity | None = None
    absent: Duration | None = None

    def over(self, defaults: AlertingFormat) -> AlertingFormat:
        """These keys where they are set, else those of ``defaults``."""
        return defaults.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})


class TracesFormat(Strict):
    """``traces``"""

    tags: list[Text] = []
    observation: Text | None = None
    model: Text | None = None
    environment: Text | None = None
    name: Text | None = None
    user: Text | None = None
    session: Text | None = None
    metadata: dict[Text, Text] = {}
    score: Text | None = None

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


Traces = Annotated[TracesFormat, WrapValidator(_or_false)]


class DefaultsFormat(Strict):
    """``defaults``"""

    window: Duration = Duration.parse("30d")
    by: list[Label] = []
    objective: Objective | None = None
    alerting: AlertingFormat = AlertingFormat()
    traces: Traces | None = None


class SloFormat(Strict):
    """One item of ``slos``."""

    name: Name
    description: Text = ""
    objective: Objective | None = None
    window: Duration | None = None
    by: list[Label] | None = None
    sli: SliFormat
    overrides: list[OverrideFormat] = []
    alerting: AlertingFormat = AlertingFormat()
    traces: Traces | None = None


class ThresholdFormat(Strict):
    """One item of ``thresholds``."""

    alert: AlertName
    expr: ExpressionField
    for_: Duration | None = Field(default=None, alias="for")
    severity: SeverityName
    summary: Template
    description: Template = ""
    labels: dict[Label, Template] = {}
    annotations: dict[AnnotationName, Template] = {}


class TierFormat(Strict):
    """One item of a policy's ``tiers``."""

    severity: Severity
    long: Duration
    short: Duration
    factor: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False, strict=True)]
    above: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False, strict=True)] = 0.0
    alpha: Alpha | None = None

    @field_validator("short")
    @classmethod
    def _short_is_shorter(cls, short: Duration, info: ValidationInfo) -> Duration:
        if (long := info.data.get("long")) and short >= long:
            raise refuse(f"must be shorter than the long window ({long}); 1/12 of it is usual")
        return short


class PolicyFormat(Strict):
    """One item of ``policies``."""

    name: Name
    tiers: list[TierFormat] = Field(min_length=1)


class HeaderFormat(Strict):
    """What a file says once for all its items."""

    version: Literal["slo-engine/v1"]
    service: Name | None = None
    owner: Text | None = None
    labels: dict[Label, Template] = {}
    defaults: DefaultsFormat = DefaultsFormat()


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

"""What a template is: an SLI on the metrics of one exporter, with the names, labels and buckets that it is known by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from slo_engine.definitions.duration import Duration
from slo_engine.definitions.fields import LABEL, Strict, matching, refuse
from slo_engine.definitions.kinds import LatencySli, Sli
from slo_engine.definitions.promql import Matcher, Selector


def _of_a_series(label: str) -> str:
    if label in ("le", "__name__"):
        raise refuse(f"must be a label that the exporter or the scrape sets, such as job: the template sets {label}")
    return label


WhereLabel = Annotated[
    str, matching(LABEL, "must be a label name: letters, digits and _, such as team"), AfterValidator(_of_a_series)
]


class Parameters(Strict):
    """What every template takes."""

    where: dict[WhereLabel, str] = Field(default={}, description="labels and the value that each must have")

    def select(self, metric: str, *matchers: Matcher) -> Selector:
        """The series of a metric that fit ``where``."""
        wanted = (Matcher(label, "=", value) for label, value in self.where.items())
        return Selector(metric, (*wanted, *matchers))


PARAMETERS = TypeVar("PARAMETERS", bound=Parameters)


@dataclass(frozen=True)
class Template(Generic[PARAMETERS]):
    """One template: ``sli: {template: name, ...}`` makes ``sli`` of the parameters."""

    name: str
    description: str
    """In one line: which events there are, and which of them are good."""
    parameters: type[PARAMETERS]
    sli: Callable[[PARAMETERS], Sli]
    """Raises ValidationError, as :func:`misfit` makes it, for a parameter that does not fit the exporter."""
    by: Sequence[str]
    """The labels worth dividing the SLO by."""
    page: str
    """Where the exporter describes its metrics."""

    @property
    def keys(self) -> Mapping[str, str]:
        """The parameters, and what each means."""
        return {name: info.description or "" for name, info in self.parameters.model_fields.items()}

    @property
    def required(self) -> tuple[str, ...]:
        """The parameters that must be written."""
        return tuple(name for name, info in self.parameters.model_fields.items() if info.is_required())


def misfit(message: str, value: Any, *place: str) -> ValidationError:
    """A mistake in the parameter at ``place``, in words for the author of the file."""
    return ValidationError.from_exception_data("template", [detail(message, value, *place)])


def detail(message: str, value: Any, *place: str) -> InitErrorDetails:
    """One mistake at ``place``."""
    kind = PydanticCustomError("slo", "{message}", {"message": message})
    return InitErrorDetails(type=kind, loc=place, input=value)


class LatencyParameters(Parameters):
    """What a template on a classic histogram takes."""

    threshold: Duration = Field(description="good up to this: a bucket of the exporter")
    own_buckets: bool = Field(
        default=False, strict=True, description="yours has other buckets than most: take any threshold"
    )

    def check_bucket(self, metric: str, buckets: Sequence[float]) -> None:
        """Refuse a threshold that is none of the ``buckets`` (upper bounds in seconds): there would never be any data
        for it. Raises ValidationError."""
        known = [Duration(round(bound * 1000)) for bound in buckets]
        if self.own_buckets or self.threshold in known:
            return
        below = [bound for bound in known if bound < self.threshold][-1:]
        above = [bound for bound in known if bound > self.threshold][:1]
        raise misfit(
            f"is not a bucket of {metric}: did you mean {' or '.join(map(str, below + above))}? There are "
            f"{', '.join(map(str, known))}; where yours has others, add `own_buckets: true`",
            str(self.threshold),
            "threshold",
        )


def within(
    metric: str, buckets: Sequence[float], exporter_labels: tuple[str, ...] = ()
) -> Callable[[LatencyParameters], LatencySli]:
    """The SLI of a template on this histogram."""

    def sli(parameters: LatencyParameters) -> LatencySli:
        parameters.check_bucket(metric, buckets)
        return LatencySli(parameters.select(metric), parameters.threshold, exporter_labels=exporter_labels)

    return sli

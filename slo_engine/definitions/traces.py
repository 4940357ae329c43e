"""How the traces of an SLO's failing events are found in LangFuse: templates over the labels of the alert's group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace

from jinja2 import StrictUndefined, Template, TemplateError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from slo_engine.errors import SloEngineError

_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


class TraceTemplateError(SloEngineError):
    """A template that cannot be rendered from the labels of the SLO."""


@dataclass(frozen=True)
class Failed:
    """Runs that failed, or failing steps, explain the errors."""


@dataclass(frozen=True)
class Slow:
    """Runs that took longer explain the errors."""

    seconds: float


Explanation = Failed | Slow
"""Which traces explain the errors of an SLI."""


@dataclass(frozen=True)
class TraceQuery:
    """Traces that carry all ``tags``. ``observation``: failures are the ERROR observations of this name inside them
    (a tool, say); without it, the runs that failed as a whole."""

    tags: tuple[str, ...] = ()
    observation: str | None = None

    def render(self, labels: Mapping[str, str]) -> TraceQuery:
        """The query for one group. Raises TraceTemplateError when a label is missing."""
        return TraceQuery(
            tuple(render(tag, labels) for tag in self.tags),
            None if self.observation is None else render(self.observation, labels),
        )


def default_query(by: Iterable[str]) -> TraceQuery:
    """``agent_type`` -> the tag ``agent_type:support_agent``, which :mod:`slo_engine.monitoring` sets."""
    return TraceQuery(tuple(f"{label}:{{{{ labels.{label} }}}}" for label in by))


def render(template: str, labels: Mapping[str, str]) -> str:
    """Fill in one template. Raises TraceTemplateError when a label is missing."""
    try:
        return _compiled(template).render(labels=SimpleNamespace(**labels))
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise TraceTemplateError(f"the trace template {template!r} cannot be filled in: {error}") from None


def check_template(template: str, by: Iterable[str]) -> None:
    """Refuse a template that is not Jinja2, or that uses more than ``labels.<a label of by>``."""
    known = set(by)
    try:
        tree = _ENVIRONMENT.parse(template)
        unknown = sorted(meta.find_undeclared_variables(tree) - {"labels"})
    except TemplateError as error:
        raise TraceTemplateError(f"is not a Jinja2 template: {error.message}") from None
    unknown += sorted({node.attr for node in tree.find_all(nodes.Getattr)} - known)
    if unknown:
        offered = ", ".join(f"labels.{label}" for label in sorted(known)) or "nothing, as `by` is empty"
        raise TraceTemplateError(f"uses {unknown[0]!r}, which the group does not have; it offers {offered}")
    render(template, dict.fromkeys(known, "x"))  # what only shows when it is filled in, such as an unknown filter


@lru_cache(maxsize=1024)
def _compiled(template: str) -> Template:
    return _ENVIRONMENT.from_string(template)

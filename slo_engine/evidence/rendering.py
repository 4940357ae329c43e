"""What sources say, as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from slo_engine import amounts
from slo_engine.evidence.model import Causes, TraceLink
from slo_engine.notifications import Link, Section

_ENVIRONMENT = Environment(
    loader=PackageLoader("slo_engine.evidence"),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701 - plain text: who shows it escapes it, as for every annotation
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {
    each.__name__: each
    for each in (amounts.about, amounts.about_percent, amounts.budget_left, amounts.minute, amounts.share)
}
_ENVIRONMENT.filters["length_of"] = amounts.length  # Jinja2's own `length` counts


def rendered(template: str, **values: Any) -> str:
    """One template of this room, without white space around it."""
    return _ENVIRONMENT.get_template(template).render(**values).strip()


def trace_links(examples: Iterable[TraceLink]) -> tuple[Link, ...]:
    """Links to runs."""
    return tuple(Link(example.id, example.url) for example in examples)


def causes_section(name: str, found: Causes) -> Section:
    """The section of causes, with links to examples."""
    links = trace_links(example for cause in (*found.causes, *found.uncertain) for example in cause.examples)
    if found.url:
        links = (*links, Link("these failures in LangFuse", found.url))
    is_empty = not found.failed and not found.uncertain
    return Section(name, rendered("causes.txt.j2", found=found), links, found.as_json(), is_empty)

"""What sources say, as text."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from slo_engine import amounts
from slo_engine.evidence.model import Causes
from slo_engine.notifications import Link, Section

_ENVIRONMENT = Environment(
    loader=PackageLoader("slo_engine.evidence"),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701 - plain text: who shows it escapes it, as for every annotation
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {each.__name__: each for each in (amounts.about, amounts.budget_left, amounts.minute)}


def rendered(template: str, **values: Any) -> str:
    """One template of this room, without white space around it."""
    return _ENVIRONMENT.get_template(template).render(**values).strip()


def causes_section(name: str, found: Causes) -> Section:
    """The section of causes, with links to examples."""
    links = tuple(Link(trace.id, trace.url) for cause in found.causes for trace in cause.examples)
    return Section(name, rendered("causes.txt.j2", found=found), links, found.as_json())

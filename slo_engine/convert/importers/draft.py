"""SLOs on their way from another tool's file into one of ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from slo_engine.convert.importers.alert_texts import Alert, Words, translated
from slo_engine.convert.importers.queries import CannotExpressError, Indicator
from slo_engine.convert.importers.source import MalformedError, Node, Source
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.fields import LABEL, AnnotationName, Label, Template, matching
from slo_engine.definitions.loading import MIN_WINDOW
from slo_engine.definitions.policies import BUILT_IN, Policy, Severity, Tier, can_fire
from slo_engine.definitions.problems import KeyPath
from slo_engine.definitions.targets import error_budget
from slo_engine.errors import SloEngineError

MINUTE = 60_000
"""In milliseconds."""

MAX_FACTOR = 100_000
"""As much as a tier of an SLO file takes."""

SEVERITIES: tuple[Severity, Severity] = ("page", "ticket")

_LABEL: TypeAdapter[str] = TypeAdapter(Label)
_ANNOTATION: TypeAdapter[str] = TypeAdapter(AnnotationName)
_TEMPLATE: TypeAdapter[str] = TypeAdapter(Template)
_SEVERITY: TypeAdapter[str] = TypeAdapter(
    Annotated[str, matching(LABEL, "a severity is one word of letters, digits and _, such as critical")]
)


@dataclass
class Draft:
    """One SLO. ``fields`` are the keys of our format; where ``refused`` has a reason, it becomes a comment."""

    service: str
    name: str
    place: Node
    """Where it stands in its source."""
    fields: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    tier_labels: dict[Severity, dict[str, str]] = field(default_factory=lambda: {"page": {}, "ticket": {}})
    severities: dict[Severity, str] = field(default_factory=lambda: {"page": "page", "ticket": "ticket"})
    """What the alerts of a severity call it."""
    policy: Policy | None = None
    refused: str | None = None
    sli_source: Any = None
    """What the source has for an SLI, for the comment that stands in for it."""
    _origins: list[tuple[Node, str]] = field(default_factory=list)

    def comes_from(self, node: Node | None, key: str = "") -> None:
        """Notes on ``node`` and what is in it stand at this key of the SLO; at ``""``, before the SLO."""
        if node is not None:
            self._origins.append((node, key))

    def key_of(self, source: Source, path: KeyPath) -> str | None:
        """The key at which a note on this path belongs; None where it belongs to another SLO or to the file."""
        found: tuple[int, str] | None = None
        for node, key in ((self.place, ""), *self._origins):
            inside = node.source is source and path[: len(node.path)] == node.path
            if inside and (found is None or len(node.path) >= found[0]):
                found = (len(node.path), key)
        return found[1] if found else None

    def indicate(self, node: Node, read: Callable[[Node], Indicator]) -> None:
        """Take over what the SLI of the source becomes. Where that cannot be expressed, the SLO becomes a comment that
        shows the SLI as it stands there, so that nothing else is said of what is in it."""
        said = len(node.source.remarks)
        try:
            indicator = read(node)
        except (CannotExpressError, MalformedError) as error:
            node.source.take_back(node.path, said)
            self.refuse(node, error)
            return
        if indicator.by:
            self.fields["by"] = list(indicator.by)
        self.fields["sli"] = indicator.sli
        for remark in indicator.changed:
            node.changed(remark)

    def refuse(self, node: Node, error: SloEngineError) -> None:
        """The SLO becomes a comment. ``node`` is the SLI of the source, which the comment shows."""
        self.refused = str(error)
        self.sli_source = node.take()

    def alerting(self) -> dict[str, Any]:
        """The ``alerting`` of the SLO, made when it is first asked for."""
        found: dict[str, Any] = self.fields.setdefault("alerting", {})
        return found

    def disable(self, *severities: Severity) -> None:
        """No alerts of these severities."""
        for severity in severities:
            self.alerting()[severity] = {"disabled": True}

    def call_alerts(self, node: Node) -> None:
        """Name the burn alerts as they are named there."""
        written = node.text()
        name = re.sub(r"[^a-zA-Z0-9_:]+", "_", written).strip("_")[:100]
        if not name or name[0].isdigit():
            name = f"SLO_{name}".rstrip("_")
        if name != written:
            node.changed(f"alerts named {written!r} are named {name} here: letters, digits, _ and :")
        self.alerting()["name"] = name

    def call_severity(self, severity: Severity, node: Node) -> None:
        """Have the alerts of a severity say what they say there."""
        if reason := _refusal(_SEVERITY, node.text()):
            node.leave(f"{reason}. It is {self.severities[severity]} here")
        else:
            self.severities[severity] = node.text()

    def write_severities(self) -> None:
        """Write those that are called otherwise than they are here."""
        named = self.severities.items()
        written = {severity: name for severity, name in named if name != severity and not self.disabled(severity)}
        if written:
            self.alerting()["severities"] = written

    @property
    def silent(self) -> bool:
        """Whether it has no burn alerts."""
        return all(self.disabled(severity) for severity in SEVERITIES)

    def disabled(self, severity: Severity) -> bool:
        """Whether alerts of this severity are not wanted."""
        tier = self.fields.get("alerting", {}).get(severity, {})
        return bool(tier.get("disabled"))

    def annotate(self, severity: Severity, annotations: Mapping[str, str]) -> None:
        """Add annotations to the alerts of a severity."""
        if annotations:
            self.alerting().setdefault(severity, {}).setdefault("annotations", {}).update(annotations)

    def follow(self, node: Node, policy: Policy, window: Duration) -> None:
        """Alert by a policy, as far as its tiers fit into the window and can fire at the objective."""
        tiers = []
        for tier in policy.tiers:
            fitted, why = _fitted(tier, window)
            if why:
                node.changed(why, "alerting")
            if fitted:
                tiers.append(fitted)
        if not tiers:
            node.changed("no tier of its alert policy fits: the policy google is used", "alerting")
            return
        same = next((known for known in BUILT_IN.values() if self._fires_like(known, tiers, window)), None)
        self.policy = same or Policy(policy.name, tuple(tiers))
        if same is None or not same.adaptive:
            self._disable_what_never_fires(tiers)

    def _fires_like(self, known: Policy, tiers: list[Tier], window: Duration) -> bool:
        """Whether a built-in policy fires at just these factors, for this window and objective."""
        budget = error_budget(self.fields.get("objective"))
        factors = [known.factor(tier, budget) if budget > 0 else tier.factor for tier in known.tiers_for(window)]
        adapted = [replace(tier, factor=factor) for tier, factor in zip(known.tiers, factors, strict=True)]
        return [_rounded(tier) for tier in adapted] == [_rounded(tier) for tier in tiers]

    def _disable_what_never_fires(self, tiers: list[Tier]) -> None:
        objective = self.fields.get("objective")
        never = [tier for tier in tiers if objective is not None and not can_fire(tier.factor, error_budget(objective))]
        for tier in tiers if never else ():
            if tier in never:
                why = f"at an objective of {objective:g} % it never fires"
            elif tier.long in {other.long for other in never}:
                why = "another one with this long window never fires"
            else:
                continue
            # It is so for this SLO: others may share the document of the windows.
            self.place.changed(f"the tier {tier} x{tier.factor:g} is disabled: {why}", "alerting")
        if never:
            self.alerting()["disabled"] = list(dict.fromkeys(str(tier.long) for tier in never))


def _rounded(tier: Tier) -> Tier:
    """As a file writes it."""
    return replace(tier, factor=float(f"{tier.factor:.6g}"))


def _fitted(tier: Tier, window: Duration) -> tuple[Tier | None, str]:
    """The tier as our rules can have it, or None; and what had to be changed."""
    left_out = f"the tier {tier} x{tier.factor:g} is left out:"
    if not 0 < tier.factor <= MAX_FACTOR:
        return None, f"{left_out} a factor is above 0"
    if tier.long.milliseconds * tier.factor > window.milliseconds:
        return None, f"{left_out} it would fire only after the budget is spent"
    if tier.long <= MIN_WINDOW or tier.long.milliseconds % MINUTE or tier.short.milliseconds % MINUTE:
        return None, f"{left_out} windows are whole minutes, and the shortest is {MIN_WINDOW}"
    if tier.short < MIN_WINDOW:
        raised = Tier(tier.severity, tier.long, MIN_WINDOW, tier.factor)
        return raised, f"the tier {tier} has a short window of {MIN_WINDOW} here, the shortest there is"
    if tier.short >= tier.long:
        return None, f"{left_out} its short window is not shorter than its long one"
    return tier, ""


def plain_name(text: str, otherwise: str = "slo") -> str:
    """A name by the rules of our format: lower-case letters, digits, ``-``, ``_`` and ``.``"""
    kept = re.sub(r"[^a-z0-9_.]+", "-", text.lower())[:100].strip("-_.")
    return kept or otherwise


def named(node: Node, otherwise: str = "slo") -> str:
    """The name that a source gives, by our rules, with a note where these change it."""
    written = node.text()
    name = plain_name(written, otherwise)
    if name != written:
        node.changed(f"{written!r} is {name} here: names are lower-case letters, digits and -, _ or .")
    return name


def labels_of(node: Node | None, prefix: str = "", read: Callable[[Node], str] = Node.text) -> dict[str, str]:
    """Labels for alerts; those that our rules set themselves, or that are none, are left out with a note. ``read``
    gives the text of one."""
    return _checked(node, _LABEL, prefix, read)


def annotations_of(node: Node | None, prefix: str = "", read: Callable[[Node], str] = Node.text) -> dict[str, str]:
    """Annotations for alerts, as :func:`labels_of`."""
    return _checked(node, _ANNOTATION, prefix, read)


def translation(words: Words, alert: Alert | None = None) -> Callable[[Node], str]:
    """How to read the texts of a tool's alerts: in our labels, with a note on what they cannot say here."""

    def read(node: Node) -> str:
        text, remarks = translated(node.text(), words, alert)
        for remark in remarks:
            node.changed(remark)
        return text

    return read


def _checked(node: Node | None, names: TypeAdapter[str], prefix: str, read: Callable[[Node], str]) -> dict[str, str]:
    found = {}
    for key, value in (node.entries() if node else {}).items():
        name = key.removeprefix(prefix)
        if isinstance(value.value, list | dict) or value.value is None:
            value.leave("a label or annotation here takes one text: write one if it matters")
        elif prefix and not key.startswith(prefix):
            value.leave("concerns the Kubernetes object, not the alerts: set it where the rules are deployed")
        elif name == "severity":
            if not value.was_read:
                value.leave("alerts here carry severity page or ticket: alerting.severities gives these other names")
        elif reason := _refusal(names, name) or _refusal(_TEMPLATE, value.text()) or _refusal(_TEMPLATE, read(value)):
            value.leave(reason)
        else:
            found[name] = read(value)
    return found


def _refusal(rule: TypeAdapter[str], text: str) -> str | None:
    try:
        rule.validate_python(text)
    except ValidationError as error:
        return str(error.errors()[0]["msg"])
    return None

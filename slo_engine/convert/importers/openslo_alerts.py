"""OpenSLO's AlertPolicy and AlertCondition -> the tiers of a policy of ours."""

from __future__ import annotations

from slo_engine.convert.importers.draft import MINUTE, Draft, plain_name
from slo_engine.convert.importers.openslo_objects import Objects, UnresolvedError
from slo_engine.convert.importers.source import MalformedError, Node
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.policies import Policy, Severity, Tier

SHORT_WINDOW = "slo-engine/short-window"
"""Annotation of a condition: the short window of the tier, for which OpenSLO has no field."""

POLICY = "slo-engine/policy"
"""Annotation of an alert policy: the policy of ours that it is a tier of."""

_PAGES = {"page", "critical", "high", "urgent", "emergency", "sev0", "sev1", "p0", "p1", "1"}
_ABSENT = "10m"


def follow_policies(draft: Draft, spec: Node, known: Objects, window: Duration) -> None:
    """Alert as the policies of an SLO say; not at all where it has none."""
    listed = spec.find("alertPolicies")
    policies = _objects(listed, "alertPolicyRef", "AlertPolicy", known)
    if not policies:
        at = listed or spec
        none = "it has no alert policy, so there are no alerts: remove page and ticket for those of policy google"
        at.changed(none, "alerting")
        draft.disable("page", "ticket")
        return
    tiers, names = [], []
    for policy in policies:
        draft.comes_from(policy, "alerting")
        names.append(_name(policy))
        tiers += _tiers(draft, policy, known)
    if not tiers:
        assert listed is not None  # it holds the policies
        listed.changed("none of its alert policies has a condition, so there are no alerts", "alerting")
        draft.disable("page", "ticket")
        return
    tiers.sort(key=lambda tier: (tier.severity, tier.long))
    name = "-".join(dict.fromkeys(names))[:90].rstrip("-_.")
    draft.follow(policies[0], Policy(name, tuple(dict.fromkeys(tiers))), window)


def _objects(listed: Node | None, reference: str, kind: str, known: Objects) -> list[Node]:
    """The objects of a list, each itself or the one that it refers to; what refers to nothing is left out."""
    found = []
    for node in listed.items() if listed else []:
        try:
            named = node if isinstance(node.value, str) else node.find(reference)
            found.append(known.named(named, kind) if named else node)
        except UnresolvedError as error:
            error.reference.leave(f"{error.missing}; until then its alerts are missing here")
    return found


def _name(policy: Node) -> str:
    metadata = policy.find("metadata")
    if metadata is None:
        return "openslo"
    metadata.leave_key("displayName", "a policy has no other name here")
    annotation = (annotations := metadata.find("annotations")) and annotations.find(POLICY)
    name = metadata.find("name")
    written = annotation or name
    if name:
        name.take()
    return plain_name(written.text(), "openslo") if written else "openslo"


def _tiers(draft: Draft, policy: Node, known: Objects) -> list[Tier]:
    policy.ignore("apiVersion", "kind")
    spec = policy.at("spec")
    spec.leave_key("description", "a policy has no description here")
    if (targets := spec.find("notificationTargets")) and not targets.items():
        targets.take()
    elif targets:
        targets.leave("where alerts go is up to the routes of Alertmanager and the sinks of the engine")
    if (resolved := spec.find("alertWhenResolved")) and resolved.flag():
        resolved.changed("Alertmanager tells of what is resolved where a receiver has send_resolved")
    if (no_data := spec.find("alertWhenNoData")) and no_data.flag():
        no_data.changed(f"no data alerts after {_ABSENT}: OpenSLO gives no time")
        draft.alerting()["absent"] = _ABSENT
    breaching = spec.find("alertWhenBreaching")
    conditions = spec.find("conditions")
    if conditions is None:
        return []
    if breaching and not breaching.flag():
        conditions.leave("alertWhenBreaching is false")
        return []
    for node in conditions.items():
        if isinstance(node.value, dict):
            node.ignore("operator")
    tiers = []
    for condition in _objects(conditions, "conditionRef", "AlertCondition", known):
        draft.comes_from(condition, "alerting")
        tiers.append(_tier(condition))
    return tiers


def _tier(condition: Node) -> Tier:
    condition.ignore("apiVersion", "kind")
    spec, short = condition.at("spec"), None
    if metadata := condition.find("metadata"):
        metadata.ignore("name")
        metadata.leave_key("displayName", "a tier has no name here")
        annotations = metadata.find("annotations")
        short = annotations.find(SHORT_WINDOW) if annotations else None
    spec.leave_key("description", "a tier has no description here")
    severity = _severity(spec.at("severity"))
    burn = spec.at("condition")
    if (kind := burn.find("kind")) and kind.text().lower() != "burnrate":
        raise MalformedError(kind.problem("must be burnrate, the one kind that OpenSLO has"))
    if (operator := burn.find("op")) and operator.text() not in ("gt", "gte"):
        operator.changed("an alert fires above its factor here: OpenSLO's own examples write lte for that")
    long = _duration(burn.at("lookbackWindow"))
    if (after := burn.find("alertAfter")) and after.text() not in ("0m", "0", "0s"):
        after.leave("an alert here fires once its short window burns as well, and waits for nothing else")
    if short:
        return Tier(severity, long, _duration(short), burn.at("threshold").number())
    twelfth = Duration(max(5 * MINUTE, round(long.milliseconds / 12 / MINUTE) * MINUTE))
    burn.at("lookbackWindow").changed(
        f"a second, short window of {twelfth} (1/12) ends the alert soon after the errors"
    )
    return Tier(severity, long, twelfth, burn.at("threshold").number())


def _severity(node: Node) -> Severity:
    word = node.text().lower()
    severity: Severity = "page" if word in _PAGES else "ticket"
    if word != severity:
        node.changed(f"{node.text()!r} is {severity} here: alerts carry severity page or ticket")
    return severity


def _duration(node: Node) -> Duration:
    try:
        return Duration.parse(node.text())
    except ValueError:
        raise MalformedError(node.problem("must be a duration, such as 1h")) from None

"""SLO files -> :class:`~slo_engine.definitions.slo.SloSet`, with every mistake of every file in one go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from slo_engine.definitions.counts import Count
from slo_engine.definitions.document import Document
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.files import Sources, documents
from slo_engine.definitions.format import (
    ITEMS,
    VERSION,
    AlertingFormat,
    HeaderFormat,
    PolicyFormat,
    SliFormat,
    SloFormat,
    ThresholdFormat,
    TierAlertingFormat,
    TierFormat,
    TracesFormat,
)
from slo_engine.definitions.kinds import KINDS, KindFormat, Sli
from slo_engine.definitions.policies import BUILT_IN, Policy, Tier, can_fire
from slo_engine.definitions.problems import KeyPath, Problem, SloFileError, show_path
from slo_engine.definitions.slo import Slo, SloSet, Threshold, TierAlerting
from slo_engine.definitions.targets import Override, Target, error_budget, window_of
from slo_engine.definitions.traces import TraceQuery, TraceTemplateError, check_template, default_query
from slo_engine.definitions.wording import missing_key, unknown_key, wrong_value

MIN_WINDOW = Duration.parse("5m")
"""Five samples of the base, at least: of less a ratio says little."""

MAX_OVERRIDES = 50
"""For one SLO: each is a part of the same expression, and an expression has its limit."""

MODEL = TypeVar("MODEL", bound=BaseModel)


@dataclass(frozen=True)
class Loaded:
    """What a set of files holds: the SLOs without a mistake, and all mistakes."""

    slos: SloSet
    problems: tuple[Problem, ...]
    policies: Mapping[str, Policy]
    """By name: the built-in ones and those that the files declare, whether an SLO uses them or not."""


def load(sources: Sources) -> SloSet:
    """Load SLO files: a text, texts by name, or files and folders of them. Raises SloFileError with every mistake of
    all of them."""
    loaded = examine(sources)
    if loaded.problems:
        raise SloFileError(loaded.problems)
    return loaded.slos


def examine(sources: Sources) -> Loaded:
    """Like :func:`load`, for those who go on with what is right: never raises for what the files hold."""
    found, problems = documents(sources)
    readings = [_Reading(document) for document in found]
    policies = dict(BUILT_IN)
    for reading in readings:
        policies |= reading.policies(policies)
    slos_taken: dict[tuple[str, str], str] = {}
    alerts_taken: dict[tuple[str, str], str] = {}
    slos = [slo for reading in readings for slo in reading.slos(policies, slos_taken)]
    thresholds = [threshold for reading in readings for threshold in reading.thresholds(alerts_taken, slos_taken)]
    problems += [problem for reading in readings for problem in reading.document.problems]
    return Loaded(SloSet(tuple(slos), tuple(thresholds)), tuple(sorted(set(problems))), policies)


class _Reading:
    """One file on its way to SLOs. Mistakes are added to its document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._items: dict[str, list[Any]] = {name: [] for name in ITEMS}
        self.header: HeaderFormat | None = None
        self._sound = False
        if document.data is None:
            if not document.problems:
                self._add((), "is empty: begin with `version: slo-engine/v1`")
            return
        if not isinstance(document.data, dict):
            self._add((), "must be a mapping that begins with `version: slo-engine/v1`")
            return
        rest = dict(document.data)
        for name in ITEMS:
            items = rest.pop(name, None)
            if isinstance(items, list):
                self._items[name] = items
            elif items is not None:
                self._add((name,), "must be a list: begin each item with `- `")
        self._set_header(rest)

    def _set_header(self, data: dict[str, Any]) -> None:
        header = self._check(HeaderFormat, data, ())
        self._sound = header is not None
        if header is None:  # the items are checked all the same, as far as they do not depend on what is wrong
            rest = {key: data[key] for key in ("service", "defaults") if key in data}
            header = _model_of(HeaderFormat, {**rest, "version": VERSION})
        if header and not header.service:
            if self._items["slos"] or self._items["thresholds"]:
                self._add((), "service is missing: write `service: <name>` at the top of the file")
            self._sound = False
            header = header.model_copy(update={"service": str(self.document.file)})
        self.header = header

    def policies(self, known: Mapping[str, Policy]) -> dict[str, Policy]:
        """The policies that the file declares; one with a mistake has no tiers."""
        found: dict[str, Policy] = {}
        for path, item in self._checked("policies", PolicyFormat):
            before = len(self.document.problems)
            tiers = tuple(_tier(tier) for tier in item.tiers)
            if BUILT_IN.get(item.name) == Policy(item.name, tiers):
                continue  # a built-in policy written out
            if item.name in known or item.name in found:
                self._add((*path, "name"), f"a policy named {item.name!r} exists already: take another name")
                continue
            for index, tier in enumerate(tiers):
                for key, window in (("short", tier.short), ("long", tier.long)):
                    self._check_window((*path, "tiers", index, key), window)
            found[item.name] = Policy(item.name, tiers if len(self.document.problems) == before else ())
        for item in self._items["policies"]:
            name = item.get("name") if isinstance(item, dict) else None
            if isinstance(name, str) and name not in known:
                found.setdefault(name, Policy(name, ()))  # declared, if badly: its users have made no mistake
        return found

    def slos(self, policies: Mapping[str, Policy], taken: dict[tuple[str, str], str]) -> Iterator[Slo]:
        """The SLOs of the file that hold no mistake."""
        for index, written in enumerate(self._items["slos"]):
            path: KeyPath = ("slos", index)
            item = self._check(SloFormat, written, path)
            if self.header is None:
                continue
            if item is None:  # what it names is looked up all the same
                self._check_names(path, written, self.header, policies, taken)
                continue
            before = len(self.document.problems)
            slo = self._slo(path, item, self.header, policies)
            self._take(path, slo.key, taken)
            if self._sound and slo.policy.tiers and len(self.document.problems) == before:
                yield slo

    def _check_names(
        self,
        path: KeyPath,
        written: Any,
        header: HeaderFormat,
        policies: Mapping[str, Policy],
        taken: dict[tuple[str, str], str],
    ) -> None:
        """Of an SLO that holds a mistake."""
        if not isinstance(written, dict):
            return
        told = {each.path for each in self.document.problems}
        name_at, policy_at = show_path((*path, "name")), show_path((*path, "alerting", "policy"))
        if isinstance(name := written.get("name"), str) and name_at not in told:
            self._take(path, (header.service or "", name), taken)
        alerting = written.get("alerting")
        if isinstance(alerting, dict) and isinstance(policy := alerting.get("policy"), str) and policy_at not in told:
            self._check_policy(path, policy, policies)

    def _take(self, path: KeyPath, key: tuple[str, str], taken: dict[tuple[str, str], str]) -> None:
        """The name of an SLO, which none before it has."""
        service, name = key
        at = self.document.problem((*path, "name"), "")
        if first := taken.get(key):
            self._add((*path, "name"), f"the SLO {name!r} of {service} exists already, at {first}")
        taken.setdefault(key, f"{at.file}:{at.line}")

    def thresholds(self, taken: dict[tuple[str, str], str], slos: Mapping[tuple[str, str], str]) -> Iterator[Threshold]:
        """The plain alerts of the file that hold no mistake. ``slos``: where those of all files are."""
        service = (self.header.service if self.header is not None else None) or ""
        if self._items["thresholds"] and (namesake := slos.get((service, "thresholds"))):
            self._add(
                ("thresholds",), f"the SLO at {namesake} is called as the rule group of these is: rename that SLO"
            )
        for path, item in self._checked("thresholds", ThresholdFormat):
            if self.header is None or self.header.service is None:
                continue
            key = (self.header.service, item.alert)
            at = self.document.problem((*path, "alert"), "")
            if first := taken.get(key):
                self._add((*path, "alert"), f"the alert {item.alert!r} exists already, at {first}")
                continue
            taken[key] = f"{at.file}:{at.line}"
            if not self._sound:
                continue
            described = {"description": item.description} if item.description else {}
            yield Threshold(
                self.header.service,
                item.alert,
                item.expr,
                item.for_,
                item.severity,
                _frozen({**self.header.labels, **item.labels}),
                _frozen({"summary": item.summary, **described, **item.annotations}),
            )

    def _slo(self, path: KeyPath, item: SloFormat, header: HeaderFormat, policies: Mapping[str, Policy]) -> Slo:
        defaults = header.defaults
        by = tuple(item.by if item.by is not None else defaults.by)
        alerting = item.alerting.over(defaults.alerting)
        sli = item.sli.sli()
        target = self._target(path, item, sli, defaults.objective, by)
        counts_events = Count.TOTAL in target.counts
        if not counts_events and "min_events" in item.alerting.model_fields_set:
            self._add((*path, "alerting", "min_events"), "does not go with cost, which counts money: remove it")
        slo = Slo(
            service=header.service or "",
            name=item.name,
            description=item.description,
            owner=header.owner,
            labels=_frozen(header.labels),
            window=window_of(target) or item.window or defaults.window,
            by=by,
            sli=sli,
            target=target,
            policy=self._policy(path, alerting, policies),
            alerting={
                "page": _tier_alerting(alerting.page, alerting.severities.page),
                "ticket": _tier_alerting(alerting.ticket, alerting.severities.ticket),
            },
            alert=alerting.name,
            disabled=tuple(alerting.disabled),
            min_events=alerting.min_events or 0 if counts_events else 0,  # money is not counted
            alpha=alerting.alpha if alerting.sure else None,
            keep_firing_for=alerting.keep_firing_for,
            exhausted=alerting.exhausted,
            absent=alerting.absent,
            traces=self._traces(path, item.traces or defaults.traces, sli, by),
            declares_traces=bool(item.traces or defaults.traces),
        )
        for index, label in enumerate(by):
            if label in by[:index]:
                self._add((*self._where(path, ("by",)), index), f"names {label!r} a second time: remove it")
        self._check_labels(path, header, alerting, by)
        if item.window and target.month:
            self._add((*path, "window"), "does not go with cost.month, whose window is the calendar month: remove it")
        self._check_kind(path, item.sli)
        self._check_disabled(path, slo)
        self._check_parts(path, slo)
        before = len(self.document.problems)
        self._check_window(self._where(path, ("window",)), slo.window)
        if len(self.document.problems) == before:
            has_objective = item.objective is not None or defaults.objective is not None
            self._check_tiers(path, slo, has_objective=has_objective)
        return slo

    def _target(self, path: KeyPath, item: SloFormat, sli: Sli, default: float | None, by: tuple[str, ...]) -> Target:
        objective = item.objective if item.objective is not None else default
        if sli.target_key != "objective":
            if item.objective is not None:
                self._add((*path, "objective"), "does not go with cost, whose objective is its budget: remove it")
        elif objective is None:
            self._add(path, "objective is missing: write `objective: 98` (percent of good events)")
        overrides = tuple(Override(_frozen(each.match), each.objective, each.budget) for each in item.overrides)
        target = sli.target(objective, overrides)
        self._check_overrides(path, item, target, by)
        return target

    def _check_overrides(self, path: KeyPath, item: SloFormat, target: Target, by: tuple[str, ...]) -> None:
        if len(item.overrides) > MAX_OVERRIDES:
            self._add(
                (*path, "overrides"),
                f"are {len(item.overrides)}, and one SLO takes {MAX_OVERRIDES} of them: divide it, or give more groups "
                "the objective of the SLO itself",
            )
        other = next(key for key in ("objective", "budget") if key != target.key)
        for index, override in enumerate(item.overrides):
            here = (*path, "overrides", index)
            if getattr(override, target.key) is None:
                self._add(here, f"{target.key} is missing: it is what the override changes")
            if target.budget and override.budget and override.budget.currency != target.budget.currency:
                self._add((*here, "budget"), f"must be in {target.budget.currency}, like the budget of the SLI")
            if getattr(override, other) is not None:
                self._add((*here, other), f"does not go with this kind of SLI: write {target.key}")
            for label in override.match:
                if label not in by:
                    offered = ", ".join(by) or "nothing: add the label to `by`"
                    self._add((*here, "match", label), f"is not a label of `by` ({offered})", at_key=True)

    def _policy(self, path: KeyPath, alerting: AlertingFormat, policies: Mapping[str, Policy]) -> Policy:
        name = alerting.policy or "google"
        self._check_policy(path, name, policies)
        return policies.get(name, Policy(name, ()))

    def _check_policy(self, path: KeyPath, name: str, policies: Mapping[str, Policy]) -> None:
        if name not in policies:
            known = ", ".join(sorted(policies))
            at = self._where(path, ("alerting", "policy"))
            self._add(at, f"there is no policy {name!r}; there are: {known}")

    def _traces(self, path: KeyPath, traces: TracesFormat | None, sli: Sli, by: tuple[str, ...]) -> TraceQuery | None:
        if traces is None:
            # Of a bad minute nobody knows whether a run that failed is behind it.
            return default_query(by, sli.selectors()) if sli.selectors() else None
        query = traces.query()
        written = self._where(path, ("traces",))
        for where, template in query.templates() if query else ():
            try:
                check_template(template, by)
            except TraceTemplateError as error:
                self._add((*written, *where), str(error))
        return query

    def _check_labels(self, path: KeyPath, header: HeaderFormat, alerting: AlertingFormat, by: tuple[str, ...]) -> None:
        set_at: list[KeyPath] = [("labels", label) for label in header.labels]
        set_at += [("owner",)] if header.owner else []
        for severity, tier in (("page", alerting.page), ("ticket", alerting.ticket)):
            where = self._where(path, ("alerting", severity))
            set_at += [(*where, "labels", label) for label in tier.labels] if tier else []
        for at in set_at:
            if at[-1] in by:
                self._add(
                    at,
                    f"{at[-1]} is a label of `by`, whose values tell the alerts of the groups apart: take another name",
                    at_key=True,
                )

    def _check_kind(self, path: KeyPath, sli: SliFormat) -> None:
        for name in KINDS:
            kind: KindFormat | None = getattr(sli, name)
            for where, message in kind.mistakes() if kind else ():
                self._add((*path, "sli", name, *where), message)

    def _check_parts(self, path: KeyPath, slo: Slo) -> None:
        for label in slo.by:
            if label in slo.sli.parted_by:
                self._add(
                    self._where(path, ("by",)),
                    f"{label} tells the errors from the rest: a group of it has nothing but errors, or none; remove it",
                )

    def _check_disabled(self, path: KeyPath, slo: Slo) -> None:
        known = {tier.long for tier in slo.policy.tiers}
        for index, long in enumerate(slo.disabled if slo.policy.tiers else ()):
            if long not in known:
                there = ", ".join(str(window) for window in sorted(known))
                at = (*self._where(path, ("alerting", "disabled")), index)
                self._add(at, f"policy {slo.policy.name!r} has no tier with the long window {long}; it has {there}")

    def _where(self, path: KeyPath, *keys: KeyPath) -> KeyPath:
        """Where the first of ``keys`` that is written down stands: in the item, or in the defaults it inherits."""
        written = (
            place for base in (path, ("defaults",)) for key in keys if self.document.holds(place := (*base, *key))
        )
        return next(written, path)

    def _check_window(self, path: KeyPath, window: Duration) -> None:
        if window < MIN_WINDOW or window.milliseconds % 60_000:
            self._add(path, f"must be whole minutes and at least {MIN_WINDOW}, such as 5m, 1h or 30d; not {window}")

    def _check_tiers(self, path: KeyPath, slo: Slo, *, has_objective: bool) -> None:
        where = self._where(path, ("alerting", "policy"), ("window",))
        for tier in slo.tiers:
            if tier.long.milliseconds * tier.factor > slo.window.milliseconds:
                share = tier.long.milliseconds * tier.factor / slo.window.milliseconds
                self._add(
                    where,
                    f"the tier {tier} x{tier.factor:g} of policy {slo.policy.name!r} does not fit into a window of "
                    f"{slo.window}: it would fire only after {share:.0%} of the budget is spent; lengthen the window, "
                    "or declare a policy with shorter tiers",
                )
        if slo.policy.adaptive:
            return
        objectives: list[tuple[KeyPath, float | None]] = []
        if has_objective:  # else it is a stand-in, and a mistake already
            objectives.append((self._where(path, ("alerting", "policy"), ("objective",)), slo.target.objective))
        objectives += [
            ((*path, "overrides", i, "objective"), each.objective) for i, each in enumerate(slo.target.overrides)
        ]
        for at, objective in objectives:
            for tier in slo.tiers if objective is not None else ():
                if not can_fire(tier.factor, error_budget(objective)):
                    self._add(
                        at,
                        f"the tier {tier} x{tier.factor:g} of policy {slo.policy.name!r} can never fire at an "
                        f"objective of {objective:g} %: even a full outage burns only "
                        f"{1 / error_budget(objective):.4g} times; raise the objective above "
                        f"{100 - 100 / tier.factor:.4g}, lower the factor, or use the policy "
                        "google, which adapts",
                    )

    def _checked(self, name: str, model: type[MODEL]) -> Iterator[tuple[KeyPath, MODEL]]:
        for index, item in enumerate(self._items[name]):
            checked = self._check(model, item, (name, index))
            if checked is not None:
                yield (name, index), checked

    def _check(self, model: type[MODEL], data: Any, path: KeyPath) -> MODEL | None:
        try:
            return model.model_validate(data)
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_context=True):
                self._add_detail(path, detail)
            return None

    def _add_detail(self, path: KeyPath, detail: ErrorDetails) -> None:
        where = tuple(part for part in detail["loc"] if part != "[key]")
        kind = detail["type"]
        if kind == "extra_forbidden":
            place = (*path, *where[:-1])
            shown = ".".join(part for part in place if isinstance(part, str))
            self._add((*place, where[-1]), unknown_key(str(where[-1]), shown), at_key=True)
        elif kind == "missing":
            self._add((*path, *where[:-1]), missing_key(str(where[-1])))
        elif (within := (detail.get("ctx") or {}).get("at")) is not None:
            self.document.problems.append(self.document.problem_within((*path, *where), within, wrong_value(detail)))
        else:
            self._add((*path, *where), wrong_value(detail), at_key="[key]" in detail["loc"])

    def _add(self, path: KeyPath, message: str, *, at_key: bool = False) -> None:
        self.document.problems.append(self.document.problem(path, message, at_key=at_key))


def _model_of(model: type[MODEL], data: Any) -> MODEL | None:
    try:
        return model.model_validate(data)
    except ValidationError:
        return None


def _tier_alerting(tier: TierAlertingFormat | None, severity: str | None) -> TierAlerting:
    if tier is None:
        return TierAlerting(severity=severity)
    return TierAlerting(tier.disabled, severity, _frozen(tier.labels), _frozen(tier.annotations))


def _tier(tier: TierFormat) -> Tier:
    return Tier(tier.severity, tier.long, tier.short, tier.factor, tier.above, tier.alpha)


def _frozen(data: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(data))

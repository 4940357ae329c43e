"""SLO files -> :class:`~slo_engine.spec.slo.SloSet`, with every mistake of every file in one go."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from slo_engine.spec.document import Document, read_document
from slo_engine.spec.duration import Duration
from slo_engine.spec.format import (
    ITEMS,
    AlertingFormat,
    HeaderFormat,
    PolicyFormat,
    SliFormat,
    SloFormat,
    ThresholdFormat,
    TierAlertingFormat,
    TracesFormat,
    keys_of_the_format,
)
from slo_engine.spec.policies import BUILT_IN, Policy, Tier, can_fire
from slo_engine.spec.problems import KeyPath, Problem, SpecError
from slo_engine.spec.slo import (
    CostSli,
    EventsSli,
    LatencySli,
    Override,
    Sli,
    Slo,
    SloSet,
    Threshold,
    TierAlerting,
    error_budget,
)
from slo_engine.spec.traces import TraceQuery, TraceTemplateError, check_template, default_query

MAX_FILE_BYTES = 5 * 1024 * 1024
"""A larger file is no SLO file; 1,000 SLOs take about 400 KB."""

MIN_WINDOW = Duration.parse("5m")
"""The base records cover five minutes: no ratio can be taken over less."""

MODEL = TypeVar("MODEL", bound=BaseModel)


@dataclass(frozen=True)
class Loaded:
    """What a set of files holds: the SLOs without a mistake, and all mistakes."""

    slos: SloSet
    problems: tuple[Problem, ...]


def load(paths: Iterable[Path]) -> SloSet:
    """Load SLO files and folders of them. Raises SpecError with every mistake of all files."""
    loaded = examine(paths)
    if loaded.problems:
        raise SpecError(loaded.problems)
    return loaded.slos


def examine(paths: Iterable[Path]) -> Loaded:
    """Like :func:`load`, for those who go on with what is right: never raises for what the files hold."""
    files, problems = find_files(paths)
    readings = [_Reading(_read(file)) for file in files]
    policies = dict(BUILT_IN)
    for reading in readings:
        policies |= reading.policies(policies)
    taken: dict[tuple[str, str], str] = {}
    slos = [slo for reading in readings for slo in reading.slos(policies, taken)]
    thresholds = [threshold for reading in readings for threshold in reading.thresholds(taken)]
    problems += [problem for reading in readings for problem in reading.document.problems]
    return Loaded(SloSet(tuple(slos), tuple(thresholds)), tuple(sorted(problems)))


def find_files(paths: Iterable[Path]) -> tuple[list[Path], list[Problem]]:
    """The YAML files at and under ``paths``, sorted; a path with none is a mistake."""
    files: dict[Path, None] = {}
    problems = []
    for path in paths:
        found = [path]
        if path.is_dir():
            found = sorted(file for pattern in ("*.yaml", "*.yml") for file in path.rglob(pattern))
        elif not path.exists():
            found = []
        files |= dict.fromkeys(found)
        if not found:
            problems.append(Problem(path, 1, 1, "", "no SLO file here: name a .yaml file, or a folder that holds some"))
    return list(files), problems


def _read(file: Path) -> Document:
    def failed(message: str) -> Document:
        return Document(file, problems=[Problem(file, 1, 1, "", message)])

    try:
        content = file.read_bytes()
    except OSError as error:
        return failed(f"cannot be read: {error.strerror}")
    if len(content) > MAX_FILE_BYTES:
        return failed(f"is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB: divide it")
    try:
        return read_document(file, content.decode())
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return failed(f"is not UTF-8 (byte {error.start + 1}, line {line}): save it as UTF-8")


class _Reading:
    """One file on its way to SLOs. Mistakes are added to its document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._items: dict[str, list[Any]] = {name: [] for name in ITEMS}
        self.header: HeaderFormat | None = None
        if document.data is None:
            if not document.problems:
                self._add((), "is empty: begin with `version: slo-engine/v1`")
            return
        if not isinstance(document.data, dict):
            self._add((), "must be a mapping that begins with `version: slo-engine/v1`")
            return
        rest = dict(document.data)
        for name in ITEMS:
            items = rest.pop(name, None) or []
            if isinstance(items, list):
                self._items[name] = items
            else:
                self._add((name,), "must be a list: begin each item with `- `")
        self.header = self._check(HeaderFormat, rest, ())
        if self.header and not self.header.service and (self._items["slos"] or self._items["thresholds"]):
            self._add((), "service is missing: write `service: <name>` at the top of the file")

    def policies(self, known: Mapping[str, Policy]) -> dict[str, Policy]:
        """The policies that the file declares."""
        found: dict[str, Policy] = {}
        for path, item in self._checked("policies", PolicyFormat):
            if item.name in known or item.name in found:
                self._add((*path, "name"), f"a policy named {item.name!r} exists already: take another name")
                continue
            tiers = tuple(Tier(tier.severity, tier.long, tier.short, tier.factor) for tier in item.tiers)
            for index, tier in enumerate(tiers):
                for key, window in (("short", tier.short), ("long", tier.long)):
                    self._check_window((*path, "tiers", index, key), window)
            found[item.name] = Policy(item.name, tiers)
        return found

    def slos(self, policies: Mapping[str, Policy], taken: dict[tuple[str, str], str]) -> Iterator[Slo]:
        """The SLOs of the file that hold no mistake."""
        for path, item in self._checked("slos", SloFormat):
            if self.header is None or self.header.service is None:
                continue
            before = len(self.document.problems)
            slo = self._slo(path, item, self.header, policies)
            at = self.document.problem((*path, "name"), "")
            if first := taken.get(slo.key):
                self._add((*path, "name"), f"the SLO {slo.name!r} of {slo.service} exists already, at {first}")
            taken.setdefault(slo.key, f"{at.file}:{at.line}")
            if len(self.document.problems) == before:
                yield slo

    def thresholds(self, taken: dict[tuple[str, str], str]) -> Iterator[Threshold]:
        """The plain alerts of the file that hold no mistake."""
        for path, item in self._checked("thresholds", ThresholdFormat):
            if self.header is None or self.header.service is None:
                continue
            key = (self.header.service, item.alert)
            at = self.document.problem((*path, "alert"), "")
            if first := taken.get(key):
                self._add((*path, "alert"), f"the alert {item.alert!r} exists already, at {first}")
                continue
            taken[key] = f"{at.file}:{at.line}"
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
        sli = _sli(item.sli)
        objective = self._objective(path, item, sli, defaults.objective)
        if isinstance(sli, CostSli) and "min_events" in item.alerting.model_fields_set:
            self._add((*path, "alerting", "min_events"), "does not go with cost, which counts money: remove it")
        slo = Slo(
            service=header.service or "",
            name=item.name,
            description=item.description,
            owner=header.owner,
            labels=_frozen(header.labels),
            window=item.window or defaults.window,
            by=by,
            sli=sli,
            objective=objective,
            overrides=self._overrides(path, item, sli, by),
            policy=self._policy(path, alerting, policies),
            alerting={"page": _tier_alerting(alerting.page), "ticket": _tier_alerting(alerting.ticket)},
            min_events=alerting.min_events or 0,
            absent=alerting.absent,
            traces=self._traces(path, item.traces or defaults.traces, by),
        )
        if len(set(by)) < len(by):
            self._add((*path, "by"), "names a label twice")
        self._check_window((*path, "window"), slo.window)
        self._check_tiers(path, slo)
        return slo

    def _objective(self, path: KeyPath, item: SloFormat, sli: Sli, default: float | None) -> float | None:
        if isinstance(sli, CostSli):
            if item.objective is not None:
                self._add((*path, "objective"), "does not go with cost, whose objective is its budget: remove it")
            return None
        objective = item.objective if item.objective is not None else default
        if objective is None:
            self._add(path, "objective is missing: write `objective: 98` (percent of good events)")
        return objective

    def _overrides(self, path: KeyPath, item: SloFormat, sli: Sli, by: tuple[str, ...]) -> tuple[Override, ...]:
        wanted, other = ("budget", "objective") if isinstance(sli, CostSli) else ("objective", "budget")
        for index, override in enumerate(item.overrides):
            here = (*path, "overrides", index)
            if getattr(override, wanted) is None:
                self._add(here, f"{wanted} is missing: it is what the override changes")
            if getattr(override, other) is not None:
                self._add((*here, other), f"does not go with this kind of SLI: write {wanted}")
            for label in override.match:
                if label not in by:
                    offered = ", ".join(by) or "nothing: add the label to `by`"
                    self._add((*here, "match", label), f"is no label of `by` ({offered})", at_key=True)
        return tuple(Override(_frozen(o.match), o.objective, o.budget) for o in item.overrides)

    def _policy(self, path: KeyPath, alerting: AlertingFormat, policies: Mapping[str, Policy]) -> Policy:
        name = alerting.policy or "google"
        if name not in policies:
            known = ", ".join(sorted(policies))
            self._add((*path, "alerting", "policy"), f"there is no policy {name!r}; there are: {known}")
        return policies.get(name, BUILT_IN["google"])

    def _traces(self, path: KeyPath, traces: TracesFormat | None, by: tuple[str, ...]) -> TraceQuery:
        if traces is None:
            return default_query(by)
        templates: list[tuple[KeyPath, str]] = [(("tags", index), tag) for index, tag in enumerate(traces.tags)]
        if traces.observation is not None:
            templates.append((("observation",), traces.observation))
        for where, template in templates:
            try:
                check_template(template, by)
            except TraceTemplateError as error:
                self._add((*path, "traces", *where), str(error))
        return TraceQuery(tuple(traces.tags), traces.observation)

    def _check_window(self, path: KeyPath, window: Duration) -> None:
        if window < MIN_WINDOW or window.milliseconds % 60_000:
            self._add(path, f"must be whole minutes and at least {MIN_WINDOW}, such as 5m, 1h or 30d; not {window}")

    def _check_tiers(self, path: KeyPath, slo: Slo) -> None:
        where = (*path, "alerting", "policy")
        for tier in slo.tiers:
            if tier.long.milliseconds * tier.factor > slo.window.milliseconds:
                share = tier.long.milliseconds * tier.factor / slo.window.milliseconds
                self._add(
                    where,
                    f"the tier {tier} x{tier.factor:g} of policy {slo.policy.name!r} does not fit into a window of "
                    f"{slo.window}: it would fire only after {share:.0%} of the budget is spent; lengthen the window, "
                    "or declare a policy with shorter tiers",
                )
        if isinstance(slo.sli, CostSli) or slo.policy.adaptive:
            return
        objectives = [(where, slo.objective)]
        objectives += [((*path, "overrides", i, "objective"), o.objective) for i, o in enumerate(slo.overrides)]
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
            self._add((*path, *where), _unknown_key(str(where[-1])), at_key=True)
        elif kind == "missing":
            self._add((*path, *where[:-1]), f"{where[-1]} is missing: add it")
        else:
            self._add((*path, *where), _in_plain_words(kind, detail), at_key="[key]" in detail["loc"])

    def _add(self, path: KeyPath, message: str, *, at_key: bool = False) -> None:
        self.document.problems.append(self.document.problem(path, message, at_key=at_key))


def _sli(sli: SliFormat) -> Sli:
    if sli.events:
        return EventsSli(sli.events.total, sli.events.errors, sli.events.good)
    if sli.latency:
        return LatencySli(sli.latency.histogram, sli.latency.threshold)
    assert sli.cost is not None  # the format takes exactly one kind
    return CostSli(sli.cost.spend, sli.cost.budget)


def _tier_alerting(tier: TierAlertingFormat | None) -> TierAlerting:
    if tier is None:
        return TierAlerting()
    return TierAlerting(tier.disabled, _frozen(tier.labels), _frozen(tier.annotations))


def _frozen(data: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(data))


def _unknown_key(key: str) -> str:
    close = difflib.get_close_matches(key, _known_keys(), n=1)
    return f"unknown key: did you mean {close[0]!r}?" if close else "unknown key: remove it"


@cache
def _known_keys() -> frozenset[str]:
    return keys_of_the_format()


def _in_plain_words(kind: str, detail: ErrorDetails) -> str:
    context = detail.get("ctx") or {}
    if kind == "less_than" and context.get("lt") == 100.0:
        return "must be below 100: an objective of 100 leaves no error budget; write 99.9, say"
    words = _PLAIN_WORDS.get(kind)
    return words.format_map(context) if words else detail["msg"]


_NUMBER = "must be a number, without quotes or unit"
_MAPPING = "must be a mapping of keys and values"

_PLAIN_WORDS = {
    "string_type": "must be text: put it in quotes",
    "float_type": _NUMBER,
    "int_type": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": "must be true or false",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "model_type": _MAPPING,
    "dict_type": _MAPPING,
    "list_type": "must be a list",
    "too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters",
    "literal_error": "must be {expected}",
}
"""What pydantic's kinds of mistake mean to the author of a file."""

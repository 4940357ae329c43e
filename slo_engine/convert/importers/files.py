"""Drafts -> SLO files: one for each service, which the loader takes without a complaint.

Each file is read back by the loader before anybody sees it. An SLO that it refuses becomes a comment with the loader's
own reason, so that the rest of the file can be used at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from slo_engine.convert.importers.comments import Comments, comments_of
from slo_engine.convert.importers.draft import SEVERITIES, Draft
from slo_engine.convert.importers.source import Source
from slo_engine.definitions import yaml_text
from slo_engine.definitions.loading import examine
from slo_engine.definitions.policies import BUILT_IN, Policy
from slo_engine.definitions.problems import Problem, SloFileError
from slo_engine.definitions.slo import Slo

_POLICIES_FILE = "burn-rate-policies.yaml"
_ORDER = ("name", "description", "objective", "window", "by", "sli", "alerting")


@dataclass(frozen=True)
class Refused:
    """An SLO that stands in its file as a comment only."""

    name: str
    where: str
    """``file:line`` in the source."""
    reason: str


@dataclass(frozen=True)
class SloFile:
    """A file as text, and what is in it."""

    name: str
    text: str
    slos: tuple[Slo, ...] = ()
    refused: tuple[Refused, ...] = ()


def files_of(drafts: Sequence[Draft], sources: Sequence[Source]) -> tuple[SloFile, ...]:
    """The files of these SLOs, by service, and one of the policies that several services share."""
    _tell_apart(drafts)
    policies = _policies(drafts)
    pages = [_Page(service, drafts) for service in sorted({draft.service for draft in drafts})]
    shared = [policy for policy in policies if sum(policy in page.policies for page in pages) > 1]
    for page in pages:
        page.own_policies = [policy for policy in page.policies if policy not in shared]
    homes = [
        next((page for page in pages if any(draft.place.source is source for draft in page.drafts)), pages[0])
        for source in sources
    ]
    for page in pages:
        others = [draft for draft in drafts if draft.service != page.service]
        of_page = [(source, home is page) for source, home in zip(sources, homes, strict=True)]
        page.comments = comments_of(page.drafts, others, of_page)
    loaded = _checked(pages, shared)
    files = [page.file(loaded) for page in pages]
    if shared:
        files.append(SloFile(_POLICIES_FILE, _shared_text(shared)))
    return tuple(files)


def _tell_apart(drafts: Iterable[Draft]) -> None:
    taken: set[tuple[str, str]] = set()
    for draft in drafts:
        name, count = draft.name, 1
        while (draft.service, draft.name) in taken:
            count += 1
            draft.name = f"{name[:90]}-{count}"
        if draft.name != name:
            draft.place.changed(f"a second SLO named {name} of {draft.service}: it is {draft.name} here")
        taken.add((draft.service, draft.name))


def _policies(drafts: Iterable[Draft]) -> list[Policy]:
    """The policies to declare. Two with one name get two names."""
    found: dict[str, Policy] = {}
    for draft in drafts:
        if draft.policy is None:
            continue
        if draft.policy not in BUILT_IN.values():
            base, count = draft.policy.name, 1
            name = base
            while name in BUILT_IN or (name in found and found[name].tiers != draft.policy.tiers):
                count += 1
                name = f"{base}-{count}"
            draft.policy = found[name] = Policy(name, draft.policy.tiers)
        if draft.policy.name != "google":
            draft.alerting()["policy"] = draft.policy.name
    return list(found.values())


class _Page:
    """The file of one service while it is made."""

    def __init__(self, service: str, drafts: Iterable[Draft]) -> None:
        self.service = service
        self.drafts = [draft for draft in drafts if draft.service == service]
        self.labels = _labels(self.drafts)
        self.own_policies: list[Policy] = []
        self.comments = Comments()

    @property
    def name(self) -> str:
        return f"{self.service}.yaml"

    @property
    def policies(self) -> list[Policy]:
        """Those that its SLOs use and that are not built in."""
        used = {draft.policy.name: draft.policy for draft in self.drafts if draft.policy}
        return [policy for policy in used.values() if policy.name not in BUILT_IN]

    def file(self, loaded: Iterable[Slo]) -> SloFile:
        refused = tuple(
            Refused(draft.name, draft.place.where, draft.refused) for draft in self.drafts if draft.refused is not None
        )
        slos = tuple(slo for slo in loaded if slo.service == self.service)
        return SloFile(self.name, self.text(), slos, refused)

    def text(self) -> str:
        sources = ", ".join(dict.fromkeys(str(draft.place.source.document.file) for draft in self.drafts))
        lines = yaml_text.comment(
            f"Imported by slo-engine from {sources}. The comments name what is not, or not quite, the same."
        )
        for note in self.comments.head:
            lines += yaml_text.comment(note)
        lines += yaml_text.mapping(self._header(), open_keys=["defaults"])
        lines += ["", "slos:"]
        for index, draft in enumerate(self.drafts):
            lines += ["" for _ in range(index > 0)]
            lines += self._slo(index, draft)
        if self.own_policies:
            lines += ["", *_policy_lines(self.own_policies)]
        return "\n".join(lines) + "\n"

    def _header(self) -> dict[str, Any]:
        header: dict[str, Any] = {"version": "slo-engine/v1", "service": self.service}
        labels = dict(self.labels)
        if owner := labels.pop("owner", None):
            header["owner"] = owner
        if labels:
            header["labels"] = labels
        if window := self._shared_window():
            header["defaults"] = {"window": window}
        if alerting := self._shared_alerting():
            header.setdefault("defaults", {})["alerting"] = alerting
        return header

    def _shared_alerting(self) -> dict[str, Any]:
        """How all alerts of the file are named and called; what one SLO says alone stands there."""
        shared = {}
        alerting = [draft.fields.get("alerting", {}) for draft in self.drafts if not draft.silent]
        for key in ("name", "severities"):
            first = alerting[0].get(key) if len(alerting) > 1 else None
            if first is not None and all(each.get(key) == first for each in alerting):
                shared[key] = first
        return shared

    def _shared_window(self) -> str | None:
        windows = {draft.fields.get("window") for draft in self.drafts}
        return windows.pop() if len(windows) == 1 else None

    def _slo(self, index: int, draft: Draft) -> list[str]:
        fields = {"name": draft.name, **draft.fields, "sli": draft.fields.get("sli", draft.sli_source)}
        if self._shared_window():
            fields.pop("window", None)
        shared = self._shared_alerting()
        alerting = {key: value for key, value in fields.pop("alerting", {}).items() if key not in shared}
        for severity in SEVERITIES:
            own = {key: draft.labels[key] for key in draft.labels if draft.labels[key] != self.labels.get(key)}
            labels = {
                key: text for key, text in (own | draft.tier_labels[severity]).items() if key not in self._by(draft)
            }
            if labels and not draft.disabled(severity):
                alerting[severity] = {"labels": labels, **alerting.get(severity, {})}
        if alerting:
            fields["alerting"] = {key: alerting[key] for key in sorted(alerting, key=_ALERTING.index)}
        ordered = {key: fields[key] for key in _ORDER if fields.get(key) is not None}
        inside = ordered if draft.refused is None else ()
        comments = {key: self.comments.before(index, key) for key in inside}
        first = self.comments.before_slo(index, inside)
        lines = [line for note in first for line in yaml_text.comment(note, 2)]
        slo = yaml_text.item(yaml_text.mapping(ordered, 4, comments, open_keys=["sli"]), 2)
        if draft.refused is None:
            return lines + slo
        lines += yaml_text.comment(f"not imported: {draft.name} ({draft.place.where}): {draft.refused}", 2)
        return lines + yaml_text.commented_out(slo, 2)

    @staticmethod
    def _by(draft: Draft) -> list[str]:
        found: list[str] = draft.fields.get("by", [])
        return found


_ALERTING = ("policy", "name", "severities", "disabled", "page", "ticket", "absent")


def _labels(drafts: Sequence[Draft]) -> dict[str, str]:
    """The labels that all SLOs carry alike, and that divide none of them."""
    first, *others = drafts
    shared = {key: text for key, text in first.labels.items() if all(other.labels.get(key) == text for other in others)}
    return {key: text for key, text in shared.items() if not any(key in d.fields.get("by", []) for d in drafts)}


def _policy_lines(policies: Iterable[Policy]) -> list[str]:
    lines = ["policies:"]
    for policy in policies:
        tiers = [
            {"severity": tier.severity, "long": str(tier.long), "short": str(tier.short), "factor": tier.factor}
            for tier in policy.tiers
        ]
        lines += yaml_text.item(yaml_text.mapping({"name": policy.name, "tiers": tiers}, 4, open_keys=["tiers"]), 2)
    return lines


def _shared_text(policies: Iterable[Policy]) -> str:
    lines = ["# Imported by slo-engine: the policies that several services share.", "version: slo-engine/v1", ""]
    return "\n".join([*lines, *_policy_lines(policies)]) + "\n"


def _checked(pages: Sequence[_Page], shared: Sequence[Policy]) -> tuple[Slo, ...]:
    """What the loader makes of the files, once every SLO that it refuses has become a comment."""
    while True:
        texts = {page.name: page.text() for page in pages}
        if shared:
            texts[_POLICIES_FILE] = _shared_text(shared)
        loaded = examine(texts)
        if not loaded.problems:
            return loaded.slos.slos
        refused = False
        for page in pages:
            active = [draft for draft in page.drafts if draft.refused is None]
            for problem in loaded.problems:
                index = _slo_index(problem)
                if problem.file.name == page.name and index is not None and active[index].refused is None:
                    active[index].refused = f"{problem.path.partition('.')[2] or 'slo'} {problem.message}"
                    refused = True
        if not refused:
            raise SloFileError(loaded.problems)  # nothing that an SLO could be blamed for


def _slo_index(problem: Problem) -> int | None:
    place, _, rest = problem.path.partition("[")
    return int(rest.partition("]")[0]) if place == "slos" and rest else None

"""Failing observations -> causes. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from slo_engine.evidence.model import Cause, Causes, TraceLink
from slo_engine.scrub.outgoing import outgoing_text
from slo_engine.traces.model import Observation, Observations

MAX_CAUSES = 5
EXAMPLES = 2

_MAX_MESSAGE = 200
"""Characters: enough for an exception, too little for a prompt that somebody put into one."""

_NO_MESSAGE = "no message"

_MAX_NAME = 100
_LONGEST_SCRUBBED = 4000
_LONGEST_READ = 500
"""Characters of a message that are looked at for secrets, and of the result for what varies."""

_MASKED = re.compile(r"\[([A-Z]{2,12})\]")
"""What the scrubber leaves behind."""

_VARIABLE_PARTS: tuple[tuple[re.Pattern[str], str], ...] = (
    # No pattern may take more than one pass over a text: LangFuse holds whatever an agent put into an exception.
    (re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://\S+"), "<url>"),
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\b(?=\d*[a-fA-F])(?=[a-fA-F]*\d)[0-9a-fA-F]{12,}\b"), "<id>"),
    (re.compile(r"'[^']{1,200}'|\"[^\"]{1,200}\""), "<text>"),
    (re.compile(r"\d+(?:[.,:/-]\d+)*"), "<n>"),
)


UrlOf = Callable[[Observation], str]
"""Where people look at the run of an observation."""


def failed_runs(
    found: Observations, since: datetime, until: datetime, url_of: UrlOf, *, name: str | None = None
) -> Causes:
    """Why runs failed, from their ERROR observations. With ``name``, failing steps of that name count, whatever became
    of their runs."""
    blamed = culprits(found.rows, name=name)
    return Causes(since, until, len(blamed), group_by_cause(blamed, url_of), found.is_partial)


def slow_runs(found: Observations, since: datetime, until: datetime, url_of: UrlOf, *, seconds: float) -> Causes:
    """Which runs were slow, from the observations that took longer than ``seconds``."""
    slow = [each for each in found.rows if each.is_root]
    causes = group_by_cause(slow, url_of, message=f"took longer than {seconds:g} s")
    return Causes(since, until, len(slow), causes, found.is_partial)


def culprits(observations: Iterable[Observation], *, name: str | None = None) -> list[Observation]:
    """The one step to blame in each failing run.

    With ``name``, a run has failed when a step of that name has (a tool's SLO). Without it, when the run itself ended
    as ERROR: an agent that caught a tool's error and went on has not failed. What is blamed is then the last step that
    failed inside it, or the run when no step did.
    """
    runs: defaultdict[str, list[Observation]] = defaultdict(list)
    for observation in observations:
        runs[observation.trace_id].append(observation)
    blamed = []
    for steps in runs.values():
        if name is not None:
            suspects = [step for step in steps if step.name == name]
        elif any(step.is_root for step in steps):
            suspects = [step for step in steps if not step.is_root] or steps
        else:
            suspects = []
        if suspects:
            blamed.append(max(suspects, key=lambda step: step.start_time))
    return blamed


def group_by_cause(blamed: Sequence[Observation], url_of: UrlOf, *, message: str | None = None) -> tuple[Cause, ...]:
    """The most frequent causes, with links to the newest runs of each. ``message`` stands for all of theirs."""
    alike: defaultdict[tuple[str, str], list[Observation]] = defaultdict(list)
    for observation in blamed:
        alike[_what(observation), message or without_variable_parts(observation.status_message)].append(observation)
    ordered = sorted(alike.items(), key=lambda item: (-len(item[1]), item[0]))
    causes = []
    for (what, said), found in ordered[:MAX_CAUSES]:
        newest = sorted(found, key=lambda each: each.start_time, reverse=True)
        causes.append(
            Cause(
                what=what,
                message=said,
                count=len(found),
                share=len(found) / len(blamed),
                first_seen=newest[-1].start_time,
                last_seen=newest[0].start_time,
                examples=tuple(TraceLink(each.trace_id, url_of(each), each.start_time) for each in newest[:EXAMPLES]),
            )
        )
    return tuple(causes)


def without_variable_parts(message: str) -> str:
    """A message without ids, numbers, quotations, addresses and secrets: equal for failures that are alike, and fit to
    leave the house."""
    lines = message.strip()[:_LONGEST_SCRUBBED].splitlines()
    text = _scrubbed(lines[0])[:_LONGEST_READ] if lines else ""
    for pattern, replacement in _VARIABLE_PARTS:
        text = pattern.sub(replacement, text)
    return _cut(" ".join(text.split()), _MAX_MESSAGE) or _NO_MESSAGE


def _what(observation: Observation) -> str:
    kind = {"GENERATION": "model", "TOOL": "tool", "AGENT": "agent"}.get(observation.type, observation.type.lower())
    name = observation.model if observation.type == "GENERATION" and observation.model else observation.name
    return _cut(_scrubbed(f"{kind} {name}".strip()[:_LONGEST_SCRUBBED]), _MAX_NAME)


def _scrubbed(text: str) -> str:
    """Without secrets and personal data, whatever else they look like; before anything is cut off, or half a secret
    would not be known for one."""
    return _MASKED.sub(lambda match: f"<{match.group(1).lower()}>", outgoing_text(text))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"

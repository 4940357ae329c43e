"""Incidents with evidence for assistants to ask about, and tokens as models count them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from slo_engine.evidence.model import Cause, Causes, TraceLink
from slo_engine.notifications import Evidence, Link, Missing, Section, Topic
from slo_engine.web.assistants.tools import Reply, reply
from tests.alerts.payloads import notification
from tests.web.site import Site, status

NOON = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
NOW = NOON.timestamp()
SUPPORT = {"agent_type": "support_agent"}


def trace(number: int) -> TraceLink:
    known = f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835:032x}"[-32:]
    return TraceLink(known, f"https://langfuse.example.com/project/agents/traces/{known}", NOON)


def cause(what: str, message: str, count: int = 31, share: float = 0.62, number: int = 1) -> Cause:
    seen = NOON - timedelta(minutes=30)
    return Cause(what, message, count, share, seen, NOON, (trace(number), trace(number + 1), trace(number + 2)))


def evidence(
    answer: str = "62 % of failing runs: tool web_search, timed out after <n> s (31 of 50 read).",
    causes: Sequence[Cause] = (cause("tool web_search", "timed out after <n> s"),),
    group: dict[str, str] | None = None,
    topics: int = 1,
    **said: str,
) -> Evidence:
    found = Causes(NOON - timedelta(hours=1), NOON, 50, tuple(causes), is_partial=False)
    budget = status(group=group or SUPPORT, left=-0.2, burn={"5m": 20.0, "1h": 14.0}).as_json()
    links = tuple(Link(each.id, each.url) for one in causes for each in one.examples)
    sections = (
        Section("answer", answer),
        Section("causes", "causes", links, found.as_json()),
        Section("budget", "budget", data=budget),
        *(Section(name, text) for name, text in said.items()),
    )
    return Evidence(
        NOON.isoformat(),
        0.5,
        tuple(
            Topic(
                "agents", "success", group or {"agent_type": f"agent_{number}"} if number else SUPPORT, ("x",), sections
            )
            for number in range(topics)
        ),
        (Missing("scores", "LangFuse answered too late"),),
    )


def payload(alerts: int = 1, key: str = "a", status: str = "firing", **annotations: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(notification(status=status, group_key=key)))
    first = found["alerts"][0]
    first |= {"startsAt": "2026-11-27T09:00:00Z", "annotations": {**first["annotations"], **annotations}}
    found["alerts"] = [
        {**first, "fingerprint": f"{number:016x}", "labels": {**first["labels"], "agent_type": f"agent_{number}"}}
        for number in range(alerts)
    ]
    return found


def ask(site: Site, tool: str, **arguments: Any) -> Reply:
    return reply(tool, arguments, site.app.state.services)


def asked(site: Site, tool: str, **arguments: Any) -> Any:
    found = ask(site, tool, **arguments)
    assert not found.is_error, found.text
    return json.loads(found.text)


def tokens(text: str) -> int:
    """As Anthropic's tokenizer counts them, which comes with LiteLLM."""
    return len(_tokenizer().encode(text).ids)


@cache
def _tokenizer() -> Tokenizer:
    found = find_spec("litellm")
    assert found is not None
    assert found.submodule_search_locations
    folder = Path(found.submodule_search_locations[0])
    return Tokenizer.from_file(str(folder / "litellm_core_utils/tokenizers/anthropic_tokenizer.json"))

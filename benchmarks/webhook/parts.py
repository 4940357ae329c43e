"""The four measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from benchmarks.figure import Figure
from benchmarks.rules.progress import Progress
from benchmarks.webhook.bodies import bodies
from benchmarks.webhook.load import Answers, percentile, post
from benchmarks.webhook.scene import HANGING, Scene, ended_at_once, process, scene
from deploy.stack.processes import free_port

CONNECTIONS = 32
ROUNDS = 5
ROUND_SECONDS = 5.0
WARM_UP = 200
"""Bodies before a round is measured."""

BUDGET_SECONDS = 5.0
"""``evidence.budget``, by default."""

STORM = 5000
STORM_SECONDS = 10.0
SLOW_SECONDS = 12.0
SLOW_NUMBER = 400


def accepted(folder: Path, store: Callable[[], str | None], progress: Progress) -> Iterator[Figure]:
    """Notifications taken in a second, as fast as they are answered, in turns with a bare route. Both processes and
    stores are new in each turn, so that neither works off what the other's turn has left."""
    ours: list[Answers] = []
    bare: list[Answers] = []
    with progress.task("rounds", 2 * ROUNDS) as reached:
        for number in range(ROUNDS):
            with scene(folder / f"engine-{number}", store=store()) as running:
                ours.append(_round(running.port))
            reached(2 * number + 1)
            bare.append(_bare_round(folder / f"bare-{number}", store()))
            reached(2 * number + 2)
    rates = [each.rate for each in ours], [each.rate for each in bare]
    busy = max(each.client / each.took for each in (*ours, *bare))
    spread = "; ".join(
        f"{name} {min(of):.0f} to {max(of):.0f}" for name, of in zip(("engine", "bare"), rates, strict=True)
    )
    beside = f"medians {median(rates[0]):.0f}/s and {median(rates[1]):.0f}/s; {spread}; clients {busy:.0%} of a core"
    yield Figure("rate of a bare route, beside the engine's", median(rates[1]) / median(rates[0]), "x", 1.25, beside)
    slow = median(each.percentile(99) for each in bare)
    yield Figure(
        "p99 until 2xx, 32 connections", median(each.percentile(99) for each in ours), "s", None, f"bare {slow:.3f} s"
    )


def latency(folder: Path, store: Callable[[], str | None], progress: Progress) -> Iterator[Figure]:
    """From the POST to the sink, 20 notifications a second."""
    progress.say("from POST to sink, with LangFuse at 100 ms, then with one that hangs")
    for name, delay, limit in (("LangFuse at 100 ms", 0.1, 1.0), ("LangFuse hangs", HANGING, BUDGET_SECONDS + 0.5)):
        with scene(folder / f"latency-{delay:g}", store=store(), langfuse=delay) as running:
            post(running.port, bodies(20, 900_000), connections=4, rate=20)
            running.delivered_within(range(900_000, 900_020), 20)
            answers = post(running.port, bodies(400), connections=8, rate=20)
            late = _lateness(running, answers, within=60.0)
            lost = 400 - len(late)
            beside = (
                f"median {median(late.values()):.3f} s, {lost} missing, p99 of the 2xx {answers.percentile(99):.3f} s"
            )
            value = percentile(list(late.values()), 99) if not lost else float("inf")
            yield Figure(f"p99 from POST to sink, {name}", value, "s", limit, beside)


def storm(folder: Path, store: Callable[[], str | None], progress: Progress) -> Iterator[Figure]:
    """5,000 groups in 10 s, every tenth of them critical."""
    progress.say(f"a storm: {STORM} groups in {STORM_SECONDS:g} s")
    with scene(folder / "storm", store=store(), langfuse=0.1) as running:
        storming = bodies(STORM, page_every=10)
        answers = post(running.port, storming, connections=CONNECTIONS, rate=STORM / STORM_SECONDS)
        late = _lateness(running, answers, within=120.0)
        repeated = sum(each.requests - 1 for each in running.delivered().values())
        critical, others = ([late[each] for each in late if (each % 10 == 0) is is_page] for is_page in (True, False))
        began = min(answers.begun_at.values())
        last = max(answers.begun_at[each] + late[each] for each in late) - began
        sent = f"all posted after {answers.took:.1f} s, {answers.others} answers not 2xx"
        yield Figure("storm: lost", float(STORM - len(late)), "messages", 0.5, f"{repeated} sent more than once")
        yield Figure("storm: p99 until 2xx", answers.percentile(99), "s", 1.0, sent)
        yield Figure("storm: last one at the sink", last, "s", 60.0)
        first = f"others {median(others):.2f} s; the last critical {max(critical):.2f} s"
        yield Figure("storm: median delay of critical", median(critical), "s", median(others), first)
        yield Figure("storm: peak memory", running.peak_megabytes(), "MB", 300.0)


def slow_sink(folder: Path, store: Callable[[], str | None], progress: Progress) -> Iterator[Figure]:
    """400 notifications for a sink that answers after 12 s."""
    progress.say(f"{SLOW_NUMBER} notifications for a sink that takes {SLOW_SECONDS:g} s")
    with scene(folder / "slow", store=store(), sink=SLOW_SECONDS) as running:
        answers = post(running.port, bodies(SLOW_NUMBER), connections=8, rate=100)
        late = _lateness(running, answers, within=400.0)
        requests = sum(each.requests for each in running.delivered().values())
        lost = f"{SLOW_NUMBER - len(late)} missing, the last after {max(late.values()):.0f} s"
        yield Figure("slow sink: requests for 400 notifications", float(requests), "requests", SLOW_NUMBER + 0.5, lost)


def _round(port: int) -> Answers:
    post(port, bodies(WARM_UP, 900_000), connections=CONNECTIONS)
    # More than any rate takes: the time ends the round.
    return post(port, bodies(int(ROUND_SECONDS * 3000)), connections=CONNECTIONS, seconds=ROUND_SECONDS)


def _bare_round(folder: Path, store: str | None) -> Answers:
    folder.mkdir()
    port = free_port()
    running = process(
        folder,
        "bare",
        f"http://127.0.0.1:{port}/readyz",
        "benchmarks.webhook.bare",
        "--port",
        str(port),
        "--store",
        store or f"sqlite:///{folder / 'bare.db'}",
    )
    with ended_at_once(running):
        return _round(port)


def _lateness(running: Scene, answers: Answers, within: float) -> dict[int, float]:
    """Seconds from the POST to the sink, by number; those that came."""
    found = running.delivered_within(answers.begun_at, within)
    return {each: found[each].at - begun for each, begun in answers.begun_at.items() if each in found}

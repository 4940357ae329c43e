"""What the peers' decorators cost an agent beside ours, and what each of them keeps of the function it decorates.

``python -m benchmarks.peers --python /path/to/venv/bin/python``: every library runs in fresh processes of that
interpreter, in turn, and sends what it saw to a sink on this machine, with the pipeline it has by default.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import contextvars
import importlib
import importlib.metadata
import inspect
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from tests.monitoring.shapes import SHAPES

ROOT = Path(__file__).parent.parent
MODEL, TOOLS, TOKENS = "gpt-5-mini", ("search", "lookup", "refund", "notify"), {"input": 900, "output": 120}
ITEMS = 1000
ROUNDS, REPEATS = 3, 40
PLAIN, RUN, ITEM, ASYNC = "a plain function", "an agent's run", "an item of a generator", "an async function"
WHOLE = "an agent's run until it is sent, all threads"
AWAITED, COVERED = "async function: awaited, duration right", "generator: duration covers its items"

Function = Callable[..., Any]
Decorate = Callable[[Function], Function]


@dataclass(frozen=True)
class Ended:
    """A call of a decorated function, as the library saw it: how long it took, and whether it is told as a failure."""

    seconds: float
    failed: bool


Watch = Callable[[], list[Ended]]


@dataclass(frozen=True)
class Peer:
    """A library. ``run``, ``model`` and ``tool`` decorate, given a name; ``tell_usage`` is called inside a model call.

    ``settle`` sends what waits. ``watch`` begins to look at what the library sees; what it returns tells which calls
    named ``probe`` have ended since it was last asked.
    """

    run: Callable[[str], Decorate]
    model: Callable[[str], Decorate]
    tool: Callable[[str], Decorate]
    tell_usage: Callable[[], object] = lambda: None
    settle: Callable[[], object] = lambda: None
    watch: Callable[[], Watch] | None = None
    """None: it looks at calls of models and tools, not at functions."""
    total_of: Callable[[str, Any], int] | None = None
    """Input and output of a provider's answer as the library's own reader has them; None: it has none."""


# What it costs.


def costs(peer: Peer) -> dict[str, float]:
    """CPU microseconds of the calling thread, the least of many short repeats taken in turn; `WHOLE`: of the process.

    What waits is sent between the repeats, so that no queue is ever full.
    """
    workloads = _workloads(peer)
    least = dict.fromkeys([*workloads, WHOLE], float("inf"))
    for _ in range(REPEATS):
        for name, (workload, calls) in workloads.items():
            begun, all_begun = time.thread_time(), time.process_time()
            for _ in range(calls):
                workload()
            least[name] = min(least[name], (time.thread_time() - begun) / calls * 1e6)
            peer.settle()
            if name == RUN:
                least[WHOLE] = min(least[WHOLE], (time.process_time() - all_begun) / calls * 1e6)
    return {**least, ITEM: least[ITEM] / ITEMS}


def _workloads(peer: Peer) -> dict[str, tuple[Function, int]]:
    @peer.model(MODEL)
    def call_model(prompt: str) -> str:  # noqa: ARG001 - it is the input that is traced
        peer.tell_usage()
        return "an answer " * 20

    tools = [peer.tool(name)(lambda query: f"found {query}") for name in TOOLS]

    @peer.run("agent")
    def agent(question: str) -> str:
        for _ in range(3):
            call_model("a prompt " * 20)
        for tool in tools:
            tool("something")
        return question

    @peer.run("stream")
    def words() -> Generator[str, None, None]:
        for _ in range(ITEMS):
            yield "word "

    @types.coroutine
    def suspended() -> Generator[None, None, None]:
        yield

    @peer.run("answer")
    async def answer(question: str) -> str:
        await suspended()
        return question

    def drive() -> None:
        # By hand: an event loop costs more than most of what is measured.
        coroutine = answer("a question")
        coroutine.send(None)
        with contextlib.suppress(StopIteration):
            coroutine.send(None)

    plain = peer.run("answer")(lambda question: question)
    return {
        PLAIN: (lambda: plain("a question"), 100),
        RUN: (lambda: agent("a question"), 25),
        ITEM: (lambda: deque(words(), maxlen=0), 1),
        ASYNC: (drive, 100),
    }


# What it keeps. Every question decorates a function, calls it, and looks at what the library saw.


async def _sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


def _exit() -> None:
    raise SystemExit(3)


def _nap() -> Generator[int, None, None]:
    time.sleep(0.02)
    yield 1
    time.sleep(0.02)


def _echo() -> Generator[Any, Any, str]:
    got = None
    while got != "stop":
        got = yield got
    return "the end"


async def _async_echo() -> AsyncGenerator[Any, Any]:
    got = None
    while True:
        got = yield got


def _lasted(ended: Watch, least: float) -> bool:
    return [least < each.seconds < 0.5 for each in ended()] == [True]


async def _is_awaited(probe: Decorate, ended: Watch) -> bool:
    await probe(_sleep)(0.05)
    return _lasted(ended, 0.045)


def _is_covered(probe: Decorate, ended: Watch) -> bool:
    deque(probe(_nap)(), maxlen=0)
    return _lasted(ended, 0.035)


def _sends_and_returns(probe: Decorate, _: Watch) -> bool:
    generator = probe(_echo)()
    next(generator)
    echoed = generator.send("this")
    try:
        generator.send("stop")
    except StopIteration as stop:
        return bool(echoed == "this" and stop.value == "the end")
    return False


async def _sends_async(probe: Decorate, _: Watch) -> bool:
    async with contextlib.aclosing(probe(_async_echo)()) as generator:
        await anext(generator)
        return bool(await generator.asend("this") == "this")


def _early_break(probe: Decorate, ended: Watch) -> bool:
    for _ in probe(_nap)():
        break
    return [each.failed for each in ended()] == [False]


async def _cancelled(probe: Decorate, ended: Watch) -> bool:
    task = asyncio.create_task(probe(_sleep)(10))
    await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return [each.failed for each in ended()] == [True]


def _exits(probe: Decorate, ended: Watch) -> bool:
    with contextlib.suppress(SystemExit):
        probe(_exit)()
    return len(ended()) == 1


def _keeps_context(probe: Decorate, _: Watch) -> bool:
    before = dict(contextvars.copy_context())
    generator = probe(_echo)()
    next(generator)
    return before == dict(contextvars.copy_context())


async def _keeps_async_context(probe: Decorate, _: Watch) -> bool:
    before = dict(contextvars.copy_context())
    async with contextlib.aclosing(probe(_async_echo)()) as generator:
        await anext(generator)
        return before == dict(contextvars.copy_context())


QUESTIONS: Final[dict[str, Callable[[Decorate, Watch], Any]]] = {
    AWAITED: _is_awaited,
    COVERED: _is_covered,
    "coroutine function stays one": lambda probe, _: inspect.iscoroutinefunction(probe(_sleep)),
    "generator function stays one": lambda probe, _: inspect.isgeneratorfunction(probe(_echo)),
    "async generator function stays one": lambda probe, _: inspect.isasyncgenfunction(probe(_async_echo)),
    "generator: send() and return value pass": _sends_and_returns,
    "async generator: asend() passes": _sends_async,
    "generator: an early break is no error": _early_break,
    "CancelledError is reported": _cancelled,
    "SystemExit ends the observation": _exits,
    "suspended generator: caller's context kept": _keeps_context,
    "suspended async generator: the same": _keeps_async_context,
}


def answers(peer: Peer) -> dict[str, bool]:
    """What holds for a library."""
    if peer.watch is None:
        return {}
    ended, found = peer.watch(), {}
    for name, question in QUESTIONS.items():
        ended()
        try:
            answer = contextvars.copy_context().run(question, peer.run("probe"), ended)
            found[name] = bool(asyncio.run(answer) if inspect.iscoroutine(answer) else answer)
        except Exception as error:  # noqa: BLE001 - whatever a peer's wrapper raises, the answer is no
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
            found[name] = False
    return found


# The libraries. Each is set up as its documentation says, but for where it sends to.


def _undecorated(_: str) -> Peer:
    def leave(_: str) -> Decorate:
        return lambda function: function

    return Peer(leave, leave, leave)


def _metrics_only(_: str) -> Peer:
    return _ours(None)


def _ours(sink: str | None) -> Peer:
    monitoring: Any = importlib.import_module("slo_engine.monitoring")
    registry = importlib.import_module("prometheus_client").CollectorRegistry()
    monitoring.configure(metrics=monitoring.AgentMetrics(registry))
    tracing = sink and monitoring.LangFuseTracing(public_key="pk", secret_key="sk", base_url=sink)
    monitoring.configure(tracing=tracing or None)

    def model(name: str) -> Decorate:
        def decorate(function: Function) -> Function:
            def call(prompt: str) -> Any:
                begun = time.perf_counter()
                answer = function(prompt)
                usage = {"input_tokens": TOKENS["input"], "output_tokens": TOKENS["output"]}
                seconds = time.perf_counter() - begun
                monitoring.current_run().record_llm_call(name, **usage, seconds=seconds, input=prompt, output=answer)
                return answer

            return call

        return decorate

    def watch() -> Watch:
        def value(name: str, **labels: str) -> float:
            return registry.get_sample_value(name, {"agent_type": "probe", **labels}) or 0.0

        def ended() -> list[Ended]:
            before = seen.copy()
            seen[:] = [value(f"agent_request_duration_seconds_{each}") for each in ("count", "sum")]
            seen.append(value("agent_requests_total", status="success"))
            count, seconds, successes = (now - then for now, then in zip(seen, before, strict=True))
            return [Ended(seconds, successes == 0)] * int(count)

        seen = [0.0, 0.0, 0.0]
        return ended

    settle = tracing.flush if tracing else lambda: None

    def total_of(_: str, answer: Any) -> int:
        usage = importlib.import_module("slo_engine.monitoring.usage").usage_of(answer)
        return 0 if usage is None else usage.input_tokens + usage.output_tokens

    decorate = (monitoring.monitor_agent, model, monitoring.monitor_tool)
    return Peer(*decorate, settle=settle, watch=watch, total_of=total_of)


def _spans() -> dict[str, Any]:
    """Of a `Peer` whose spans go through OpenTelemetry's global provider."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

    provider: Any = trace.get_tracer_provider()
    usage: Any = {"gen_ai.request.model": MODEL, **{f"gen_ai.usage.{kind}_tokens": n for kind, n in TOKENS.items()}}

    def watch() -> Watch:
        seen: list[Ended] = []

        class Watcher(SpanProcessor):
            def on_end(self, span: ReadableSpan) -> None:
                if "probe" in span.name:
                    level = (span.attributes or {}).get("langfuse.observation.level")
                    seconds = ((span.end_time or 0) - (span.start_time or 0)) / 1e9
                    seen.append(Ended(seconds, not span.status.is_ok or level == "ERROR"))

        provider.add_span_processor(Watcher())
        return lambda: [seen.pop(0) for _ in seen.copy()]

    return {
        "settle": provider.force_flush,
        "watch": watch,
        "tell_usage": lambda: trace.get_current_span().set_attributes(usage),
    }


def _openlit(sink: str) -> Peer:
    openlit: Any = importlib.import_module("openlit")
    prices = Path(os.environ["HOME"], "prices.json")
    prices.write_text("{}")  # it would fetch them from GitHub
    openlit.init(otlp_endpoint=sink, pricing_json=str(prices))

    def named(name: str) -> Decorate:
        def decorate(function: Function) -> Any:
            function.__name__ = name  # the decorator takes no name
            return openlit.trace(function)

        return decorate

    return Peer(named, named, named, **_spans())


def _traceloop(sink: str) -> Peer:
    decorators: Any = importlib.import_module("traceloop.sdk.decorators")
    importlib.import_module("traceloop.sdk").Traceloop.init("benchmark", api_endpoint=sink, api_key="local")
    return Peer(decorators.workflow, decorators.task, decorators.tool, **_spans())


def _logfire(_: str) -> Peer:
    logfire: Any = importlib.import_module("logfire")
    logfire.configure(send_to_logfire=False, console=False)  # to OTEL_EXPORTER_OTLP_ENDPOINT

    def instrument(name: str) -> Any:
        return logfire.instrument(name, record_return=True, allow_generator=True)

    return Peer(instrument, instrument, instrument, **_spans())


def _langfuse(sink: str) -> Peer:
    langfuse: Any = importlib.import_module("langfuse")
    client = langfuse.Langfuse(public_key="pk", secret_key="sk", base_url=sink)

    def of(kind: str) -> Callable[[str], Any]:
        return lambda name: langfuse.observe(name=name, as_type=kind)

    def tell_usage() -> None:
        client.update_current_generation(model=MODEL, usage_details=TOKENS)

    return Peer(of("agent"), of("generation"), of("tool"), **{**_spans(), "tell_usage": tell_usage})


def _agento11y(sink: str) -> Peer:
    library: Any = importlib.import_module("agento11y")
    usage: Any = importlib.import_module("agento11y.usage")
    export = library.GenerationExportConfig(protocol="http", endpoint=sink, insecure=True)
    client = library.Client(library.ClientConfig(generation_export=export))
    tokens = library.TokenUsage(input_tokens=TOKENS["input"], output_tokens=TOKENS["output"])

    def run(name: str) -> Decorate:
        def decorate(function: Function) -> Function:
            def call(*args: Any) -> Any:
                with library.with_agent_name(name):
                    return function(*args)

            return call

        return decorate

    def model(name: str) -> Decorate:
        start = library.GenerationStart(model=library.ModelRef(provider="openai", name=name))

        def decorate(function: Function) -> Function:
            def call(prompt: str) -> Any:
                with client.start_generation(start) as recorder:
                    answer = function(prompt)
                    said = [library.assistant_text_message(str(answer))]
                    recorder.set_result(input=[library.user_text_message(prompt)], output=said, usage=tokens)
                return answer

            return call

        return decorate

    def tool(name: str) -> Decorate:
        start = library.ToolExecutionStart(tool_name=name)

        def decorate(function: Function) -> Function:
            def call(*args: Any) -> Any:
                with client.start_tool_execution(start):
                    return function(*args)

            return call

        return decorate

    def total_of(provider: str, answer: Any) -> int:
        told = answer.get("usage") or answer.get("usage_metadata") or answer.get("usageMetadata") or answer
        read = usage.from_anthropic if provider == "anthropic" else usage.map_usage
        found = read(told)
        return int(found.input_tokens + found.output_tokens)

    return Peer(run, model, tool, settle=client.flush, total_of=total_of)


IN_MEMORY, BATCHES = "metrics in memory", "spans to the local sink, OTLP over HTTP, BatchSpanProcessor"
LIBRARIES: Final[dict[str, tuple[Callable[[str], Peer], tuple[str, ...], str]]] = {
    "undecorated": (_undecorated, (), "nothing"),
    "ours, metrics": (_metrics_only, ("prometheus-client",), IN_MEMORY),
    "ours": (_ours, ("prometheus-client", "langfuse"), f"{IN_MEMORY}; spans to the local sink, OTLP over HTTP"),
    "openlit": (_openlit, ("openlit",), BATCHES),
    "traceloop": (_traceloop, ("traceloop-sdk",), BATCHES),
    "logfire": (_logfire, ("logfire",), BATCHES),
    "langfuse": (_langfuse, ("langfuse",), BATCHES),
    "agento11y": (_agento11y, ("agento11y",), "generations to the local sink, HTTP"),
}


def work(name: str, sink: str) -> dict[str, Any]:
    """What a library costs and keeps, measured in this process; nothing of it if it is not installed."""
    set_up, packages, exports = LIBRARIES[name]
    try:
        versions = {package: importlib.metadata.version(package) for package in packages}
    except importlib.metadata.PackageNotFoundError as error:
        return {"exports": f"{error.name} is not installed"}
    resolve, refused = socket.getaddrinfo, []

    def resolve_here(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in {"127.0.0.1", "localhost"}:
            refused.append(str(host))
            raise OSError(f"{host} is not this machine")
        return resolve(host, *args, **kwargs)

    socket.getaddrinfo = resolve_here
    peer = set_up(sink)
    found = {"exports": exports, "versions": versions, "costs": costs(peer), "refused": refused}
    if peer.total_of is not None:
        found["shapes"] = [name for name, (answer, total) in SHAPES.items() if peer.total_of(name, answer) == total]
    return found if set_up is _undecorated else {**found, "answers": answers(peer)}


# The sink, and all of them in turn.


class Sink(BaseHTTPRequestHandler):
    """Answers 200 to everything."""

    protocol_version = "HTTP/1.1"
    requests = 0

    def do_POST(self) -> None:
        """Read, count, thank."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        Sink.requests += 1
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Nobody wants to know."""


def measure(python: str) -> dict[str, dict[str, Any]]:
    """All libraries, several times in turn; the least of what they cost."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found: dict[str, dict[str, Any]] = {}
    for number in range(ROUNDS):
        for name in LIBRARIES:
            print(f"round {number + 1} of {ROUNDS}: {name}", file=sys.stderr, flush=True)
            before = Sink.requests
            seen = _in_a_process(python, name, f"http://127.0.0.1:{server.server_port}")
            seen["requests"] = Sink.requests - before
            earlier = found.get(name, {}).get("costs", {})
            for what, cost in seen.get("costs", {}).items():
                seen["costs"][what] = min(cost, earlier.get(what, cost))
            found[name] = seen
    return found


def _in_a_process(python: str, name: str, sink: str) -> dict[str, Any]:
    command = [python, "-m", "benchmarks.peers", "--worker", name, "--sink", sink]
    with tempfile.TemporaryDirectory() as home:
        env = {"PATH": "", "HOME": home, "OTEL_EXPORTER_OTLP_ENDPOINT": sink, "TRACELOOP_TELEMETRY": "false"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=env)
    if done.returncode:
        raise SystemExit(f"{done.stderr}\nthe worker of {name} ended with {done.returncode}")
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


def table(found: dict[str, dict[str, Any]]) -> str:
    """All of it, for people."""
    lines = [f"{'CPU microseconds of a call':<46}" + "".join(f"{name:>17}" for name in found)]
    costs_of = found["undecorated"]["costs"]
    lines += [f"{what:<46}" + "".join(f"{_cell(what, name, found):>17}" for name in found) for what in costs_of]
    lines.append("(x: what it adds, beside what ours adds with metrics and traces. *: it does not see what happens)\n")
    for question in QUESTIONS:
        said = [seen.get("answers", {}).get(question) for seen in found.values()]
        lines.append(f"{question:<46}" + "".join(f"{ {True: 'yes', False: 'no'}.get(each, ''):>17}" for each in said))
    right = [f"{len(seen['shapes'])} of {len(SHAPES)}" if "shapes" in seen else "" for seen in found.values()]
    what = "answers whose input and output are the total"
    lines.append(f"{what:<46}" + "".join(f"{each:>17}" for each in right))
    lines.append("")
    for name, seen in found.items():
        about = [*(f"{package} {version}" for package, version in seen.get("versions", {}).items()), seen["exports"]]
        about += [f"{seen['requests']} requests to the sink", f"tried {seen['refused']}" if seen.get("refused") else ""]
        lines.append(f"{name:<14} {'; '.join(filter(None, about))}")
    return "\n".join(lines)


def _cell(what: str, name: str, found: dict[str, dict[str, Any]]) -> str:
    ours, bare, seen = found["ours"].get("costs"), found["undecorated"]["costs"], found[name]
    if "costs" not in seen:
        return "not installed"
    ratio = "" if ours is None else f" ({(seen['costs'][what] - bare[what]) / (ours[what] - bare[what]):.2f}x)"
    question = {ITEM: COVERED, ASYNC: AWAITED}.get(what, "")
    blind = "" if seen.get("answers", {}).get(question, True) else "*"
    return f"{seen['costs'][what]:.2f}{'' if name in {'ours', 'undecorated'} else ratio}{blind}"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="the interpreter of a venv that has the peers")
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")
    parser.add_argument("--worker", choices=LIBRARIES, help=argparse.SUPPRESS)
    parser.add_argument("--sink", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        with contextlib.redirect_stdout(sys.stderr):  # some libraries greet
            seen = work(asked.worker, asked.sink)
        print(json.dumps(seen))
    else:
        found = measure(asked.python)
        print(json.dumps(found, indent=2) if asked.json else table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())

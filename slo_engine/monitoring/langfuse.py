"""Traces to LangFuse: one daemon thread sends what agents leave in the outbox, and no agent ever waits for it."""

from __future__ import annotations

import atexit
import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from slo_engine.monitoring.defaults import default_metrics
from slo_engine.monitoring.metrics import AgentMetrics
from slo_engine.monitoring.outbox import MAX_BYTES, SENDER, Outbox, Parcel
from slo_engine.monitoring.quiet import complaints
from slo_engine.monitoring.tracing import Score, Step, Trace, Tracing
from slo_engine.scrub import Scrubber

if TYPE_CHECKING:
    from slo_engine.monitoring.otlp import Answer, Door, Sendable, Spans

DEFAULT_URL: Final = "https://cloud.langfuse.com"

LINGER_SECONDS: Final = 0.5
"""How long a trace waits for others to share a request with."""

MAX_BATCH: Final = 500
"""Observations in a request."""

MAX_BATCH_BYTES: Final = 3_000_000
"""Of content in a request: the cloud takes 5 MB, and refuses the whole of what is larger."""

MAX_ATTEMPTS: Final = 8
"""With pauses of 1, 2, 4, ... 30 s and the time of the answers one and a half to two minutes; then the next."""

MAX_PAUSE: Final = 30.0

TEARDOWN_SECONDS: Final = 0.3
"""What the SDK's own threads and the interpreter take at exit, after us."""

MAX_SCORES: Final = 10_000
"""Scores that wait."""

Scrub = Callable[[str], str]


class _WaitingScore:
    """A score that is still to be sent."""

    def __init__(self, score: Score) -> None:
        self.score = score
        self.attempts = 0
        self.due = 0.0

    def seconds_to_wait(self) -> float:
        return max(0.0, self.due - time.monotonic())


class LangFuseTracing(Tracing):
    """Traces to a LangFuse server.

    ``public_key``, ``secret_key``, ``base_url``, ``environment`` and ``release`` are those of ``LANGFUSE_*`` unless
    given. ``sample_rate``: the share of traces without an error that are kept (``LANGFUSE_SAMPLE_RATE``, default 1.0;
    0.1 to 0.2 for busy agents); every trace with an error is kept whole. ``scrub``: what text goes through before it
    leaves; default a `Scrubber`; None: nothing. ``capture_content`` False: no inputs and outputs.
    ``keep_if_score_below``: scores that keep a trace as an error does, such as ``{"grounded": 0.5}``. ``timeout``:
    seconds for one request. ``exit_timeout``: seconds that the end of the process may take for traces not yet sent.

    Raises ValueError without keys, ImportError without the LangFuse SDK (``slo-engine[langfuse]``), which is loaded
    here (about a second): declare agents where a program starts.
    """

    def __init__(
        self,
        *,
        public_key: str | None = None,
        secret_key: str | None = None,
        base_url: str | None = None,
        environment: str | None = None,
        release: str | None = None,
        sample_rate: float | None = None,
        scrub: Scrub | Scrubber | None = Scrubber(),  # noqa: B008 - stateless
        capture_content: bool = True,
        keep_if_score_below: Mapping[str, float] | None = None,
        timeout: float = 5.0,
        exit_timeout: float = 2.0,
        max_bytes: int = MAX_BYTES,
        metrics: AgentMetrics | None = None,
    ) -> None:
        public_key = public_key or os.environ.get("LANGFUSE_PUBLIC_KEY")
        secret_key = secret_key or os.environ.get("LANGFUSE_SECRET_KEY")
        if not public_key or not secret_key:
            raise ValueError("LangFuse needs its keys: set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY, or give them")
        sample_rate = _sample_rate() if sample_rate is None else sample_rate
        from slo_engine.monitoring.otlp import Door, Spans

        url = base_url or os.environ.get("LANGFUSE_BASE_URL") or os.environ.get("LANGFUSE_HOST") or DEFAULT_URL
        sink = LangFuseSink(
            Door(url.rstrip("/"), public_key, secret_key, timeout),
            Spans(
                environment or os.environ.get("LANGFUSE_TRACING_ENVIRONMENT"),
                release or os.environ.get("LANGFUSE_RELEASE"),
                scrub.scrub if isinstance(scrub, Scrubber) else scrub,
            ),
            metrics,
            max_bytes,
        )
        super().__init__(sink, sample_rate, capture_content=capture_content, keep_if_score_below=keep_if_score_below)
        from slo_engine.monitoring.neighbours import share_with_the_sdk

        self._collect = share_with_the_sdk(self, sink.put_foreign, sink.wait, public_key, secret_key, url)
        # Registered after the SDK's own, so that it runs before it.
        atexit.register(self.close, max(0.0, exit_timeout - TEARDOWN_SECONDS))

    def close(self, timeout: float = 2.0) -> None:
        """Send what can be sent in ``timeout`` seconds, runs that have not ended included. Done at exit by itself."""
        atexit.unregister(self.close)
        assert isinstance(self.sink, LangFuseSink)
        try:
            self.finish_all()
            self._collect()
        finally:
            self.sink.close(timeout)


class LangFuseSink:
    """The outbox and the thread that empties it, through a `otlp.Door`, with `otlp.Spans`."""

    def __init__(self, door: Door, spans: Spans, metrics: AgentMetrics | None, max_bytes: int = MAX_BYTES) -> None:
        self._door = door
        self._spans = spans
        self._metrics = metrics
        self._max_bytes = max_bytes
        self._outbox = self._new_outbox()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._is_closing = False
        self._is_closed = False
        self._flushing = 0
        self._told_lost = 0
        """Losses that a flush has answered for."""
        self._scores: deque[_WaitingScore] = deque(maxlen=MAX_SCORES)
        os.register_at_fork(after_in_child=self._after_fork)

    def put(self, trace: Trace) -> None:
        """Take a trace whose root has ended."""
        self._put(Parcel(trace, trace.steps, trace.scores, trace.foreign))

    def put_late(self, step: Step) -> None:
        """Take an observation that ended after its trace."""
        self._put(Parcel(step.trace, [step]))

    def put_score(self, score: Score) -> None:
        """Take a score that came after its trace."""
        self._put(Parcel(None, scores=[score]))

    def put_foreign(self, trace: Trace | None, spans: Sequence[Any]) -> None:
        """Take what another instrument saw."""
        self._put(Parcel(trace, foreign=list(spans)))

    def flush(self, timeout: float) -> bool:
        """Wait until nothing waits, ``timeout`` seconds at most. Whether LangFuse has taken everything since the last
        time."""
        told = self._told_lost
        is_empty = self.wait(timeout)
        self._told_lost = lost = self._outbox.lost
        return is_empty and lost == told

    def wait(self, timeout: float) -> bool:
        """Wait until nothing waits, ``timeout`` seconds at most. Whether that came about, be it sent or lost."""
        if self._is_closed:
            timeout = 0.0  # the SDK flushes at exit too, and the time for that is over
        self._flushing += 1
        try:
            return self._outbox.wait_until_empty(timeout)
        finally:
            self._flushing -= 1

    def close(self, timeout: float) -> None:
        """Send what can be sent in ``timeout`` seconds, and let the rest go."""
        self._is_closing = True
        self.wait(timeout)
        self._is_closed = True

    def _put(self, parcel: Parcel) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._start()
        self._outbox.put(parcel)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name=SENDER, daemon=True)
                self._thread.start()

    def _after_fork(self) -> None:
        # The parent sends what it holds; its thread and the state of its locks did not come along.
        self._outbox = self._new_outbox()
        self._scores.clear()
        self._thread = None
        self._starting = threading.Lock()
        self._flushing = self._told_lost = 0
        self._door.after_fork()

    def _work(self) -> None:
        while True:
            self._outbox.wait(self._scores[0].seconds_to_wait() if self._scores else 60.0)
            self._pause(LINGER_SECONDS)
            parcels = self._outbox.take(MAX_BATCH, MAX_BATCH_BYTES)
            try:
                self._deliver(parcels)
                self._send_scores()
            except Exception as error:  # noqa: BLE001 - this thread must go on whatever one batch holds
                self._give_up(len(parcels), "trace", type(error).__name__)
            finally:
                for parcel in parcels:
                    parcel.let_go()
                self._outbox.done(still_in_hand=len(self._scores))

    def _deliver(self, parcels: Sequence[Parcel]) -> None:
        batch: list[Sendable] = []
        size = 0
        for sendable in self._spans.build(parcels, lambda: self._count("trace")):
            if batch and (len(batch) >= MAX_BATCH or size + sendable.size > MAX_BATCH_BYTES):
                self._send(batch)
                batch, size = [], 0
            batch.append(sendable)
            size += sendable.size
        if batch:
            self._send(batch)
        for parcel in parcels:
            for score in parcel.scores:
                if len(self._scores) == MAX_SCORES:  # the oldest makes room
                    self._count("score")
                self._scores.append(_WaitingScore(score))

    def _send(self, batch: list[Sendable]) -> None:
        try:
            body = self._spans.encoded(batch)
        except Exception:  # noqa: BLE001 - one span that cannot be encoded: found as one that is refused
            answer = None
        else:
            answer = self._attempts(body)
        if answer is not None and answer.is_sent:
            return
        if (answer is None or answer.is_refused) and len(batch) > 1:
            # One bad span has the whole request refused: find it, and send the others.
            middle = len(batch) // 2
            self._send(batch[:middle])
            self._send(batch[middle:])
            return
        traces = {id(sendable.parcel) for sendable in batch}
        if answer is None or answer.is_refused:
            self._give_up(
                len(traces), "trace_refused", "an observation that it cannot take" if answer is None else answer.why
            )
        else:
            self._give_up(len(traces), "trace_undelivered", answer.why)

    def _attempts(self, body: bytes) -> Answer:
        pause = 1.0
        for attempt in itertools.count(1):
            answer = self._door.post_spans(body)
            if answer.is_sent or answer.is_final or attempt == MAX_ATTEMPTS or self._is_closing:
                return answer
            complaints.warn(f"LangFuse takes no traces ({answer.why}); they wait, and the agent is not affected")
            self._pause(max(pause, min(answer.retry_after, MAX_PAUSE * 2)), interruptible=False)
            pause = min(pause * 2, MAX_PAUSE)
        raise AssertionError("unreachable")

    def _send_scores(self) -> None:
        """Each once; what is not taken waits, and keeps no trace waiting."""
        for _ in range(len(self._scores)):
            waiting = self._scores[0]
            if waiting.seconds_to_wait() > 0 and not self._is_closing:
                return
            answer = self._door.post_score(self._spans.score(waiting.score))
            self._scores.popleft()
            if answer.is_sent:
                continue
            waiting.attempts += 1
            if answer.is_final or waiting.attempts == MAX_ATTEMPTS or self._is_closing:
                self._count("score")
                complaints.warn(f"a score could not be sent to LangFuse ({answer.why})")
                continue
            waiting.due = time.monotonic() + min(2.0**waiting.attempts, MAX_PAUSE)
            self._scores.append(waiting)
            return

    def _pause(self, seconds: float, *, interruptible: bool = True) -> None:
        # Closing interrupts every pause, a flush the one for company only: a server that is away needs its rest.
        until = time.monotonic() + seconds
        while not self._is_closing and not (interruptible and self._flushing):
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.05))

    def _new_outbox(self) -> Outbox:
        return Outbox(self._overflow, self._max_bytes)

    def _overflow(self, _: Parcel) -> None:
        self._count("trace_overflow")
        complaints.warn("traces had to go: LangFuse takes fewer than there are, or none")

    def _give_up(self, traces: int, reason: str, why: str) -> None:
        for _ in range(traces):
            self._count(reason)
        complaints.warn(f"{traces} traces could not be sent to LangFuse ({why}); the agent is not affected")

    def _count(self, reason: str) -> None:
        self._outbox.lose()
        (self._metrics or default_metrics()).dropped.labels(reason).inc()


def _sample_rate() -> float:
    text = os.environ.get("LANGFUSE_SAMPLE_RATE", "")
    try:
        return float(text or 1.0)
    except ValueError:
        raise ValueError(f"LANGFUSE_SAMPLE_RATE is {text!r}: write a share between 0 and 1") from None

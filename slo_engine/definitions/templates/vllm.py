"""vLLM's own metrics. Names and labels: ``vllm/v1/metrics/loggers.py``; buckets: ``vllm/v1/metrics/buckets.py``.

What vLLM cannot tell: it counts a request when the engine ends it. One that was refused before (a prompt that is too
long, say) or whose engine died is in no metric; nor, up to at least 0.13, is one whose client went
away (vllm-project/vllm#31503, #55634).
"""

from __future__ import annotations

from pydantic import Field

from slo_engine.definitions.kinds import EventsSli
from slo_engine.definitions.promql import Matcher
from slo_engine.definitions.templates.template import LatencyParameters, Parameters, Template, within

PAGE = "https://docs.vllm.ai/en/latest/usage/metrics/"

REQUEST_BUCKETS = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0),
    *(1920.0, 7680.0),
)
FIRST_TOKEN_BUCKETS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0),
    *(160.0, 640.0, 2560.0),
)
TOKEN_BUCKETS = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0),
)

NOT_TOLD = {
    "vllm/availability": "vLLM does not count the requests that it refuses: measure at the caller or a proxy, or take "
    "vllm/completion for those that its engine took"
}

_BY = ("model_name", "engine")
_ENDED_BADLY = "abort|error|repetition"
_CUT_OFF = "length"


class CompletionParameters(Parameters):
    """``vllm/completion``"""

    length_is_bad: bool = Field(
        default=False, strict=True, description="an answer cut off by max_tokens or the model's length is bad too"
    )


def _completion(parameters: CompletionParameters) -> EventsSli:
    bad = f"{_ENDED_BADLY}|{_CUT_OFF}" if parameters.length_is_bad else _ENDED_BADLY
    metric = "vllm:request_success_total"  # of all requests that ended, for all its name says
    return EventsSli(parameters.select(metric), parameters.select(metric, Matcher("finished_reason", "=~", bad)))


TEMPLATES = (
    Template(
        "vllm/completion",
        "Requests that the engine ended; bad: by an internal error, in a loop, or aborted.",
        CompletionParameters,
        _completion,
        _BY,
        PAGE,
    ),
    Template(
        "vllm/latency",
        "Requests that the engine ended; good: within the threshold, from their arrival to the last token.",
        LatencyParameters,
        within("vllm:e2e_request_latency_seconds", REQUEST_BUCKETS),
        _BY,
        PAGE,
    ),
    Template(
        "vllm/queue-time",
        "Requests that the engine ended; good: waited no longer than the threshold.",
        LatencyParameters,
        within("vllm:request_queue_time_seconds", REQUEST_BUCKETS),
        _BY,
        PAGE,
    ),
    Template(
        "vllm/time-to-first-token",
        "Requests that were answered; good: the first token came within the threshold.",
        LatencyParameters,
        within("vllm:time_to_first_token_seconds", FIRST_TOKEN_BUCKETS),
        _BY,
        PAGE,
    ),
    Template(
        "vllm/inter-token-latency",
        "Outputs after the first token; good: came within the threshold after the one before. From vLLM 0.11 on.",
        LatencyParameters,
        within("vllm:inter_token_latency_seconds", TOKEN_BUCKETS),
        _BY,
        PAGE,
    ),
    Template(
        "vllm/time-per-output-token",
        "What vllm/inter-token-latency is from vLLM 0.11 on, by its older name (removed in 0.13).",
        LatencyParameters,
        within("vllm:time_per_output_token_seconds", TOKEN_BUCKETS),
        _BY,
        PAGE,
    ),
    Template(
        "vllm/request-time-per-output-token",
        "Requests that the engine ended; good: their tokens came within the threshold on average. From vLLM 0.11 on.",
        LatencyParameters,
        within("vllm:request_time_per_output_token_seconds", TOKEN_BUCKETS),
        _BY,
        PAGE,
    ),
)

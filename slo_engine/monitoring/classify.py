"""Which kind of failure an exception is, told from its type and its HTTP status, without any provider's SDK."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final


class ErrorCategory(StrEnum):
    """The values of the label ``error_category`` of ``agent_errors_total``."""

    TOOL_FAILURE = "tool_failure"
    LLM_ERROR = "llm_error"
    TIMEOUT = "timeout"
    RATE_LIMIT = "rate_limit"
    CONTEXT_LENGTH = "context_length"
    CONTENT_FILTER = "content_filter"
    AUTH = "auth"
    VALIDATION = "validation"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


class ToolError(Exception):
    """A tool that failed in a way its agent does not handle. Raise it, or let `AgentMonitor.tool` see yours."""


Rule = type[BaseException] | Callable[[BaseException], bool]

_TOOL_MARK: Final = "__slo_engine_tool__"
_MODEL_MARK: Final = "__slo_engine_model__"

# The packages whose exceptions are a model's failures where nothing more is known of them.
_PROVIDERS: Final = frozenset(
    {
        *("openai", "anthropic", "litellm", "google", "mistralai", "cohere", "groq", "together", "ollama"),
        *("botocore", "vertexai", "huggingface_hub", "replicate", "cerebras", "xai_sdk", "fireworks"),
    }
)

_BY_CLASS_NAME: Final[Mapping[str, ErrorCategory]] = {
    # The names under which the SDKs of OpenAI, Anthropic, LiteLLM, Google, httpx, requests and botocore know them.
    "ContextWindowExceededError": ErrorCategory.CONTEXT_LENGTH,
    "ContentPolicyViolationError": ErrorCategory.CONTENT_FILTER,
    "ContentFilterFinishReasonError": ErrorCategory.CONTENT_FILTER,
    "BlockedPromptException": ErrorCategory.CONTENT_FILTER,
    "StopCandidateException": ErrorCategory.CONTENT_FILTER,
    "LengthFinishReasonError": ErrorCategory.CONTEXT_LENGTH,
    "RateLimitError": ErrorCategory.RATE_LIMIT,
    "ResourceExhausted": ErrorCategory.RATE_LIMIT,
    "ThrottlingException": ErrorCategory.RATE_LIMIT,
    "TooManyRequests": ErrorCategory.RATE_LIMIT,
    "AuthenticationError": ErrorCategory.AUTH,
    "PermissionDeniedError": ErrorCategory.AUTH,
    "Unauthenticated": ErrorCategory.AUTH,
    "PermissionDenied": ErrorCategory.AUTH,
    "DeadlineExceeded": ErrorCategory.TIMEOUT,
    "ValidationError": ErrorCategory.VALIDATION,
    "JSONDecodeError": ErrorCategory.VALIDATION,
}

_BY_STATUS: Final[Mapping[int, ErrorCategory]] = {
    401: ErrorCategory.AUTH,
    403: ErrorCategory.AUTH,
    407: ErrorCategory.AUTH,
    408: ErrorCategory.TIMEOUT,
    413: ErrorCategory.CONTEXT_LENGTH,
    429: ErrorCategory.RATE_LIMIT,
    504: ErrorCategory.TIMEOUT,
}

_BY_CODE: Final = (
    # What providers write into `code`, `type` or the message of a 400.
    (
        re.compile(
            r"context_length_exceeded|string_above_max_length|maximum context length|context window|prompt is too long"
            r"|too many (?:input )?tokens|exceeds? the (?:maximum|max) (?:number of )?tokens|input is too long",
            re.IGNORECASE,
        ),
        ErrorCategory.CONTEXT_LENGTH,
    ),
    (
        re.compile(
            r"content[_ ]filter|content[_ ]policy|content management policy|responsible ?ai|safety (?:system|filter)"
            r"|blocked by .{0,20}safety|PROHIBITED_CONTENT",
            re.IGNORECASE,
        ),
        ErrorCategory.CONTENT_FILTER,
    ),
    (re.compile(r"insufficient_quota|rate_limit", re.IGNORECASE), ErrorCategory.RATE_LIMIT),
    (
        re.compile(r"API_KEY_INVALID|(?:invalid|incorrect) api[ _]key|api key not valid", re.IGNORECASE),
        ErrorCategory.AUTH,
    ),
)

_MESSAGE_READ = 2000
"""Characters of a message that are looked at: a provider may quote the whole prompt in it."""

_GROUP_READ: Final = 20

_rules: tuple[tuple[Rule, str], ...] = ()
_registration = threading.Lock()


def register_error_category(rule: Rule, category: str) -> None:
    """Let ``classify_error`` answer ``category`` for an exception type, or for what a function says yes to.

    The latest registration is asked first, and all of them before the built-in rules. ``category`` may be a name of
    your own: it becomes a value of the label ``error_category``.
    """
    global _rules
    with _registration:
        _rules = ((rule, category), *_rules)


def unregister_error_category(rule: Rule) -> None:
    """Take back what was registered for ``rule``."""
    global _rules
    with _registration:
        _rules = tuple(each for each in _rules if each[0] is not rule)


def registered_categories() -> tuple[str, ...]:
    """The categories that the registered rules may answer, and the built-in ones."""
    return tuple(dict.fromkeys([*ErrorCategory, *(category for _, category in _rules)]))


def classify_error(error: BaseException) -> str:
    """The category of an exception: an :class:`ErrorCategory`, or one of your own if you registered it.

    Looked at in this order: registered rules; cancellation; the tool it came out of; timeouts; the class names and
    HTTP statuses (``status_code``, ``status``, ``code``, ``response.status_code``) of the providers' SDKs; whether
    it came out of a model call; built-in types. Causes (``raise ... from``) are looked at where the exception itself
    says nothing. Never raises.
    """
    try:
        return _classified(error)
    except Exception:  # noqa: BLE001 - an exception may be made so that looking at it raises
        return ErrorCategory.INTERNAL


def _classified(error: BaseException) -> str:
    for rule, category in _rules:
        if _applies(rule, error):
            return category
    if isinstance(error, BaseExceptionGroup):  # of a TaskGroup: the first of them that says something
        each_says = [_classified(each) for each in error.exceptions[:_GROUP_READ]]
        return next((category for category in each_says if category != ErrorCategory.INTERNAL), ErrorCategory.INTERNAL)
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        found = _built_in(current)
        if found is not None:
            return found
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return ErrorCategory.INTERNAL


def is_cancelled(error: BaseException) -> bool:
    """Whether somebody has called it off: a cancelled task of asyncio, trio or anyio on either, or Ctrl-C; or a group
    of nothing else."""
    if isinstance(error, KeyboardInterrupt):
        return True
    if isinstance(error, BaseExceptionGroup):
        return all(is_cancelled(each) for each in error.exceptions[:_GROUP_READ])
    if type(error).__name__ == "Cancelled" and type(error).__module__.partition(".")[0] == "trio":
        return True
    # Asked without importing it, which would double the cost of this package: without asyncio nothing is cancelled.
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(error, asyncio.CancelledError)


def is_timeout(error: BaseException) -> bool:
    """Whether something took too long, wherever it came out of."""
    try:
        if isinstance(error, BaseExceptionGroup):
            return any(is_timeout(each) for each in error.exceptions[:_GROUP_READ])
        return (
            isinstance(error, TimeoutError)
            or _is_named_a_timeout(error)
            or _of_a_provider(error) == ErrorCategory.TIMEOUT
        )
    except Exception:  # noqa: BLE001 - see classify_error
        return False


def mark_as_tool_failure(error: BaseException, tool_name: str) -> None:
    """Remember on the exception which tool raised it, whatever becomes of it further up."""
    _mark(error, _TOOL_MARK, tool_name)


def mark_as_llm_failure(error: BaseException, model: str) -> None:
    """Remember on the exception which model's call raised it."""
    _mark(error, _MODEL_MARK, model)


def _mark(error: BaseException, name: str, value: str) -> None:
    # Not by setattr, which an exception may refuse. One without a __dict__ is classified by its type alone.
    about = getattr(error, "__dict__", None)
    if type(about) is dict:
        about[name] = value


def _marked(error: BaseException, name: str) -> bool:
    about = getattr(error, "__dict__", None)
    return type(about) is dict and name in about


def _applies(rule: Rule, error: BaseException) -> bool:
    if isinstance(rule, type):
        return isinstance(error, rule)
    try:
        return bool(rule(error))
    except Exception:  # noqa: BLE001 - a rule of the user's: if it breaks, the next one is asked
        return False


def _built_in(error: BaseException) -> ErrorCategory | None:
    if is_cancelled(error) or isinstance(error, SystemExit | GeneratorExit):
        return ErrorCategory.CANCELLED
    if isinstance(error, ToolError) or _marked(error, _TOOL_MARK):
        return ErrorCategory.TOOL_FAILURE
    if isinstance(error, TimeoutError) or _is_named_a_timeout(error):
        return ErrorCategory.TIMEOUT
    return _of_a_provider(error) or _of_a_built_in_type(error)


_TIMEOUT: Final = re.compile(r"(?:Timeout|TimedOut)(?:Error|Exception|Expired)?$")


def _is_named_a_timeout(error: BaseException) -> bool:
    """Whether a library calls it so: redis, playwright, psycopg, subprocess, ... have classes of their own."""
    return any(_TIMEOUT.search(kind.__name__) for kind in type(error).__mro__)


def _of_a_provider(error: BaseException) -> ErrorCategory | None:
    status = _http_status(error)
    from_provider = type(error).__module__.partition(".")[0] in _PROVIDERS or _marked(error, _MODEL_MARK)
    if status is not None or from_provider:
        told = (_attribute(error, name) for name in ("code", "type", "reason"))
        said = " ".join(each[:_MESSAGE_READ] for each in told if isinstance(each, str))
        said = f"{said} {_message(error)}"
        for pattern, category in _BY_CODE:
            # A provider quotes limits in the message of many an error; only a refused request is one of these.
            if (status is None or 400 <= status < 500) and status not in {401, 403} and pattern.search(said):
                return category
    for kind in type(error).__mro__:
        if kind.__name__ in _BY_CLASS_NAME:
            return _BY_CLASS_NAME[kind.__name__]
    if status is not None and status in _BY_STATUS:
        return _BY_STATUS[status]
    return ErrorCategory.LLM_ERROR if from_provider else None


def _of_a_built_in_type(error: BaseException) -> ErrorCategory | None:
    if isinstance(error, PermissionError):
        return ErrorCategory.AUTH
    if isinstance(error, ValueError | TypeError):
        return ErrorCategory.VALIDATION
    return None


def _http_status(error: BaseException) -> int | None:
    for name in ("status_code", "status", "http_status", "code"):
        value = _attribute(error, name)
        if isinstance(value, int) and 100 <= value < 600:
            return value
    response = _attribute(error, "response")
    value = _attribute(response, "status_code")
    return value if isinstance(value, int) and 100 <= value < 600 else None


def _attribute(owner: object, name: str) -> object:
    try:
        return getattr(owner, name, None)
    except Exception:  # noqa: BLE001 - a property of somebody else's class may raise anything
        return None


def _message(error: BaseException) -> str:
    try:
        return str(error)[:_MESSAGE_READ]
    except Exception:  # noqa: BLE001 - so may its __str__
        return ""

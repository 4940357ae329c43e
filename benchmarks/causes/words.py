"""What the made-up agents of the incidents call their tools, and what these say when they fail."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass


@dataclass(frozen=True)
class Message:
    """What a failing step says. ``mark``: the words of it that never vary, by which it is known again."""

    text: str
    mark: str

    def said(self, rng: random.Random) -> str:
        """As one run says it, with numbers and names of its own."""
        return self.text.format_map(_Parts(rng))


class _Parts:
    """The parts of a message that vary from run to run."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def __getitem__(self, name: str) -> str:
        rng = self._rng
        match name:
            case "n":
                return str(rng.randint(1, 99_999))
            case "few":
                return str(rng.randint(0, 7))
            case "seconds":
                return f"{rng.uniform(1, 40):.2f}"
            case "ms":
                return str(rng.randint(900, 31_000))
            case "uuid":
                return str(_uuid(rng))
            case "hex":
                return f"{rng.getrandbits(48):012x}"
            case "order":
                return f"A-{rng.randint(10_000, 99_999)}"
            case "ip":
                return f"10.{rng.randint(0, 9)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}:{rng.randint(1024, 65_535)}"
            case "money":
                return f"{rng.randint(1, 400)}.{rng.randint(0, 99):02d} EUR"
            case "time":
                return f"2026-11-27T{rng.randint(10, 14)}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}Z"
            case "word":
                return "".join(rng.choices(string.ascii_lowercase, k=rng.randint(5, 9)))
            case _:
                raise KeyError(name)


def _uuid(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _messages(*said: tuple[str, str]) -> tuple[Message, ...]:
    return tuple(Message(text, mark) for text, mark in said)


OF_TOOLS = _messages(
    ("TimeoutError: search index shard-{few} did not answer within {seconds} s", "did not answer within"),
    ("ToolError: answered 422: field 'amount_cents' must be an integer, got '{money}' (order {order})", "amount_cents"),
    ("ConnectError: [Errno 111] Connection refused ({ip})", "Connection refused"),
    ("HTTPStatusError: Server error '503 Service Unavailable' for url 'http://crm/c/{n}'", "503 Service Unavailable"),
    ("HTTPStatusError: Client error '403 Forbidden' for url 'https://docs/files/{hex}'", "403 Forbidden"),
    ("OperationalError: deadlock detected: process {n} waits for ShareLock on transaction {n}", "deadlock detected"),
    ("IntegrityError: duplicate key value violates unique constraint: Key (id)=({n}) exists", "violates unique"),
    ("JSONDecodeError: Expecting value: line 1 column {few} (char {n})", "Expecting value"),
    ("KeyError: 'shipping_address'", "shipping_address"),
    ("ValueError: row {n} has no customer", "has no customer"),
    ("ValidationError: 1 validation error for Quote: currency field required (request {uuid})", "currency field"),
    ("PermissionError: token of tenant {word} lacks scope tickets:write", "lacks scope"),
    ("ReadTimeout: the warehouse took longer than {ms} ms (query {hex})", "the warehouse took"),
    ("SSLCertVerificationError: certificate of {ip} has expired at {time}", "has expired at"),
    ("ToolError: quota of {n} calls is used up, next at {time}", "is used up"),
    ("FileNotFoundError: [Errno 2] No such file or directory: '/var/cache/{hex}/index.faiss'", "No such file"),
    ("ToolError: customer {n} is not in the CRM", "is not in the CRM"),
    ("RuntimeError: embedding has {n} dimensions, the collection another number", "the collection another"),
    ("MemoryError: sandbox {uuid} was killed after {seconds} s", "was killed after"),
    ("ToolError: calendar {uuid} is read-only since {time}", "is read-only since"),
)

OF_MODELS = _messages(
    ("RateLimitError: Error code: 429 - Rate limit reached, try again in {seconds}s (req_{hex})", "Rate limit reached"),
    ("BadRequestError: maximum context length is 128000 tokens, you requested {n}", "maximum context length"),
    ("InternalServerError: Error code: 500 - overloaded (req_{hex})", "overloaded"),
    ("APITimeoutError: Request timed out after {seconds} s", "Request timed out"),
    ("BadRequestError: Invalid schema for function 'lookup': True is not of type 'array'", "Invalid schema"),
    ("ContentFilterError: response {uuid} was filtered: category {word}", "was filtered"),
)

OF_AGENTS = _messages(
    ("RecursionError: gave up after {n} steps", "gave up after"),
    ("OutputParserError: no final answer in {n} characters", "no final answer"),
    ("AttributeError: 'NoneType' object has no attribute 'plan'", "has no attribute"),
)

CANCELLED = "CancelledError: "

AGENTS = ("support_agent", "billing_agent", "research_agent", "travel_agent", "triage_agent", "coding_agent")

TOOLS = (
    *("web_search", "crm_lookup", "refund_api", "kb_search", "order_status", "send_email", "run_sql", "read_file"),
    *("create_ticket", "price_quote", "calendar", "vector_store", "fetch_page", "translate", "ship_label"),
)

MODELS = ("gpt-5-mini", "claude-sonnet-4-5", "gpt-5", "gemini-2.5-flash", "claude-haiku-4-5", "mistral-large-3")
PROMPTS = ("checkout", "answer", "triage", "summary", "planner")
REGIONS = ("eu", "us", "apac", "latam")
TIERS = ("free", "gold", "enterprise")
CHANNELS = ("web", "api", "mobile", "slack")
LANGUAGES = ("en", "de", "fr", "es", "pt", "ja")

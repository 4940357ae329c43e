"""PromQL in SLO files: parsed when the file is loaded, changed on the syntax tree, never as text.

The parser (a Rust library) ends the whole process on deep nesting, and prints escapes wrongly with ``str()``. So
length and depth are checked first, and selectors are printed by :class:`Selector` itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import promql_parser

from slo_engine.errors import SloEngineError

MAX_LENGTH = 16 * 1024
"""Longest expression, in characters."""

MAX_DEPTH = 100
"""Deepest nesting of brackets; 600 end a process with a 512 KiB thread stack."""

MAX_OPERATORS = 500
"""Longest chain of operators: each one nests the tree, without a bracket."""

_NESTING = re.compile(
    r"""#[^\n]*|"(?:\\.|[^"\\])*+(?:"|\Z)|'(?:\\.|[^'\\])*+(?:'|\Z)|`[^`]*+(?:`|\Z)|[()\[\]{}]|[-+*/%^]|[<>=!]=?|\b(?:and|or|unless|atan2)\b""",
    re.IGNORECASE | re.DOTALL,
)
"""What nests the tree, and what only looks as if it did: comments and strings."""

_OPS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


class PromqlError(SloEngineError):
    """An expression that Prometheus would refuse, or that does not fit where it stands."""


@dataclass(frozen=True)
class Matcher:
    """One label matcher; ``value`` is the plain text, without PromQL's escapes."""

    name: str
    op: str
    value: str

    def __str__(self) -> str:
        return f"{self.name}{self.op}{quote(self.value)}"


@dataclass(frozen=True)
class Selector:
    """An instant vector selector as a value: a metric name and its matchers."""

    metric: str
    matchers: tuple[Matcher, ...] = ()

    def where(self, name: str, value: str, op: str = "=") -> Selector:
        """The same selector with one more matcher."""
        return Selector(self.metric, (*self.matchers, Matcher(name, op, value)))

    def with_suffix(self, suffix: str) -> Selector:
        """The same selector on ``metric + suffix``, as a histogram's ``_bucket`` or ``_count``."""
        return Selector(self.metric + suffix, self.matchers)

    def __str__(self) -> str:
        inside = ",".join(map(str, self.matchers))
        return f"{self.metric}{{{inside}}}" if inside else self.metric


@lru_cache(maxsize=1024)
def quote(text: str) -> str:
    """A PromQL string literal, in double quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def parse_expression(text: str) -> promql_parser.Expr:
    """Parse any expression. Raises PromqlError with the reason."""
    _refuse_what_kills_the_parser(text)
    try:
        return promql_parser.parse(text)
    except ValueError as error:
        reason = " ".join(str(error).split())  # it may quote lines of the text
        raise PromqlError(f"is not PromQL: {reason}") from None


def parse_alert_expression(text: str) -> str:
    """Check what a plain alert asks for, and return it without white space around it. Raises PromqlError."""
    tree = parse_expression(text)
    if isinstance(tree, promql_parser.MatrixSelector | promql_parser.SubqueryExpr | promql_parser.StringLiteral):
        raise PromqlError("must give one value a series, such as rate(errors_total[5m]) > 1: not a range, not a text")
    return text.strip()


def parse_selector(text: str) -> Selector:
    """Parse one counter selector, such as ``http_requests_total{job="agents"}``. Raises PromqlError otherwise."""
    tree = parse_expression(text)
    if not isinstance(tree, promql_parser.VectorSelector):
        raise PromqlError(
            'must be one plain selector such as http_requests_total{job="api"}: the rules add rates and windows'
        )
    return selector_of(tree)


def selector_of(tree: promql_parser.VectorSelector) -> Selector:
    """The selector at a node of a parsed expression. Raises PromqlError where the rules could not use it."""
    if tree.offset is not None or tree.at is not None:
        raise PromqlError("must not carry offset or @: the rules set the time")
    if tree.matchers.or_matchers:
        raise PromqlError('must not join matchers with "or", which is not PromQL: use =~ with alternatives')
    matchers = tuple(
        Matcher(matcher.name, _OPS[str(matcher.op).rpartition(".")[2]], matcher.value)
        for matcher in tree.matchers.matchers
    )
    named = next((m.value for m in matchers if m.name == "__name__" and m.op == "="), None)
    metric = tree.name or named
    if not metric or not metric.replace(":", "_").isidentifier() or not metric.isascii():
        raise PromqlError("must name one metric, in letters, digits, underscores and colons")
    if named:
        matchers = tuple(matcher for matcher in matchers if matcher.name != "__name__" or matcher.value != named)
    if any(matcher.name == "__name__" for matcher in matchers):
        raise PromqlError("must name its metric once: remove the other matchers of __name__")
    return Selector(metric, matchers)


def _refuse_what_kills_the_parser(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise PromqlError(f"is longer than {MAX_LENGTH:,} characters: record a part of it as a rule")
    if len(text) <= MAX_OPERATORS and sum(text.count(bracket) for bracket in "([{") <= MAX_DEPTH:
        return  # as almost all are: too short for the chain, with too few brackets to nest
    depth = deepest = operators = 0
    braces = False
    for part in _NESTING.findall(text):
        if part in "([{":
            depth += 1
            deepest = max(deepest, depth)
            braces = part == "{"
        elif part in ")]}":
            depth -= 1
            braces = False
        elif part[0] not in "#\"'`" and not braces:  # in braces stand matchers, which nest nothing
            operators += 1
    if deepest > MAX_DEPTH or operators > MAX_OPERATORS:
        raise PromqlError(
            f"is nested deeper than {MAX_DEPTH} levels or chains over {MAX_OPERATORS} operators: "
            "record a part of it as a rule"
        )

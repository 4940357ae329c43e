"""Templates in labels and annotations of alerts, checked as Prometheus checks them when it loads a rule file.

They are Go's ``text/template`` with Prometheus' functions. Prometheus parses each when it loads a file, and refuses the
whole file, with every alert in it, for one that does not parse. What only fails when an alert fires (a label compared
with a number, say) it lets pass, and so does this module: the text of the alert then says what failed.

The grammar is that of ``text/template/parse`` as of Go 1.19, with which Prometheus 2.42 is built. Later ones take
``{{ else with }}`` as well.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, NoReturn

from slo_engine.definitions.template_tokens import AlertTemplateError, Kind, Token, tokens

MAX_DEPTH = 50
"""Deepest nesting of blocks and brackets. Go takes more, and nobody writes it."""

VARIABLES = ("$", "$labels", "$externalLabels", "$externalURL", "$value")
"""What Prometheus declares before the text of the author."""

_OF_GO = """
    and call eq ge gt html index js le len lt ne not or print printf println slice urlquery
"""
# `now`, `toDuration` and `urlQueryEscape` came with late releases of Prometheus 3.
_OF_PROMETHEUS = """
    args externalURL first graphLink humanize humanize1024 humanizeDuration humanizePercentage humanizeTimestamp label
    match now parseDuration pathPrefix query reReplaceAll safeHtml sortByLabel stripDomain stripPort strvalue tableLink
    title toDuration toLower toTime toUpper urlQueryEscape value
"""
FUNCTIONS = frozenset([*_OF_GO.split(), *_OF_PROMETHEUS.split()])
"""Those of text/template/funcs.go, and of Prometheus' template/template.go."""

_INSTEAD = {
    "labels": "write $labels.name for a label",
    "externalLabels": "write $externalLabels.name for an external label",
    "tmpl": "it exists in console templates only; write {{ template }}",
    "default": "write {{ or $labels.name `none` }}",
    "join": "write {{ range }}",
    "upper": "write toUpper",
    "lower": "write toLower",
    "replace": "write reReplaceAll",
    "add": "do sums in the expression of the alert",
    "sub": "do sums in the expression of the alert",
    "mul": "do sums in the expression of the alert",
    "div": "do sums in the expression of the alert",
}
"""What to write for functions that other users of Go's templates have (Alertmanager, Helm), and for slips."""


def check_alert_template(text: str) -> None:
    """Raises AlertTemplateError for what makes Prometheus refuse the rule file."""
    if "{{" in text:
        _Parser(text).template()


_KEYWORDS = frozenset({"block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"})
_CONSTANTS = frozenset({"true", "false", "nil"})
_VALUES = frozenset({"number", "char", "string", "."})


class _Parser:
    """Reads a template to its end, or to its first mistake. What it finds in it does not matter."""

    def __init__(self, text: str) -> None:
        self._rest = tokens(text)
        self._ahead: list[Token] = []
        self._variables = list(VARIABLES)
        self._within_definition = False
        self._ranges = 0
        self._depth = 0
        self._defined: set[str] = set()

    def template(self) -> None:
        """All of it."""
        while self._peek().kind != "end of text":
            opened = self._peek()
            if opened.kind == "{{" and self._is_word(self._peek_in_action(), "define"):
                self._definition()
                continue
            self._item()

    # Blocks.

    def _items(self, opened: Token, keyword: str) -> tuple[Token, bool]:
        """Up to the ``end`` or ``else`` of a block: that word, and whether there was anything before it."""
        holds_something = False
        while self._peek().kind != "end of text":
            token = self._peek()
            if token.kind == "{{" and (word := self._peek_in_action()).text in ("end", "else") and word.kind == "word":
                self._next_in_action()
                self._next_in_action()
                return word, holds_something
            holds_something |= token.kind != "text" or bool(token.text.strip())
            self._item()
        raise AlertTemplateError(f"opens {{{{ {keyword} }}}} and never ends it: add {{{{ end }}}}", opened.at)

    def _item(self) -> None:
        token = self._next()
        if token.kind == "text":
            return
        if token.kind != "{{":  # behind an {{ else }} that takes no `if`
            self._unexpected(token)
        word = self._peek_in_action()
        control = self._CONTROLS.get(word.text) if word.kind == "word" else None
        if control is None:
            self._pipeline("command", "}}", token)
            return
        self._next_in_action()
        control(self, word)

    def _if(self, word: Token) -> None:
        """``if``, ``with`` and ``range``."""
        keyword = word.text
        with self._deeper(word):
            known = len(self._variables)
            self._pipeline(keyword, "}}", word)
            self._ranges += keyword == "range"
            ended, _ = self._items(word, keyword)
            self._ranges -= keyword == "range"
            while ended.text == "else":
                after = self._peek_in_action()
                if keyword == "if" and self._is_word(after, "if"):
                    self._next_in_action()
                    self._pipeline("if", "}}", after)
                    ended, _ = self._items(after, "if")
                    continue
                if after.text in ("if", "with") and after.kind == "word":
                    raise AlertTemplateError(
                        f"holds {{{{ else {after.text} }}}} in {{{{ {keyword} }}}}: write {{{{ else }}}}"
                        f"{{{{ {after.text} ... }}}}, and end both",
                        after.at,
                    )
                self._close(ended)
                ended, _ = self._items(word, keyword)
                if ended.text == "else":
                    raise AlertTemplateError(f"holds a second {{{{ else }}}} in {{{{ {keyword} }}}}", ended.at)
            self._close(ended)
            del self._variables[known:]

    def _definition(self) -> None:
        self._next()
        word = self._next_in_action()
        name = self._block_name(word)
        self._close(word)
        self._body(word, name)

    def _block(self, word: Token) -> None:
        name = self._block_name(word)
        self._pipeline("block", "}}", word)
        self._body(word, name)

    def _body(self, word: Token, name: str) -> None:
        """Of a definition: it sees none of the variables around it."""
        outside = self._variables, self._within_definition, self._ranges
        self._variables, self._within_definition, self._ranges = ["$"], True, 0
        with self._deeper(word):
            ended, holds_something = self._items(word, word.text)
        self._variables, self._within_definition, self._ranges = outside
        if ended.text == "else":
            raise AlertTemplateError(f"holds {{{{ else }}}} in {{{{ {word.text} }}}}, which takes none", ended.at)
        self._close(ended)
        if holds_something and (name in self._defined or name.startswith("__alert_")):
            raise AlertTemplateError(f"defines the template {name} a second time: take another name", word.at)
        if holds_something:
            self._defined.add(name)

    def _template(self, word: Token) -> None:
        self._block_name(word)
        if self._peek_in_action().kind == "}}":
            self._next_in_action()
        else:
            self._pipeline("template", "}}", word)

    def _jump(self, word: Token) -> None:
        """``break`` and ``continue``."""
        self._close(word)
        if not self._ranges:
            raise AlertTemplateError(f"holds {{{{ {word.text} }}}} outside {{{{ range }}}}: remove it", word.at)

    def _stray(self, word: Token) -> NoReturn:
        raise AlertTemplateError(
            f"holds {{{{ {word.text} }}}}, and no {{{{ if }}}}, {{{{ range }}}} or {{{{ with }}}} is open: remove it",
            word.at,
        )

    def _misplaced(self, word: Token) -> NoReturn:
        raise AlertTemplateError("holds {{ define }} within another block: put it at the beginning", word.at)

    _CONTROLS: ClassVar = {
        "if": _if,
        "with": _if,
        "range": _if,
        "block": _block,
        "template": _template,
        "break": _jump,
        "continue": _jump,
        "end": _stray,
        "else": _stray,
        "define": _misplaced,
    }

    def _block_name(self, word: Token) -> str:
        name = self._next_in_action()
        if name.kind != "string":
            raise AlertTemplateError(f"lacks the name behind {word.text}: write it in quotes", name.at)
        return name.text[1:-1]

    def _close(self, word: Token) -> None:
        token = self._next_in_action()
        if token.kind != "}}":
            raise AlertTemplateError(
                f"cannot have {self._shown(token)} behind {word.text}: close it with }}}} first", token.at
            )

    # Pipelines.

    def _pipeline(self, context: str, end: Kind, opened: Token) -> None:
        """Commands with | between them, and the variables that are set to what they give."""
        self._declarations(context)
        stage = 0
        while (token := self._next_in_action()).kind != end:
            stage += 1
            if stage > 1 and (token.kind in _VALUES or token.text in _CONSTANTS):
                raise AlertTemplateError(
                    f"passes a value on to {self._shown(token)}, which is no function: write a function behind |",
                    token.at,
                )
            self._ahead.append(token)
            self._command()
        if not stage:
            if context == "command":
                raise AlertTemplateError(
                    "holds an empty template {{ }}: write {{ $labels.agent_type }} or {{ $value }}, say", opened.at
                )
            raise AlertTemplateError(f"lacks a value for {opened.text}: write it before {end}", opened.at)

    def _declarations(self, context: str) -> None:
        count = 0
        while self._peek_in_action().kind == "variable":
            variable = self._next_in_action()
            after = self._next()
            sign = self._next_in_action() if after.kind == "space" else after
            if sign.kind in (":=", "="):
                self._variables.append(variable.text)
                return
            if sign.text != ",":
                self._ahead.append(sign)
                if after.kind == "space":
                    self._ahead.append(after)
                self._ahead.append(variable)
                return
            count += 1
            self._variables.append(variable.text)
            if context != "range" or count > 1:
                raise AlertTemplateError("declares several variables, which only range does: remove the comma", sign.at)
            after = self._peek_in_action()
            if after.kind not in ("variable", "}}", ")"):
                raise AlertTemplateError("lacks a variable behind the comma: write {{ range $i, $x := ... }}", after.at)

    def _command(self) -> None:
        """A value, or a function and its arguments."""
        operands = 0
        while True:
            self._peek_in_action()
            operands += self._operand()
            token = self._next()
            if token.kind == "space":
                continue
            if token.kind in ("}}", ")"):
                self._ahead.append(token)
            elif token.kind != "|":
                self._unexpected(token)
            if not operands:
                raise AlertTemplateError("lacks a value before |", token.at)
            return

    def _operand(self) -> bool:
        """One value with the fields that are taken of it; False where none stands."""
        token = self._next_in_action()
        if token.kind == "(":
            with self._deeper(token):
                self._pipeline("brackets", ")", token)
        elif token.kind == "word":
            self._word(token)
        elif token.kind == "variable":
            self._variable(token)
        elif token.kind != "field" and token.kind not in _VALUES:
            self._ahead.append(token)
            return False
        constant = token.kind in _VALUES or token.text in _CONSTANTS
        while (following := self._peek()).kind == "field":
            if constant:
                raise AlertTemplateError(
                    f"takes {following.text} of {token.text}, which has no fields: put a space between the two",
                    following.at,
                )
            self._next()
        return True

    def _word(self, token: Token) -> None:
        name = token.text
        if name in FUNCTIONS or name in _CONSTANTS:
            return
        if name in _KEYWORDS:
            self._unexpected(token)
        close = difflib.get_close_matches(name, sorted(FUNCTIONS), n=1, cutoff=0.7)
        advice = _INSTEAD.get(name) or (f"did you mean {close[0]}?" if close else "put text in quotes, or remove it")
        raise AlertTemplateError(f"calls {name}, which is no function of Prometheus' templates: {advice}", token.at)

    def _variable(self, token: Token) -> None:
        if token.text in self._variables:
            return
        if self._within_definition and token.text in VARIABLES:
            advice = f"a definition sees none from outside: hand it over with {{{{ template `name` {token.text} }}}}"
        else:
            there = list(dict.fromkeys(self._variables[1:]))
            close = difflib.get_close_matches(token.text, there, n=1)
            advice = f"did you mean {close[0]}?" if close else f"there are {', '.join(there) or '$'}"
        raise AlertTemplateError(f"uses {token.text}, which is not declared: {advice}", token.at)

    # Tokens.

    @contextmanager
    def _deeper(self, token: Token) -> Iterator[None]:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise AlertTemplateError(f"is nested deeper than {MAX_DEPTH} levels: write less in one template", token.at)
        yield
        self._depth -= 1

    def _next(self) -> Token:
        return self._ahead.pop() if self._ahead else next(self._rest)

    def _peek(self) -> Token:
        token = self._next()
        self._ahead.append(token)
        return token

    def _next_in_action(self) -> Token:
        """The next part that is not space."""
        token = self._next()
        while token.kind == "space":
            token = self._next()
        return token

    def _peek_in_action(self) -> Token:
        """The same, to be read again. At ``{{``: what stands behind it."""
        if self._ahead and self._ahead[-1].kind == "{{":
            opened = self._ahead.pop()
            found = self._peek_in_action()
            self._ahead.append(opened)
            return found
        token = self._next_in_action()
        self._ahead.append(token)
        return token

    @staticmethod
    def _is_word(token: Token, word: str) -> bool:
        return token.kind == "word" and token.text == word

    def _shown(self, token: Token) -> str:
        return "the end of the text" if token.kind == "end of text" else token.text.strip()

    def _unexpected(self, token: Token) -> NoReturn:
        advice = (
            ": comparisons are functions, as in {{ if gt $value 0.5 }}" if token.text in ("<", ">", "!", "=") else ""
        )
        if token.kind == "sign" and token.text in "+-*/%":
            advice = ": do sums in the expression of the alert"
        raise AlertTemplateError(f"cannot have {self._shown(token)} here{advice or ': remove it'}", token.at)

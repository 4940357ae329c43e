# ruff: noqa: RUF001
"""Texts in eleven languages with secrets whose place is known, to measure a scrubber with.

What is made depends on the seed alone. In a template, ``{phone}`` and the like become a made-up secret, and what stands
in ``⟦⟧`` must survive. The numbers carry true check digits (the bank's own ones inside an IBAN are left out).

``python -m tests.scrub.languages [--seed N] [--json] [--misses]`` prints how the scrubber does.
"""

import argparse
import json
import re
import string
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random

from slo_engine.scrub import Scrubber
from tests.scrub.language_tables import TABLES, Table
from tests.scrub.national_numbers import NUMBERS, National, iban, luhn, valid_somewhere

SEED = 20261128
# How many texts of each kind a language has; "number" is for all its national numbers together.
SHARES = {
    "email": 18, "phone": 36, "card": 18, "iban": 14, "ip": 16, "url": 8, "key": 24, "password": 38, "number": 40,
}  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """One text, what must disappear from it, and what must stay."""

    text: str
    entities: tuple[tuple[str, str], ...]
    keeps: tuple[str, ...]


@dataclass(frozen=True)
class Score:
    """What a scrubber did to the texts of one language."""

    entities: int
    found: int
    missed: tuple[tuple[str, str, str], ...]  # kind, secret, text
    harmed: tuple[tuple[str, str], ...]  # what ought to have stayed, and the output
    by_kind: dict[str, tuple[int, int]] = field(default_factory=dict)  # found, of how many

    @property
    def recall(self) -> float:
        """The share of the secrets that are gone."""
        return self.found / self.entities

    @property
    def precision(self) -> float:
        """The share of what was taken that ought to be."""
        return self.found / max(self.found + len(self.harmed), 1)


def samples(code: str, seed: int = SEED) -> Iterator[Sample]:
    """The texts of a language: those with secrets of each kind, those with several, and those with look-alikes only."""
    return _Writer(TABLES[code], Random(f"{code}{seed}")).all()


def score(code: str, scrub: Callable[[str], str], seed: int = SEED) -> Score:
    """How a scrubber does on the texts of a language."""
    missed, harmed = [], []
    total: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for sample in samples(code, seed):
        output = scrub(sample.text)
        harmed += [(keep, output) for keep in sample.keeps if keep not in output]
        rest = output
        for keep in sample.keeps:
            rest = rest.replace(keep, "\n")
        for kind, secret in sample.entities:
            total[kind] += 1
            if gone(kind, secret, rest):
                found[kind] += 1
            else:
                missed.append((kind, secret, sample.text))
    by_kind = {kind: (found[kind], total[kind]) for kind in sorted(total)}
    return Score(total.total(), found.total(), tuple(missed), tuple(harmed), by_kind)


def gone(kind: str, secret: str, output: str) -> bool:
    """Whether nothing that tells the secret is left: not the whole, nor five of its digits in a row, nor a long piece.

    Of a password only the whole counts; of an e-mail address, also what stands before the ``@``.
    """
    secret, output = _plain(secret), _plain(output)
    if secret in output:
        return False
    if kind in ("password", "url"):
        return True
    if kind == "email":
        return secret.partition("@")[0] not in output
    if kind == "key":
        return not any(piece in output for piece in _windows(secret, 12))
    joined = re.sub(r"(?<=[0-9a-z])[\s().,/:・-]{1,3}(?=[0-9a-z])", "", output.lower())
    digits = re.sub(r"\D", "", secret)
    signs = re.sub(r"[^0-9a-z]", "", secret.lower())
    pieces = {*_windows(digits, 5), *_windows(signs, 8)}
    return not any(piece in joined for piece in pieces)


def _windows(text: str, size: int) -> Iterable[str]:
    return (text[at : at + size] for at in range(len(text) - size + 1))


def _plain(text: str) -> str:
    return re.sub("[‐‑–−ー]", "-", unicodedata.normalize("NFKC", text))


def _wide(rng: Random, text: str) -> str:
    """The text in full-width signs, as Japanese and Chinese input methods write them."""
    hyphen = rng.choice("−－")
    return "".join(hyphen if c == "-" else "\u3000" if c == " " else chr(ord(c) + 0xFEE0) for c in text)


_ALNUM = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"


def _of(rng: Random, alphabet: str, size: int) -> str:
    return "".join(rng.choice(alphabet) for _ in range(size))


def _pattern(rng: Random, pattern: str) -> str:
    """``#`` is any digit and ``N`` one from 2 to 9; all else is itself."""
    return "".join(rng.choice({"#": string.digits, "N": "23456789"}.get(c, c)) for c in pattern)


# Keys that are known by their form, and keys that only the word before them tells: prefix, alphabet, length.
_KEYS = (
    ("sk-proj-", _ALNUM, 48), ("sk-ant-api03-", _ALNUM + "-_", 60), ("ghp_", _ALNUM, 36), ("github_pat_", _ALNUM, 60),
    ("xoxb-", string.digits, 12), ("AKIA", string.ascii_uppercase + "234567", 16), ("AIza", _ALNUM, 35),
    ("glpat-", _ALNUM, 20), ("hf_", _ALNUM, 34), ("sk_live_", _ALNUM, 24), ("npm_", _ALNUM, 36), ("sk-lf-", _HEX, 32),
    ("whsec_", _ALNUM, 32), ("dop_v1_", _HEX, 64), ("eyJhbGciOiJIUzI1NiJ9.eyJ", _ALNUM, 40), ("SG.", _ALNUM, 22),
)  # fmt: skip
_NAMED_KEYS = (("", _HEX, 32), ("", _ALNUM, 40), ("", _ALNUM + "-_", 28), ("", _HEX, 64))

# Frames around a named secret ({w} is a word of the language, {k} a field's name, {v} the secret).
_FRAMES = (
    '{"{k}": "{v}", "order_id": "⟦{order}⟧", "trace_id": "⟦{uuid}⟧"}',
    '{"tool": "crm.lookup", "result": {"{w}": "{v}", "updated_at": "⟦{stamp}⟧"}}',
    "⟦{stamp} INFO⟧ profile updated {k}={v} ⟦request_id={uuid}⟧",
    "⟦{stamp} WARN crm.sync: retry 3/5⟧ {k}: {v}",
    "{w}\t{v}\t⟦{order}⟧",
    "| {w} | {v} |\n| # | ⟦{order}⟧ |",
    "{w}: {v}\n# ⟦{order}⟧\n⟦v{version}⟧",
    "{'{k}': '{v}', 'model': '⟦{model}⟧', '⟦total_tokens': 1843⟧}",
    '"{\\"{k}\\": \\"{v}\\", \\"count\\": 2}"',
    "- **{w}**: {v}\n- **Version**: ⟦{version}⟧",
    "<{k}>{v}</{k}>",
    "{k}={v}&page=2",
)
_FIELDS = {
    "email": ("email", "user_email", "contact"), "phone": ("phone", "phone_number", "mobile"),
    "card": ("card_number", "pan", "cardNumber"), "iban": ("iban", "IBAN", "bank_account"),
    "ip": ("client_ip", "remote_addr", "ip"), "key": ("api_key", "access_token", "apiKey", "client_secret"),
    "password": ("password", "passwd", "pwd", "db_password"),
}  # fmt: skip
_UNNAMED = {
    "key": ("Authorization: Bearer {v}", "curl -H 'X-API-Key: {v}' https://api.example.com/v1/runs", "Bearer {v}"),
    "ip": ('⟦{stamp}⟧ {v} - - "GET /health HTTP/1.1" 200 ⟦{order}⟧', "connection refused: {v}:8443 (⟦{version}⟧)"),
}
_URLS = (
    "postgresql://app:{v}@db.internal:5432/shop", "https://admin:{v}@grafana.example.com/d/slo",
    "redis://:{v}@cache-1:6379/0", "mongodb+srv://svc:{v}@cluster0.example.net/?retryWrites=true",
    "amqp://guest:{v}@mq.example.org//", "https://api.example.com/v1/me?access_token={v}&page=2",
    "https://shop.example.com/hook?id=7&api_key={v}", "ftp://backup:{v}@files.example.com/export.csv",
)  # fmt: skip

# What users paste, whatever they speak.
_PASTED = (
    "{pem}", "Authorization: Basic {basic}", "{webhook}", "Cookie: sessionid={basic}; lang=en",
    "⟦{stamp} DEBUG⟧ POST https://api.telegram.org/bot{telegram}/sendMessage",
)  # fmt: skip
# Look-alikes that are the same in all languages.
_KEPT = (
    "⟦Version 1.2.3.4⟧", "⟦v{version}⟧", "⟦Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0.0.0 Safari/537.36⟧",
    '⟦{"model": "{model}", "usage": {"prompt_tokens": 1834, "completion_tokens": 212, "total_tokens": 2046}}⟧',
    "⟦model={model} tokens: 512 latency_ms=1843⟧", "⟦max_tokens=4096 temperature=0.7⟧", "⟦trace_id={hex32}⟧",
    "⟦commit {hex40}⟧", "⟦image: nginx@sha256:{hex64}⟧", "⟦{uuid}⟧", "⟦{stamp}⟧",
    '⟦{"ts": 17327{digits8}, "ok": true}⟧',
    "⟦npm install @angular/core@17.3.2 lodash@4.17.21⟧", "⟦logo@2x.png⟧", "⟦std::vector<int>::push_back⟧",
    "⟦password_min_length: 12⟧", '⟦{"password_required": true, "password": null}⟧', "⟦a::before { color: #ff0000 }⟧",
    "⟦def reset_password(user_id: int) -> None:⟧", "⟦validate_token(request) raised KeyError⟧",
    "⟦1Z{digits8}03{digits8}⟧",
    "⟦https://docs.example.com/v2/passwords/reset?lang=en#step-3⟧", "⟦ISBN {isbn}⟧",
    "⟦210 x 297 mm, 220-240 V, 3.5 kg⟧",
    "⟦CVE-2024-{digits5}, INC00{digits5}, RFC 9110⟧", "⟦Windows 10.0.19045.3693⟧", "⟦10:42:07 - 11:15:33⟧",
    "⟦SKU 4006381333931⟧", "⟦302-{digits7}-{digits7}⟧", "⟦kernel 5.15.0-91-generic #101~20.04.1⟧", "⟦1,234,567.89⟧",
    '⟦{"temperature": 0.2, "top_p": 0.95, "seed": 20241128}⟧', "⟦token_count: 20481, cost_usd: 0.004215⟧",
)  # fmt: skip


class _Writer:
    """Writes the texts of one language."""

    def __init__(self, table: Table, rng: Random) -> None:
        self.table = table
        self.rng = rng
        self.numbers = [NUMBERS[name] for name in table.numbers]

    def all(self) -> Iterator[Sample]:
        for kind, count in SHARES.items():
            for turn in range(count):
                yield self.one(kind, turn)
        for template in (*self.table.mixed, *_PASTED):
            yield self.filled(template)
        lookalikes = [*self.table.kept, *self.table.kept_numbers * 3]
        for template in lookalikes:
            yield self.filled(template)
        for template in _KEPT:
            carrier = self.rng.choice(("{}", "{}", *self.table.carriers))
            yield self.filled(carrier.replace("{}", template))

    def one(self, kind: str, turn: int) -> Sample:
        """A text with a secret of a kind: in turn a sentence of its own, named in a sentence, and in a frame."""
        table, rng = self.table, self.rng
        if kind == "number":
            return self.national(self.numbers[turn % len(self.numbers)], turn // len(self.numbers))
        said = table.said[kind]
        if kind == "url" or turn % 3 == 0:
            return self.filled(said[turn // 3 % len(said)] if kind != "url" else said[turn % len(said)])
        named = self.secret("named_key" if kind == "key" and rng.random() < 0.4 else kind)
        if turn % 3 == 1:
            return self.named(table.words[kind], named)
        if kind in _UNNAMED and rng.random() < 0.4:
            return self.filled(rng.choice(_UNNAMED[kind]), named)
        return self.framed(table.words[kind], _FIELDS[kind], named)

    def national(self, number: National, turn: int) -> Sample:
        bare = number.telling and turn % 4 == 3
        secret = self.secret(number.kind, bare=bare)
        words = self.table.numbers[number.kind]
        if bare:
            return self.filled(self.rng.choice(self.table.bare), secret)
        if turn % 2:
            return self.framed(words, words, secret)
        return self.named(words, secret)

    def named(self, words: tuple[str, ...], secret: tuple[str, str, str]) -> Sample:
        """``Passwort: ...``, ``Passwort ist ...``, in a sentence. What could be a word follows a colon only."""
        rng = self.rng
        plain = secret[0] == "password" and not re.search(r"\d", secret[2])
        copula = rng.choice([each for each in self.table.copulas if not plain or re.search("[:=：＝]", each)])
        carrier = rng.choice(self.table.carriers)
        return self.filled(carrier.replace("{}", copula.replace("{w}", rng.choice(words))), secret)

    def framed(self, words: tuple[str, ...], fields: tuple[str, ...], secret: tuple[str, str, str]) -> Sample:
        frame = self.rng.choice(_FRAMES)
        frame = frame.replace("{w}", self.rng.choice(words)).replace("{k}", self.rng.choice(fields))
        return self.filled(frame, secret)

    def filled(self, template: str, secret: tuple[str, str, str] | None = None) -> Sample:
        entities: list[tuple[str, str]] = []

        def fill(slot: re.Match[str]) -> str:
            name = slot[1]
            if name in _FILLERS:
                return _FILLERS[name](self.rng)
            if name == "wrong_number":
                return self.wrong_number()
            assert name != "v" or secret is not None, template
            kind, written, inner = secret if name == "v" and secret is not None else self.secret(name)
            entities.append((kind, inner))
            return written

        text = re.sub(r"\{([a-z]\w*)\}", fill, template)
        keeps = tuple(re.findall("⟦(.*?)⟧", text, re.DOTALL))
        return Sample(re.sub("[⟦⟧]", "", text), tuple(entities), keeps)

    def wrong_number(self) -> str:
        """A national number of the language with a check digit that no country's algorithm accepts."""
        checked = [each for each in self.numbers if each.checked]
        while True:
            text = self.rng.choice(checked).make(self.rng)
            last = self.rng.choice(string.digits if text[-1].isdigit() else string.ascii_uppercase)
            text = text[:-1] + last
            if not text.startswith("0") and not valid_somewhere(text) and not luhn(text):
                return text

    def secret(self, name: str, *, bare: bool = False) -> tuple[str, str, str]:
        """A made-up secret: its kind, as it is written, and the part that must disappear.

        A number without a word beside it is in the first of its shapes, which tells what it is.
        """
        if name in NUMBERS:
            number = NUMBERS[name]
            text = _shaped(number.make(self.rng), number.shapes[0] if bare else self.rng.choice(number.shapes))
            return self._maybe_wide(name, text)
        if name in ("pem", "basic", "webhook", "telegram"):
            return self.pasted(name)
        made = getattr(self, f"_{name}")()
        if name in ("email", "phone", "card"):
            return self._maybe_wide(name, made)
        if name == "url":
            password = _of(self.rng, _ALNUM, 14)
            return "url", made.replace("{v}", password), password
        kind = {"named_key": "key", "pin": "password", "strong": "password"}.get(name, name)
        return kind, made, made

    def pasted(self, name: str) -> tuple[str, str, str]:
        """A key in what it is pasted with."""
        rng = self.rng
        if name == "pem":
            lines = "\n".join(_of(rng, _ALNUM + "+/", 64) for _ in range(4))
            return "key", f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----", lines
        if name == "webhook":
            key = _of(rng, _ALNUM, 24)
            team, channel = (_of(rng, string.ascii_uppercase + string.digits, 9) for _ in range(2))
            return "key", f"https://hooks.slack.com/services/T{team}/B{channel}/{key}", key
        key = _of(rng, _ALNUM, 35)
        key = f"{key}=" if name == "basic" else f"{_pattern(rng, 'N########')}:AA{key[:33]}"
        return "key", key, key

    def _maybe_wide(self, kind: str, text: str) -> tuple[str, str, str]:
        if self.table.wide and self.rng.random() < 0.2:
            text = _wide(self.rng, text)
        return kind, text, text

    def _email(self) -> str:
        rng = self.rng
        first, last = rng.choice(self.table.people).split()
        mark = rng.choice(("", str(rng.randint(60, 99)), "+shop", "_" + last[0]))
        local = rng.choice((f"{first}.{last}{mark}", f"{first[0]}.{last}{mark}", f"{last}{rng.randint(1, 999)}"))
        return f"{local}@{rng.choice(self.table.domains)}"

    def _phone(self) -> str:
        return _pattern(self.rng, self.rng.choice(self.table.phones))

    def _card(self) -> str:
        rng = self.rng
        prefix, size, shapes = rng.choice(
            (
                ("4", 16, ("#### #### #### ####", "####-####-####-####", "#" * 16)),
                (f"5{rng.randint(1, 5)}", 16, ("#### #### #### ####", "#" * 16)),
                ("2221", 16, ("#### #### #### ####", "#" * 16)),
                ("37", 15, ("#### ###### #####", "#" * 15)),
                (self.table.local_card, 16, ("#### #### #### ####", "####-####-####-####", "#" * 16)),
            )
        )
        body = prefix + _of(rng, string.digits, size - len(prefix) - 1)
        return _shaped(next(body + d for d in string.digits if luhn(body + d)), rng.choice(shapes))

    def _iban(self) -> str:
        number = iban(self.rng, self.rng.choice(self.table.ibans))
        if self.rng.random() < 0.4:
            return number
        return " ".join(number[at : at + 4] for at in range(0, len(number), 4))

    def _ip(self) -> str:
        rng = self.rng
        if rng.random() < 0.65:
            head = rng.choice([n for n in range(11, 223) if n != 127])
            return f"{head}.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"
        group = [f"{rng.randint(4096, 65535):x}" for _ in range(6)]
        return rng.choice(
            (f"2001:db8:{':'.join(group)}", f"2a02:{group[0]}:{group[1]}::{group[2]}", f"fd00::{group[3]}")
        )

    def _url(self) -> str:
        return self.rng.choice(_URLS)

    def _key(self) -> str:
        prefix, alphabet, size = self.rng.choice(_KEYS)
        body = _of(self.rng, alphabet, size)
        tail = {"eyJhbGciOiJIUzI1NiJ9.eyJ": f".{_of(self.rng, _ALNUM, 43)}", "SG.": f".{_of(self.rng, _ALNUM, 43)}"}
        if prefix == "xoxb-":
            return f"xoxb-{body}-{_of(self.rng, string.digits, 12)}-{_of(self.rng, _ALNUM, 24)}"
        # A last sign that is a letter or digit: a sentence's hyphen is not the key's.
        last = self.rng.choice([sign for sign in alphabet if sign.isalnum()])
        return prefix + body[:-1] + last + tail.get(prefix, "")

    def _named_key(self) -> str:
        prefix, alphabet, size = self.rng.choice(_NAMED_KEYS)
        return prefix + "7" + _of(self.rng, alphabet, size - 2) + "e"

    def _password(self) -> str:
        """A password as people choose them; a word alone is among them."""
        word = self.rng.choice(self.table.password_words)
        if self.rng.random() < 0.2:
            return word
        return self._strong()

    def _strong(self) -> str:
        """A password that no one takes for a word of the language."""
        rng = self.rng
        word = rng.choice(self.table.password_words)
        return rng.choice(
            (
                f"{word.capitalize()}{rng.randint(1960, 2025)}{rng.choice('!#$')}",
                f"{word}{rng.randint(10, 999)}",
                f"{word.replace('o', '0').replace('a', '@')}_{rng.randint(10, 99)}",
                f"{_of(rng, _ALNUM, 4)}{rng.choice('!#$%*+-?_')}{_of(rng, _ALNUM, 5)}{rng.randint(10, 99)}",
                f"{rng.randint(2, 9)}{_of(rng, _ALNUM, 11)}",
            )
        )

    def _pin(self) -> str:
        return _pattern(self.rng, self.rng.choice(("N###", "N#####")))


def _shaped(text: str, shape: str) -> str:
    """The signs of a text in the places of ``#``; what a shape has no place for follows at its end."""
    signs = iter(text)
    return "".join(next(signs) if c == "#" else c for c in shape) + "".join(signs)


def _isbn(rng: Random) -> str:
    body = "9783" + _of(rng, string.digits, 8)
    check = -sum(int(d) * (3 if at % 2 else 1) for at, d in enumerate(body)) % 10
    return _shaped(f"{body}{check}", "###-#-##-######-#")


def _no_card(rng: Random) -> str:
    while luhn(number := "4" + _of(rng, string.digits, 15)):
        pass
    return number


def _no_iban(rng: Random) -> str:
    number = iban(rng, "DE")
    return f"DE{(int(number[2:4]) + 1) % 100:02}{number[4:]}"


def _stamp(rng: Random) -> str:
    day = f"2025-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    return f"{day}T{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}.{rng.randint(0, 999):03}Z"


# What looks like a secret, and is none.
_FILLERS: dict[str, Callable[[Random], str]] = {
    "order": lambda rng: _pattern(
        rng, rng.choice(("N#######", "A-2025-N#####", "302-N######-N######", "RE2025/N####"))
    ),
    "uuid": lambda rng: _shaped(_of(rng, _HEX, 32), "########-####-####-####-############"),
    "stamp": _stamp,
    "version": lambda rng: rng.choice(
        (f"1.{rng.randint(0, 30)}.{rng.randint(0, 9)}", "2.14.0-rc.1+build.20241128", "3.11.7")
    ),
    "model": lambda rng: rng.choice(
        ("gpt-4o-2024-05-13", "claude-3-5-sonnet-20241022", "gemini-1.5-pro-002", "gpt-4.1-mini-2025-04-14")
    ),
    "isbn": _isbn,
    "no_card": _no_card,
    "no_iban": _no_iban,
    "hex32": lambda rng: _of(rng, _HEX, 32),
    "hex40": lambda rng: _of(rng, _HEX, 40),
    "hex64": lambda rng: _of(rng, _HEX, 64),
    "digits5": lambda rng: _pattern(rng, "N####"),
    "digits7": lambda rng: _pattern(rng, "N######"),
    "digits8": lambda rng: _pattern(rng, "N#######"),
}


def main() -> None:
    """Prints recall and precision for each language."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--seed", type=int, default=SEED)
    options.add_argument("--json", action="store_true", help="the table as JSON")
    options.add_argument("--misses", action="store_true", help="also each secret left, and each look-alike taken")
    options.add_argument("--language", choices=sorted(TABLES), help="this language only")
    asked = options.parse_args()
    scores = {code: score(code, Scrubber().scrub, asked.seed) for code in TABLES if asked.language in (None, code)}
    write = sys.stdout.write
    if asked.json:
        rows = {
            code: {
                "entities": each.entities, "recall": each.recall, "precision": each.precision, "kinds": each.by_kind,
                **({"missed": each.missed, "harmed": each.harmed} if asked.misses else {}),
            }
            for code, each in scores.items()
        }  # fmt: skip
        write(json.dumps(rows, ensure_ascii=False, indent=2) + "\n")
        return
    write(f"{'':4}{'texts':>7}{'entities':>10}{'recall':>9}{'harmed':>8}{'precision':>11}\n")
    for code, each in scores.items():
        texts = sum(1 for _ in samples(code, asked.seed))
        write(f"{code:4}{texts:7}{each.entities:10}{each.recall:9.3f}{len(each.harmed):8}{each.precision:11.3f}\n")
    if asked.misses:
        for code, each in scores.items():
            kinds = (f"{kind} {found}/{of}" for kind, (found, of) in each.by_kind.items() if found < of)
            write(f"\n{code}: {', '.join(kinds)}\n")
            for kind, secret, text in sorted(each.missed):
                write(f"  left {kind}: {secret}   in {text!r}\n")
            for keep, output in each.harmed:
                write(f"  harmed: {keep}   became {output!r}\n")


if __name__ == "__main__":
    main()

"""Texts as they flow through an agent's traces, with personal data and secrets at known positions.

Every value is drawn at run time from a seed: no key, card or account stands in the repository. Between them stand the
harmless numbers and names that look like them (trace ids, timestamps, order numbers, versions), which nobody may mask.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
import string
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

KINDS = ("email", "phone", "card", "iban", "ssn", "ip", "secret")


@dataclass(frozen=True)
class Entity:
    """What a scrubber must find: ``text[start:end]``."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class Document:
    """A text and all that is private in it."""

    text: str
    entities: tuple[Entity, ...]

    def value(self, entity: Entity) -> str:
        return self.text[entity.start : entity.end]


def documents(seed: int, count: int) -> list[Document]:
    """As many texts; every fifth holds nothing private. The same seed gives the same texts."""
    rng = Random(seed)
    bags = {style: (_bag(rng, fragments), _bag(rng, _harmless(fragments))) for style, fragments in STYLES.items()}
    styles = _bag(rng, tuple(STYLES))
    result = []
    for number in range(count):
        style = next(styles)
        mixed, harmless = bags[style]
        fragments = [next(harmless if number % 5 == 4 else mixed) for _ in range(rng.randint(2, 6))]
        result.append(_fill(rng, JOINERS[style].join(fragments)))
    return result


def _bag(rng: Random, items: tuple[str, ...]) -> Iterator[str]:
    """In random order, each as often as the others."""
    while True:
        yield from rng.sample(items, len(items))


def _harmless(fragments: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each for each in fragments if not any(slot in ENTITIES for slot in SLOT.findall(each)))


SLOT = re.compile(r"\[\[(\w+)\]\]")


def _fill(rng: Random, template: str) -> Document:
    text, entities, done = "", [], 0
    for slot in SLOT.finditer(template):
        text += template[done : slot.start()]
        done = slot.end()
        name = slot[1]
        if name in ENTITIES:
            kind, make = ENTITIES[name]
            value = make(rng)
            entities.append(Entity(len(text), len(text) + len(value), kind))
        else:
            value = NEGATIVES[name](rng)
        text += value
    return Document(text + template[done:], tuple(entities))


def _pattern(rng: Random, pattern: str) -> str:
    """``#`` is a digit, ``N`` one from 2 to 9; all else stands for itself."""
    return re.sub("[#N]", lambda place: rng.choice("23456789" if place[0] == "N" else string.digits), pattern)


def _chars(rng: Random, length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(rng.choices(alphabet, k=length))


def _hex(rng: Random, length: int) -> str:
    return f"{rng.getrandbits(4 * length):0{length}x}"


# --- E-mail ---------------------------------------------------------------------------------------------------------

FIRST = ("anna", "juergen", "maria", "li", "oluwaseun", "priya", "tom", "chloe", "mateo", "yuki", "fatima", "sven")
LAST = ("schmidt", "oconnor", "garcia", "wang", "adeyemi", "patel", "rossi", "dubois", "silva", "tanaka", "jones")
HOSTS = ("gmail.com", "outlook.com", "web.de", "proton.me", "yahoo.co.uk", "orange.fr", "icloud.com", "libero.it")
NAMES = ("acme", "northwind", "blue-harbor", "contoso", "q7labs", "muster-gmbh", "initech", "data4good", "kleinbau")
SUBDOMAINS = ("", "", "", "mail.", "eu.", "support.", "mx1.corp.")
TLDS = ("com", "org", "de", "io", "ai", "dev", "shop", "co.uk", "com.br", "technology", "berlin", "xyz", "museum", "ch")


def _email(rng: Random) -> str:
    first, last, number = rng.choice(FIRST), rng.choice(LAST), rng.randint(1, 2005)
    local = rng.choice(
        (
            f"{first}.{last}",
            f"{first[0]}.{last}{number}",
            f"{first}_{last}",
            f"{first}-{last}",
            f"{first}{number}",
            f"{first}.{last}+{rng.choice(('news', 'test1', 'invoices', 'agent'))}",
            f"{first}+{number}",
            f"{first.title()}.{last.title()}",
        )
    )
    own = f"{rng.choice(SUBDOMAINS)}{rng.choice(NAMES)}.{rng.choice(TLDS)}"
    return f"{local}@{rng.choice((rng.choice(HOSTS), own, own))}"


# --- Phone ----------------------------------------------------------------------------------------------------------

PHONES = {
    "US": (
        "(N##) N##-####",
        "N##-N##-####",
        "N##.N##.####",
        "+1 N##-N##-####",
        "+1 (N##) N##-####",
        "+1N##N######",
        "1-800-N##-####",
        "(N##) N##-#### ext. 4##",
        "+1 N## N## #### x###",
    ),
    "GB": (
        "+44 20 7### ####",
        "+447#########",
        "0044 7### ######",
        "+44 (0)20 7### ####",
        "020 7### ####",
        "07### ######",
    ),
    "DE": (
        "+49 30 N#######",
        "+49 (0)89 N#####",
        "+49171N######",
        "0049 171 N######",
        "030 N#######",
        "0171 N######",
        "089/N#######",
        "(040) N######",
        "+49 40 N#####-##",
    ),
    "FR": ("+33 6 ## ## ## ##", "+336########", "0033 6 ## ## ## ##", "06 ## ## ## ##", "01.N#.##.##.##"),
    "ES": ("+34 6## ### ###", "+34 91 N## ## ##", "0034 6## ### ###", "6## ## ## ##", "91 N## ## ##"),
    "IT": ("+39 06 N### ####", "+39 33# ### ####", "0039 33# #######", "06 N### ####", "33# N## ####"),
    "NL": ("+31 6 N#######", "+31 20 N## ####", "0031 6 N#######", "06-N#######", "020-N######"),
    "CH": ("+41 79 N## ## ##", "+4179N######", "0041 44 N## ## ##", "079 N## ## ##", "044 N## ## ##"),
    "IN": ("+91 9#### #####", "+91-9#########", "0091 9#### #####", "098### #####", "022 N### ####"),
    "JP": ("+81 90-N###-####", "+81-3-N###-####", "03-N###-####", "090-N###-####"),
    "AU": ("+61 4## ### ###", "+61 2 9### ####", "0061 4## ### ###", "04## ### ###", "(02) 9### ####"),
    "BR": ("+55 11 9####-####", "+55 (21) 9####-####", "0055 11 9####-####", "(11) 9####-####", "(21) 3###-####"),
}


def _phone(rng: Random) -> str:
    return _pattern(rng, rng.choice(PHONES[rng.choice(tuple(PHONES))]))


# --- Cards, accounts, social security -------------------------------------------------------------------------------

# Issuer's first digits, and how the digits are grouped on the card.
CARDS = (
    ("4", (4, 4, 4, 4)),
    ("4", (4, 4, 4, 4)),
    ("51", (4, 4, 4, 4)),
    ("55", (4, 4, 4, 4)),
    ("2223", (4, 4, 4, 4)),
    ("34", (4, 6, 5)),
    ("37", (4, 6, 5)),
    ("6011", (4, 4, 4, 4)),
    ("65", (4, 4, 4, 4)),
    ("3530", (4, 4, 4, 4)),
    ("36", (4, 6, 4)),
)


def _luhn_digit(digits: str) -> int:
    """What must follow these digits."""
    doubled = [int(each) * (2 - index % 2) for index, each in enumerate(reversed(digits))]
    return -sum(each - 9 if each > 9 else each for each in doubled) % 10


def _grouped(digits: str, groups: tuple[int, ...], separator: str) -> str:
    ends = [sum(groups[: index + 1]) for index in range(len(groups))]
    return separator.join(digits[end - size : end] for end, size in zip(ends, groups, strict=True))


def _card(rng: Random) -> str:
    prefix, groups = rng.choice(CARDS)
    digits = prefix + _chars(rng, sum(groups) - len(prefix) - 1, string.digits)
    return _grouped(f"{digits}{_luhn_digit(digits)}", groups, rng.choice(("", " ", "-")))


# The account in each country's registered structure: # a digit, A a letter. https://www.swift.com, IBAN registry.
IBANS = {
    "DE": "#" * 18,
    "FR": "#" * 23,
    "GB": "AAAA" + "#" * 14,
    "ES": "#" * 20,
    "IT": "A" + "#" * 22,
    "NL": "AAAA" + "#" * 10,
    "CH": "#" * 17,
    "AT": "#" * 16,
    "BE": "#" * 12,
    "PL": "#" * 24,
    "SE": "#" * 20,
    "IE": "AAAA" + "#" * 14,
    "PT": "#" * 21,
    "DK": "#" * 14,
}


def _iban(rng: Random) -> str:
    country = rng.choice(tuple(IBANS))
    pattern = IBANS[country]
    account = re.sub("[#A]", lambda at: rng.choice(string.digits if at[0] == "#" else string.ascii_uppercase), pattern)
    as_number = "".join(str(int(each, 36)) for each in f"{account}{country}00")
    plain = f"{country}{98 - int(as_number) % 97:02d}{account}"
    return " ".join(re.findall(".{1,4}", plain)) if rng.random() < 0.6 else plain


def _ssn_parts(rng: Random) -> tuple[str, str, str]:
    """Ranges that the Social Security Administration assigns: https://www.ssa.gov/employer/randomization.html"""
    area = rng.choice([each for each in range(1, 900) if each != 666])
    return f"{area:03d}", f"{rng.randint(1, 99):02d}", f"{rng.randint(1, 9999):04d}"


def _ssn(rng: Random) -> str:
    return "-".join(_ssn_parts(rng))


def _ssn_spaced(rng: Random) -> str:
    return " ".join(_ssn_parts(rng))


# --- Addresses ------------------------------------------------------------------------------------------------------


def _ipv4(rng: Random) -> str:
    while True:
        address = ipaddress.IPv4Address(rng.getrandbits(32))
        if address.is_global and not address.is_multicast:
            return str(address)


def _ipv6(rng: Random) -> str:
    groups = [rng.choice(("2001", "2a02", "2600", "2a00", "2400", "fe80"))] + [_hex(rng, 4) for _ in range(7)]
    zeros = rng.randint(0, 5)
    first = rng.randint(1, 7 - zeros)
    groups[first : first + zeros] = ["0"] * zeros
    address = ipaddress.IPv6Address(":".join(groups))
    text = address.exploded if rng.random() < 0.3 else address.compressed
    return text.upper() if rng.random() < 0.1 else text


# --- Secrets --------------------------------------------------------------------------------------------------------

BASE32 = string.ascii_uppercase + "234567"
URL_SAFE = string.ascii_letters + string.digits + "_-"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _jwt(rng: Random) -> str:
    header = {"alg": rng.choice(("HS256", "RS256", "ES256")), "typ": "JWT"}
    claims = {"sub": _chars(rng, 12), "iat": 1700000000 + rng.randrange(10**8), "scope": "agent:run"}
    parts = [_base64url(json.dumps(each, separators=(",", ":")).encode()) for each in (header, claims)]
    return ".".join([*parts, _base64url(rng.randbytes(rng.choice((32, 64, 256))))])


KEYS: dict[str, Callable[[Random], str]] = {
    "openai_legacy": lambda rng: f"sk-{_chars(rng, 20)}T3BlbkFJ{_chars(rng, 20)}",
    "openai": lambda rng: f"sk-proj-{_chars(rng, 74, URL_SAFE)}T3BlbkFJ{_chars(rng, 74, URL_SAFE)}",
    "anthropic": lambda rng: f"sk-ant-api03-{_chars(rng, 93, URL_SAFE)}AA",
    "langfuse": lambda rng: f"sk-lf-{_uuid(rng)}",
    "aws": lambda rng: f"AKIA{_chars(rng, 16, BASE32)}",
    "google": lambda rng: f"AIza{_chars(rng, 34, URL_SAFE)}{_chars(rng, 1)}",
    "github": lambda rng: f"{rng.choice(('ghp_', 'gho_', 'ghs_'))}{_chars(rng, 36)}",
    "github_pat": lambda rng: f"github_pat_{_chars(rng, 22)}_{_chars(rng, 59)}",
    "gitlab": lambda rng: f"glpat-{_chars(rng, 19, URL_SAFE)}{_chars(rng, 1)}",
    "slack": lambda rng: (
        f"{rng.choice(('xoxb', 'xoxp'))}-{_pattern(rng, 'N###########-N###########-')}{_chars(rng, 24)}"
    ),
    "stripe": lambda rng: f"{rng.choice(('sk_live_', 'rk_live_'))}{_chars(rng, rng.choice((24, 99)))}",
    "huggingface": lambda rng: f"hf_{_chars(rng, 34, string.ascii_letters)}",
    "groq": lambda rng: f"gsk_{_chars(rng, 52)}",
    "npm": lambda rng: f"npm_{_chars(rng, 36)}",
    "pypi": lambda rng: f"pypi-AgEIcHlwaS5vcmc{_chars(rng, 150, URL_SAFE)}{_chars(rng, 1)}",
    "sendgrid": lambda rng: f"SG.{_chars(rng, 22, URL_SAFE)}.{_chars(rng, 42, URL_SAFE)}{_chars(rng, 1)}",
    "jwt": _jwt,
}


def _key(rng: Random) -> str:
    return KEYS[rng.choice(tuple(KEYS))](rng)


def _bearer(rng: Random) -> str:
    return _jwt(rng) if rng.random() < 0.3 else _chars(rng, rng.choice((32, 40, 64)))


def _pem(rng: Random, newline: str = "\n") -> str:
    label = f"{rng.choice(('', 'RSA ', 'OPENSSH '))}PRIVATE KEY"
    body = base64.b64encode(rng.randbytes(rng.randint(600, 1200))).decode()
    return newline.join([f"-----BEGIN {label}-----", *re.findall(".{1,64}", body), f"-----END {label}-----"])


def _password(rng: Random) -> str:
    return _chars(rng, rng.randint(10, 20), string.ascii_letters + string.digits + "_-!.")


ENTITIES: dict[str, tuple[str, Callable[[Random], str]]] = {
    "email": ("email", _email),
    "phone": ("phone", _phone),
    "card": ("card", _card),
    "iban": ("iban", _iban),
    "ssn": ("ssn", _ssn),
    "ssn_spaced": ("ssn", _ssn_spaced),
    "ipv4": ("ip", _ipv4),
    "ipv6": ("ip", _ipv6),
    "key": ("secret", _key),
    "bearer": ("secret", _bearer),
    "pem": ("secret", _pem),
    "pem_in_json": ("secret", lambda rng: _pem(rng, "\\n")),
    "password": ("secret", _password),
    "aws_secret": ("secret", lambda rng: _chars(rng, 40, string.ascii_letters + string.digits + "+/")),
    **{name: ("secret", make) for name, make in KEYS.items()},
}


# --- Harmless, however it looks -------------------------------------------------------------------------------------


def _trace_id(rng: Random) -> str:
    return _hex(rng, 32)


def _span_id(rng: Random) -> str:
    while (result := _hex(rng, 16)).isdigit():
        pass
    return result


def _uuid(rng: Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _moment(rng: Random, formats: tuple[str, ...]) -> str:
    values = {
        "Y": f"{rng.randint(2019, 2027)}",
        "m": f"{rng.randint(1, 12):02d}",
        "d": f"{rng.randint(1, 28):02d}",
        "H": f"{rng.randint(0, 23):02d}",
        "M": f"{rng.randint(0, 59):02d}",
        "S": f"{rng.randint(0, 59):02d}",
        "f": f"{rng.randint(0, 999):03d}",
        "b": rng.choice(("Jan", "Mar", "May", "Aug", "Oct", "Dec")),
    }
    return re.sub(r"%(\w)", lambda part: values[part[1]], rng.choice(formats))


DATES = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d-%m-%Y", "%d %b %Y", "%b %d, %Y", "%Y%m%d")
STAMPS = (
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%d %H:%M:%S,%f",
    "%Y-%m-%dT%H:%M:%S.%f000+02:00",
    "%d.%m.%Y %H:%M",
    "%H:%M:%S.%f",
)


def _amount(rng: Random) -> str:
    return _pattern(
        rng,
        rng.choice(
            (
                "$N,###.##",
                "N.###,## EUR",
                "CHF N'###.##",
                "N ###,## €",
                "USD ##,###,###.00",
                "N.###.###,## €",
                "€N#,###",
            )
        ),
    )


def _not_a_card(rng: Random) -> str:
    """Grouped like a card, or not; the checksum says that it is none."""
    digits = rng.choice("456") + _chars(rng, 14, string.digits)
    wrong = (_luhn_digit(digits) + rng.randint(1, 9)) % 10
    return _grouped(f"{digits}{wrong}", (4, 4, 4, 4), rng.choice(("", "", " ", "-")))


def _number(rng: Random) -> str:
    """An order, invoice or ticket: 10 to 13 digits, and no card by chance."""
    digits = rng.choice(string.digits[1:]) + _chars(rng, rng.randint(8, 11), string.digits)
    return f"{digits}{(_luhn_digit(digits) + rng.randint(1, 9)) % 10}"


def _version(rng: Random) -> str:
    return _pattern(
        rng, rng.choice(("#.#.#", "10.4.##", "v2.##.#", "3.##.0rc1", "1N.0.N###.###", "2025.8.##", "1.2.N+build.####"))
    )


def _isbn(rng: Random) -> str:
    return _pattern(rng, rng.choice(("978-3-##-######-#", "978-0-###-#####-#", "9781########N", "3-##-######-#")))


NEGATIVES: dict[str, Callable[[Random], str]] = {
    "trace_id": _trace_id,
    "span_id": _span_id,
    "uuid": _uuid,
    "sha": lambda rng: _hex(rng, rng.choice((7, 12, 40, 40))),
    "sha256": lambda rng: f"sha256:{_hex(rng, 64)}",
    "date": lambda rng: _moment(rng, DATES),
    "stamp": lambda rng: _moment(rng, STAMPS),
    "clf": lambda rng: _moment(rng, ("%d/%b/%Y:%H:%M:%S +0000",)),
    "time": lambda rng: _moment(rng, ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f")),
    "duration": lambda rng: _pattern(
        rng, rng.choice(("N.## s", "### ms", "1h 2Nm 3#s", "PT1NM", "00:0#:1#.###", "0.00######## s"))
    ),
    "amount": _amount,
    "number": _number,
    "not_a_card": _not_a_card,
    "version": _version,
    "repr": lambda rng: f"<{rng.choice(('app.Tool', 'httpx.Response', 'function run'))} object at 0x7f{_hex(rng, 10)}>",
    "model": lambda rng: rng.choice(
        ("gpt-5-mini-2025-08-07", "claude-sonnet-4-5-20250929", "gpt-4o-2024-11-20", "gemini-2.5-flash-lite-06-17")
    ),
    "tokens": lambda rng: str(rng.randint(12, 200_000)),
    "position": lambda rng: _pattern(
        rng, rng.choice(("52.5#####, 13.4#####", "40.####, -74.####", "48.85##° north, 2.35##° east"))
    ),
    "percent": lambda rng: _pattern(rng, rng.choice(("N#.# %", "99.9##%", "0.0#%"))),
    "isbn": _isbn,
    "path": lambda rng: rng.choice(
        (
            "/app/agent/tools/refund.py",
            "/usr/lib/python3.11/asyncio/runners.py",
            "C:\\agent\\logs\\2025-08-07.log",
            "./src/a.b.c",
        )
    ),
    "line": lambda rng: str(rng.randint(10, 999)),
    "port": lambda rng: rng.choice(("5432", "6379", "8080", "9090", "11434")),
    "unix_s": lambda rng: _pattern(rng, "17########"),
    "unix_ms": lambda rng: _pattern(rng, "17###########"),
    "unix_ns": lambda rng: _pattern(rng, "17#################"),
    "slug": lambda rng: rng.choice(
        (
            "sk-learn",
            "ask-me",
            "task-1234",
            "sk-image",
            "risk-assessment-2025-q3-final",
            "disk-usage-percent-per-host-production",
            "hf_hub_download",
            "npm_config_registry",
            "pypi-simple-index",
            "desk-booking-service-v2",
        )
    ),
    "mac": lambda rng: ":".join(_hex(rng, 2) for _ in range(6)),
    "scope": lambda rng: rng.choice(
        (
            "std::vector<int>",
            "a::b::c",
            "tokio::sync::mpsc",
            "ActiveRecord::Base",
            "std::decay_t",
            "Cafe::open()",
            "crate::db::Face",
        )
    ),
    "handle": lambda rng: rng.choice(
        ("@maria_dev", "@app.route", "@pytest.mark.asyncio", "@langfuse/core@4.0.1", "actions/checkout@v4")
    ),
    "vector": lambda rng: "[" + ", ".join(f"{rng.uniform(-1, 1):.7f}" for _ in range(8)) + "]",
    "ids": lambda rng: "[" + ", ".join(str(rng.randint(100, 29999)) for _ in range(10)) + "]",
    "zip": lambda rng: _pattern(rng, rng.choice(("9N###", "SW1A 2AA", "9N###-####", "10###"))),
    "small": lambda rng: str(rng.randint(1, 40)),
    "country": lambda rng: rng.choice(tuple(IBANS)),
}

# --- Texts ----------------------------------------------------------------------------------------------------------

JOINERS = {
    "chat": " ",
    "mail": "\n\n",
    "log": "\n",
    "json": "\n",
    "csv": "\n",
    "sql": ";\n",
    "url": "\n",
    "markdown": "\n",
    "exception": "\n\n",
}

STYLES: dict[str, tuple[str, ...]] = {
    "chat": (
        "Hi, I'm Anna, you can reach me at [[email]] or [[phone]].",
        "My order [[number]] has not arrived since [[date]]!",
        "Please send the receipt to [[email]], thanks.",
        "Could you call me back on [[phone]] after [[time]]?",
        "Sure (my number is [[phone]]).",
        "I was charged [[amount]] twice on my card [[card]].",
        "The card number is [[card]], valid until 08/27.",
        "Please refund [[amount]] to [[iban]], that is [[percent]] of the price.",
        "Meine IBAN lautet [[iban]].",
        "My SSN is [[ssn]], born [[date]].",
        "For the tax form: social security number [[ssn_spaced]].",
        "I get a 401 with my key [[key]] - what is wrong?",
        "here you go: [[key]]",
        "I always log in from [[ipv4]], never from another place.",
        "Our office uses [[ipv6]] since the move.",
        "Write to '[[email]]' and not to [[email]]!",
        "Mon portable : [[phone]], merci.",
        "Tel. [[phone]] / [[email]]",
        "WhatsApp: [[phone]]",
        "Ticket [[number]] says [[percent]] are done, invoice [[number]] is over [[amount]].",
        "Do you ship to [[zip]]? It costs [[amount]] for [[small]] pieces, ISBN [[isbn]].",
        "I use [[model]] with [[slug]] [[version]], is that fine?",
        "I forgot my password yesterday at [[time]], the reset link expires in [[duration]].",
        "The parcel [[not_a_card]] was last seen at [[position]] on [[date]].",
        "Meeting on [[date]] from 10:00 to 11:30, room 4.2.1, ask [[handle]].",
        "Which tokens do you mean? I have [[tokens]] of 128 000 left, i.e. [[percent]].",
        "Why is [[amount]] shown as 1 234 567 in the report of [[date]]?",
    ),
    "mail": (
        'From: "Maria Garcia" <[[email]]>\nTo: [[email]], [[email]]\nDate: [[stamp]]\nSubject: Invoice [[number]]',
        "Dear team,\nour new bank details are:\nIBAN: [[iban]]\nBIC: COBADEFFXXX\nPlease use them from [[date]] on.",
        "Kind regards\nTom Jones\nPhone: [[phone]]\nFax: [[phone]]\nE-mail: [[email]]\nwww.northwind.example",
        "--\nDr. Li Wang | Mobile [[phone]] | mailto:[[email]]",
        "Please pay [[amount]] for invoice [[number]] within 14 days (due [[date]]).",
        "Received: from mx1 ([[ipv4]]) by mx2 with ESMTPS id [[sha]]; [[stamp]]",
        "Employee: Priya Patel\nSSN: [[ssn]]\nStart: [[date]]\nSalary: [[amount]]",
        "the key for the new project is below, delete this mail afterwards\n[[key]]",
        "Your card ending in 4242 was charged [[amount]] on [[date]]. Order: [[number]].",
        "Reference [[uuid]], tracking [[not_a_card]], weight 12.5 kg, HS code 8471.30.0100.",
        "Please charge [[card]] (CVC by phone) and confirm to [[email]].",
    ),
    "log": (
        '[[ipv4]] - - [[[clf]]] "GET /v1/runs/[[uuid]] HTTP/1.1" 200 [[tokens]] "-" "curl/8.5.0"',
        '[[ipv6]] - - [[[clf]]] "POST /chat HTTP/2.0" 201 512 "-" "python-httpx/0.28.1"',
        'edge-3 - - [[[clf]]] "GET / HTTP/1.1" 304 0 "-" "Mozilla/5.0 (X11) Chrome/126.0.6478.127 Safari/537.36"',
        "[[stamp]] INFO agent.run trace_id=[[trace_id]] span_id=[[span_id]] model=[[model]] took=[[duration]]",
        "[[stamp]] WARNING login failed for user=[[email]] from [[ipv4]]:[[port]] (attempt [[small]])",
        "[[stamp]] DEBUG client connected peer=[[[ipv6]]]:[[port]] mac=[[mac]]",
        "[[stamp]] ERROR 401 from api.openai.com, key [[openai]]",
        "[[stamp]] DEBUG headers={'Authorization': 'Bearer [[bearer]]', 'x-request-id': '[[uuid]]'}",
        "> POST /v1/chat HTTP/1.1\n> authorization: bearer [[bearer]]\n> x-api-key: [[anthropic]]\n> accept: */*",
        "[[stamp]] INFO sms sent to=[[phone]] id=[[uuid]]",
        "[[stamp]] INFO payment declined pan=[[card]] amount=[[amount]] order=[[number]]",
        "[[stamp]] INFO transfer to [[iban]] accepted ref=[[number]]",
        "[[stamp]] INFO environment OPENAI_API_KEY=[[openai_legacy]] ANTHROPIC_API_KEY=[[anthropic]] PORT=[[port]]",
        "[[stamp]] INFO traceparent=00-[[trace_id]]-[[span_id]]-01 start=[[unix_ns]] end=[[unix_ns]]",
        "[[stamp]] DEBUG pool=[[repr]] tool=[[repr]] git=[[sha]]",
        "[[stamp]] INFO deployed [[version]] image registry.local:5000/agent@[[sha256]]",
        "[[stamp]] WARNING Bearer authentication failed: token expired, tokens=[[tokens]]",
        'time=[[unix_ms]] level=info msg="run finished" run=task-[[uuid]] cost=[[amount]] ratio=[[percent]]',
        "[[unix_s]] uptime [[time]] load 0.42 0.31 0.27 mem 1024/2048 [[path]]:[[line]]",
        "Dec 12 10:11:12 web-3 kernel: eth0 [[mac]] up, [[small]] queues, mtu 1500",
        "[[stamp]] DEBUG connect postgresql://agent:[[password]]@db-1.internal:5432/agent?sslmode=require",
        "[[stamp]] INFO connect redis://cache:6379/0 and http://localhost:[[port]]/metrics",
        "[[stamp]] INFO dpd: blocked host [[ipv4]], [[ipv4]] and [[ipv6]]",
    ),
    "json": (
        '{"tool": "send_email", "arguments": {"to": "[[email]]", "cc": ["[[email]]"], "subject": "Order [[number]]"}}',
        '{"tool": "create_contact", "arguments": {"name": "Yuki Tanaka", "phone": "[[phone]]", "zip": "[[zip]]"}}',
        '{"tool": "charge", "arguments": {"card_number": "[[card]]", "amount": 1299.00, "order_id": "[[number]]"}}',
        '{"iban": "[[iban]]", "currency": "EUR", "country": "[[country]]", "valid_from": "[[date]]"}',
        '{"applicant": {"ssn": "[[ssn]]", "dob": "[[date]]", "email": "[[email]]"}, "score": 0.7312}',
        '{"client_ip":"[[ipv4]]","forwarded":["[[ipv6]]"],"port":[[port]],"user_agent":"okhttp/4.12.0"}',
        '{"role": "user", "content": "my key is [[key]]\\nwhy does it fail?"}',
        '{"headers": {"Authorization": "Bearer [[bearer]]", "Content-Type": "application/json"}}',
        '{"type": "service_account", "private_key_id": "[[sha]]", "private_key": "[[pem_in_json]]\\n"}',
        '{"env": {"AWS_ACCESS_KEY_ID": "[[aws]]", "AWS_SECRET_ACCESS_KEY": "[[aws_secret]]"}}',
        '{"LANGFUSE_SECRET_KEY": "[[langfuse]]", "LANGFUSE_HOST": "https://cloud.langfuse.com"}',
        '{"slack_token": "[[slack]]", "github_token": "[[github]]", "hf_token": "[[huggingface]]"}',
        '{"trace_id": "[[trace_id]]", "span_id": "[[span_id]]", "parent_id": null, "run_id": "[[uuid]]"}',
        '{"model": "[[model]]", "usage": {"prompt_tokens": [[tokens]], "total": [[tokens]]}, "created": [[unix_s]]}',
        '{"start_ns": [[unix_ns]], "end_ns": [[unix_ns]], "at": "[[stamp]]", "latency": "[[duration]]"}',
        '{"embedding": [[vector]], "input_ids": [[ids]]}',
        '{"password": null, "api_key": null, "max_tokens": 4096, "temperature": 0.2, "seed": [[number]]}',
        '{"location": "[[position]]", "price": "[[amount]]", "isbn": "[[isbn]]", "share": "[[percent]]"}',
        '{"versions": {"agent": "[[version]]", "sdk": "[[version]]"}, "commit": "[[sha]]", "host_mac": "[[mac]]"}',
        '{"tracking": "[[not_a_card]]", "ticket": [[number]], "ts": [[unix_ms]], "task": "[[slug]]"}',
        '{"log": "{\\"Authorization\\": \\"Bearer [[bearer]]\\", \\"attempt\\": [[small]]}"}',
        '{\\"text\\": \\"call [[phone]] or write to [[email]]\\"}',
    ),
    "csv": (
        "id,email,phone,created\n[[small]],[[email]],[[phone]],[[date]]\n[[small]],[[email]],[[phone]],[[date]]",
        '"[[number]]";"Garcia, Maria";"[[email]]";"[[iban]]";"[[amount]]"',
        "[[uuid]],[[email]],[[ipv4]],[[stamp]],200",
        "[[number]]\t[[card]]\t08/27\tapproved",
        "employee,ssn,since\nPriya Patel,[[ssn]],[[date]]\nLi Wang,[[ssn]],[[date]]",
        "[[trace_id]],[[span_id]],[[unix_ns]],[[tokens]],[[model]],ok",
        "[[date]],[[time]],[[small]],[[tokens]],0.734,[[version]]",
        "[[number]];[[number]];[[date]];[[amount]];[[zip]];open",
        "[[isbn]],[[small]],[[amount]],[[not_a_card]]",
        "[[small]],[[phone]],[[ipv6]],[[unix_s]]",
    ),
    "sql": (
        "INSERT INTO customers (email, phone) VALUES ('[[email]]', '[[phone]]')",
        "SELECT id, created_at::date FROM orders WHERE email = '[[email]]' AND total > 1000.50",
        "UPDATE accounts SET iban = '[[iban]]', updated = '[[stamp]]' WHERE id = [[number]]",
        "SELECT * FROM sessions WHERE ip = '[[ipv4]]'::inet OR ip = '[[ipv6]]'::inet",
        "DELETE FROM cards WHERE pan = '[[card]]' -- ticket [[number]]",
        "SELECT name FROM staff WHERE ssn = '[[ssn]]'",
        "INSERT INTO api_keys VALUES ([[small]], '[[key]]', now())",
        "SELECT count(*) FROM runs WHERE trace_id = '[[trace_id]]' AND run_id = '[[uuid]]'",
        "SELECT a.id::text, b.total::decimal(12,2), 1::bigint FROM a JOIN b ON b.id = $1 AND a.day = %(day)s LIMIT :n",
        "UPDATE runs SET status = ?, finished = '[[stamp]]' WHERE id IN ([[number]], [[number]]) AND v = '[[version]]'",
        "SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY ms) FROM t WHERE ts BETWEEN [[unix_ms]] AND [[unix_ms]]",
    ),
    "url": (
        "https://shop.northwind.example/reset?email=[[email]]&id=[[uuid]]",
        "mailto:[[email]]?subject=Order%20[[number]]",
        "postgres://app:[[password]]@db.internal:5432/orders",
        "mysql+pymysql://root:[[password]]@mysql:3306/shop?charset=utf8mb4",
        "redis://:[[password]]@cache.internal:6379/0",
        "amqp://worker:[[password]]@rabbit:5672/jobs",
        "mongodb+srv://agent:[[password]]@cluster0.mongo.internal/chats",
        "git clone https://oauth2:[[gitlab]]@gitlab.northwind.example/ai/agent.git",
        "https://maps.example.org/api/geocode?address=Berlin&key=[[google]]",
        "http://[[ipv4]]:[[port]]/healthz",
        "http://[[[ipv6]]]:[[port]]/metrics",
        "tel:[[phone]]",
        "https://cloud.langfuse.com/project/cm3x1/traces/[[trace_id]]?observation=[[span_id]]&timestamp=[[stamp]]",
        "https://github.com/acme/agent/commit/[[sha]]#diff-[[trace_id]]R[[line]]",
        "http://localhost:[[port]]/api/v2/query_range?start=[[unix_s]]&end=[[unix_s]]&step=15s",
        "https://example.org/blog/[[date]]/[[slug]]?page=[[small]]&v=[[version]]",
        "https://www.openstreetmap.org/#map=17/52.51627/13.37769",
        "s3://agent-runs/2025/08/07/[[uuid]].json.gz",
        "GET /v1/orders/[[number]]/invoices/[[number]]?from=[[date]]&limit=[[small]]",
    ),
    "markdown": (
        "| Name | Contact | Paid |\n|---|---|---|\n| Tom | [[email]] | [[amount]] |\n| Li | [[phone]] | [[amount]] |",
        "- **E-mail**: [[email]]\n- **Phone**: [[phone]]\n- **Joined**: [[date]]",
        "Contact [Maria](mailto:[[email]]) about `[[number]]`.",
        "```\nexport ANTHROPIC_API_KEY=[[anthropic]]\nexport GROQ_API_KEY='[[groq]]'\n```",
        "```bash\ncurl -H 'Authorization: Bearer [[bearer]]' https://api.example.org/v1/runs/[[uuid]]\n```",
        "```\n[[pem]]\n```",
        "`npm config set //registry.npmjs.org/:_authToken=[[npm]]` and `TWINE_PASSWORD=[[pypi]]`",
        "> paid with [[card]], refund to [[iban]]",
        "1. Token: `[[key]]`\n2. Server: `[[ipv4]]`\n3. Release: [[version]]",
        "| trace | span | start | tokens |\n|---|---|---|---|\n| [[trace_id]] | [[span_id]] | [[stamp]] | [[tokens]] |",
        "## [[version]] - [[date]]\n- [[slug]] is [[percent]] faster ([[sha]]), thanks [[handle]]",
        "Use `[[scope]]` or `[[scope]]`, then `rows[::2]` and `name[::-1]`; see [[path]]:[[line]].",
        "```python\n@app.get('/runs/{id}')\ndef run(x: list[int]) -> str: return f'{x[0]:>10.2f}'\n```",
        "The header is `Authorization: Bearer <token>`; keys start with `sk-...` or `hf_...`.",
        "[profile agent]\naws_access_key_id = [[aws]]\naws_secret_access_key = [[aws_secret]]\nregion = eu-west-1",
        "customer:\n  phone: [[phone]]\n  mail: [[email]]\n  cards: [[[card]]]\n  since: [[date]]\n  visits: [[small]]",
        "<Customer id='[[number]]'><Email>[[email]]</Email><Phone>[[phone]]</Phone><Iban>[[iban]]</Iban></Customer>",
        "Paris is at [[position]]; the flight takes [[duration]] and costs [[amount]] (book ISBN [[isbn]]).",
    ),
    "exception": (
        "Traceback:\n  File \"[[path]]\", line [[line]], in run\nValueError: invalid recipient: '[[email]]'",
        "openai.AuthenticationError: Error code: 401 - {'message': 'Incorrect API key provided: [[openai]].'}",
        "stripe.error.CardError: Request req_8f: card [[card]] was declined; key [[stripe]]",
        "ConnectionRefusedError: [Errno 111] connect to ('[[ipv4]]', [[port]]) failed after [[duration]]",
        "OSError: no route to host [[ipv6]]",
        "sqlalchemy.exc.OperationalError: could not connect to postgresql+psycopg://slo:[[password]]@10-db:5432/slo",
        "twilio.TwilioRestException: HTTP 400: The 'To' number [[phone]] is not valid (run [[uuid]])",
        "pydantic.ValidationError: 1 error\niban\n  Value error [input_value='[[iban]]', input_type=str]",
        "RefundError: Payment(card='[[card]]', email='[[email]]', amount=Decimal('129.90'), order=[[number]])",
        "ssn\n  String should match pattern [input_value='[[ssn]]', input_type=str]",
        "jwt.ExpiredSignatureError: Signature has expired: [[jwt]]",
        "sendgrid: 403 for [[sendgrid]], request [[uuid]]",
        "KeyError: '[[trace_id]]' in [[repr]] at [[path]]:[[line]]",
        "TimeoutError: [[model]] gave no answer in [[duration]] (run [[uuid]], span [[span_id]], started [[unix_s]])",
        "TypeError: [[repr]] is not JSON serializable, see [[scope]] and [[handle]]",
        "ValueError: time data '[[stamp]]' does not match format '%Y-%m-%dT%H:%M:%S'; order [[number]]",
        "RateLimitError: limit 30000, used [[tokens]], requested [[tokens]]; retry in [[duration]]; org-[[slug]]",
        "ImportError: [[slug]]==[[version]] needs numpy>=1.26.4,<2.3.0 ([[path]])",
        "git push with [[github_pat]] was rejected at [[sha]]",
    ),
}

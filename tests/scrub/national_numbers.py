"""National tax and identity numbers, IBANs and cards, made with the check digits that their algorithms ask for."""

import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class National:
    """A kind of number: how one is made, whether one is valid, and the forms it is written in."""

    kind: str
    make: Callable[[Random], str]
    valid: Callable[[str], bool]
    shapes: tuple[str, ...]
    telling: bool = False  # the first of its forms tells what it is, without a word beside it
    checked: bool = True  # a wrong check digit makes it something else


def luhn(text: str) -> bool:
    """Whether the digits pass Luhn's check, as those of a card do."""
    if not text.isdigit():
        return False
    doubled = (int(d) * 2 if at % 2 else int(d) for at, d in enumerate(reversed(text)))
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


_BBANS = {
    "DE": "#" * 18, "AT": "#" * 16, "CH": "#" * 17, "FR": "#" * 23, "BE": "#" * 12, "ES": "#" * 20,
    "IT": "A" + "#" * 22,
    "PT": "#" * 21, "NL": "AAAA##########", "PL": "#" * 24, "GB": "AAAA" + "#" * 14, "IE": "AAAA" + "#" * 14,
    "LU": "#" * 16, "BR": "#" * 23 + "AN",
}  # fmt: skip


def iban(rng: Random, country: str) -> str:
    """An IBAN of the country, with its check digits."""
    bban = _drawn(rng, _BBANS[country])
    return f"{country}{98 - _mod97(bban + country + '00'):02}{bban}"


def _mod97(text: str) -> int:
    return int("".join(str(int(c, 36)) for c in text)) % 97


def _drawn(rng: Random, pattern: str) -> str:
    """``#`` is a digit, ``N`` one from 1 to 9, ``A`` a letter, ``D`` a date as YYMMDD, ``Y`` as YYYYMMDD."""
    day = f"{rng.randint(1, 12):02}{rng.randint(1, 28):02}"
    year = rng.randint(1950, 1999)
    choices: dict[str, Sequence[str]] = {
        "#": string.digits, "N": string.digits[1:], "A": string.ascii_uppercase,
        "D": (f"{year % 100:02}{day}",), "Y": (f"{year}{day}",),
    }  # fmt: skip
    return "".join(rng.choice(choices.get(c, c)) for c in pattern)


def _weighed(body: str, weights: tuple[int, ...]) -> int:
    return sum(int(d) * w for d, w in zip(body, weights, strict=True))


def _steuer_id(body: str) -> str | None:
    # One digit of the first ten stands twice or thrice, and no other stands more than once.
    counts = sorted(body.count(d) for d in set(body))
    if counts[-1] not in (2, 3) or counts[-2] > 1:
        return None
    rest = 10
    for d in body:
        rest = (((int(d) + rest) % 10 or 10) * 2) % 11
    return str((11 - rest) % 10)


def _rentenversicherung(body: str) -> str | None:
    digits = f"{body[:8]}{ord(body[8]) - 64:02}{body[9:]}"
    weights = (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)
    return str(sum(sum(divmod(int(d) * w, 10)) for d, w in zip(digits, weights, strict=True)) % 10)


def _ean(body: str) -> str:
    return str(-sum(int(d) * (3 if at % 2 else 1) for at, d in enumerate(body)) % 10)


def _nir(body: str) -> str:
    return f"{97 - int(body) % 97:02}"


def _belgian(body: str) -> str:
    return f"{97 - int(body) % 97:02}"


def _dni(body: str) -> str:
    number = body.translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]


def _cuit(body: str) -> str | None:
    check = -_weighed(body, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return None if check == 10 else str(check)


def _rut(body: str) -> str:
    return "0123456789K"[-_weighed(body[::-1], (2, 3, 4, 5, 6, 7, 2, 3)) % 11]


def _curp(body: str) -> str:
    signs = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
    return str(-sum(signs.index(c) * (18 - at) for at, c in enumerate(body)) % 10)


_CF_ODD = dict(
    zip(
        string.digits + string.ascii_uppercase,
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16,
         10, 22, 25, 24, 23),
        strict=True,
    )
)  # fmt: skip


def _codice_fiscale(body: str) -> str:
    even = {c: int(c) if c.isdigit() else ord(c) - 65 for c in body}
    return chr(65 + sum(even[c] if at % 2 else _CF_ODD[c] for at, c in enumerate(body)) % 26)


def _codice_body(rng: Random) -> str:
    consonants = "BCDFGLMNPRSTVZ"
    name = "".join(rng.choice(consonants) for _ in range(6))
    day = rng.randint(1, 28) + rng.choice((0, 40))
    born = f"{rng.randint(50, 99)}{rng.choice('ABCDEHLMPRST')}{day:02}"
    return f"{name}{born}{rng.choice('ABCDEFGHL')}{rng.randint(1, 999):03}"


def _luhn_digit(body: str) -> str:
    return next(d for d in string.digits if luhn(body + d))


def _nif(body: str) -> str:
    check = -_weighed(body, (9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return "0" if check == 10 else str(check)


def _two_brazilian(body: str, highest: int) -> str:
    # The weights count down to 2, and begin again at the highest (a CPF is too short for that).
    for _ in range(2):
        weights = tuple(2 + at % (highest - 1) for at in range(len(body)))
        rest = _weighed(body[::-1], weights) % 11
        body += "0" if rest < 2 else str(11 - rest)
    return body[-2:]


def _cpf(body: str) -> str | None:
    return None if len(set(body)) == 1 else _two_brazilian(body, 11)


def _cnpj(body: str) -> str:
    return _two_brazilian(body, 9)


def _bsn(body: str) -> str | None:
    check = _weighed(body, (9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return None if check == 10 else str(check)


def _pesel(body: str) -> str:
    return str(-_weighed(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10)


def _nip(body: str) -> str | None:
    check = _weighed(body, (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11
    return None if check == 10 else str(check)


def _my_number(body: str) -> str:
    rest = _weighed(body[::-1], (2, 3, 4, 5, 6, 7, 2, 3, 4, 5, 6)) % 11
    return "0" if rest < 2 else str(11 - rest)


def _resident(body: str) -> str:
    return "10X98765432"[_weighed(body, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11]


def _taiwanese(body: str) -> str:
    area = 10 + "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(body[0])
    return str(-(area // 10 + area % 10 * 9 + _weighed(body[1:], (8, 7, 6, 5, 4, 3, 2, 1))) % 10)


def _hong_kong(body: str) -> str:
    # A space stands before the single letter, and counts 36.
    total = 36 * 9 + (ord(body[0]) - 55) * 8 + _weighed(body[1:], (7, 6, 5, 4, 3, 2))
    return "0123456789A"[-total % 11]


def _rrn(body: str) -> str:
    return str((11 - _weighed(body, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10)


def _korean_business(body: str) -> str:
    total = _weighed(body, (1, 3, 7, 1, 3, 7, 1, 3, 5)) + int(body[8]) * 5 // 10
    return str(-total % 10)


def _nhs(body: str) -> str | None:
    check = -_weighed(body, (10, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return None if check == 10 else str(check)


def _austrian_valid(text: str) -> bool:
    if not re.fullmatch(r"[1-9]\d{9}", text):
        return False
    return _weighed(text[:3] + text[4:], (3, 7, 9, 5, 8, 4, 2, 1, 6)) % 11 == int(text[3])


def _austrian(rng: Random) -> str:
    while True:
        date = f"{rng.randint(1, 28):02}{rng.randint(1, 12):02}{rng.randint(50, 99)}"
        serial = str(rng.randint(100, 999))
        for d in string.digits:
            if _austrian_valid(serial + d + date):
                return serial + d + date


def _checked(
    kind: str,
    body: str | Callable[[Random], str],
    check: Callable[[str], str | None],
    *shapes: str,
    telling: bool = False,
    checked: bool = True,
) -> National:
    """A number whose check digits are its last signs."""

    def draw(rng: Random) -> str:
        return _drawn(rng, body) if isinstance(body, str) else body(rng)

    def make(rng: Random) -> str:
        while True:
            drawn = draw(rng)
            if (digits := check(drawn)) is not None:
                return drawn + digits

    example = make(Random(0))
    size = len(check(example[: len(draw(Random(0)))]) or "") or 1
    form = re.sub("[A-ZÑ]", "[A-ZÑ]", re.sub(r"\d", r"\\d", example[:-size]))

    def valid(text: str) -> bool:
        if kind == "es_nie" and text[0] not in "XYZ":
            return False
        return re.fullmatch(form, text[:-size]) is not None and check(text[:-size]) == text[-size:]

    return National(kind, make, valid, shapes or ("#" * len(example),), telling, checked)


def _unchecked(kind: str, make: Callable[[Random], str], *shapes: str) -> National:
    return National(kind, make, lambda _: False, shapes, telling=True, checked=False)


def _nino(rng: Random) -> str:
    # Not those that are never given (BG, GB, KN, NK, NT, TN, ZZ).
    first, second = rng.choice("ACEHJLPRSW"), rng.choice("ABCEGHJKLMPRSTWXYZ")
    return f"{first}{second}{_drawn(rng, '######')}{rng.choice('ABCD')}"


def _ssn(rng: Random) -> str:
    return f"{rng.randint(100, 665)}{rng.randint(10, 99)}{rng.randint(1000, 9999)}"


def _french_body(rng: Random) -> str:
    year, month = rng.randint(50, 99), rng.randint(1, 12)
    return f"{rng.choice('12')}{year}{month:02}{rng.randint(1, 95):02}{rng.randint(1, 900):03}{rng.randint(1, 999):03}"


def _curp_body(rng: Random) -> str:
    letters = "".join(rng.choice(signs) for signs in ("BCDGLMPRSV", "AEIOU", "BCDGLMPRSV", "BCDGLMPRSV"))
    return f"{letters}{_drawn(rng, 'D')}{rng.choice(('HDF', 'MJC', 'HNL'))}{rng.choice(('RRL', 'NTS', 'CZM'))}0"


NUMBERS = {
    each.kind: each
    for each in (
        _checked("de_steuer_id", "N#########", _steuer_id, "###########", "## ### ### ###"),
        _checked(
            "de_rvnr",
            lambda rng: f"{rng.randint(10, 89)}{rng.randint(1, 28):02}{rng.randint(1, 12):02}{rng.randint(50, 99)}"
            f"{rng.choice(string.ascii_uppercase)}{rng.randint(0, 49):02}",
            _rentenversicherung,
            "## ###### # ###",
            "############",
            telling=True,
        ),
        National("at_svnr", _austrian, _austrian_valid, ("#### ######", "##########")),
        _checked("ch_ahv", "756#########", _ean, "###.####.####.##", "#############", telling=True),
        _checked("fr_nir", _french_body, _nir, "# ## ## ## ### ### ##", "###############", telling=True),
        _checked(
            "fr_spi", lambda rng: _drawn(rng, "3#########"), lambda body: f"{int(body) % 511:03}", "## ## ### ### ###"
        ),
        _checked("be_national", "D###", _belgian, "##.##.##-###.##", "###########", telling=True),
        _checked("es_dni", "########", _dni, "#########", "########-#", "##.###.###-#", telling=True),
        _checked("es_nie", lambda rng: rng.choice("XYZ") + _drawn(rng, "#######"), _dni, "#########", "#-#######-#",
                 telling=True),
        _checked("ar_cuit", "20########", _cuit, "##-########-#", telling=True),
        _checked("cl_rut", "1#######", _rut, "##.###.###-#", "########-#", telling=True),
        _checked("mx_curp", _curp_body, _curp, telling=True),
        _checked("it_codice_fiscale", _codice_body, _codice_fiscale, "################", "### ### ##### #####",
                 telling=True),
        _checked("it_partita_iva", "0#########", _luhn_digit, "###########"),
        _checked("pt_nif", "2#######", _nif, "#########", "### ### ###"),
        _checked("br_cpf", "N########", _cpf, "###.###.###-##", "###########", telling=True),
        _checked("br_cnpj", "########0001", _cnpj, "##.###.###/####-##", "##############", telling=True),
        _checked("nl_bsn", "N#######", _bsn, "#########", "####.##.###"),
        _checked("pl_pesel", "D####", _pesel, "###########"),
        _checked("pl_nip", "N########", _nip, "###-###-##-##", "##########", "###-##-##-###"),
        _checked("jp_my_number", "N##########", _my_number, "############", "#### #### ####", "####-####-####"),
        _checked("cn_resident", lambda rng: rng.choice(("110105", "310104", "440305", "510104")) + _drawn(rng, "Y###"),
                 _resident, "##################", telling=True),
        _checked("tw_national", lambda rng: _drawn(rng, "A") + rng.choice("12") + _drawn(rng, "#######"), _taiwanese,
                 telling=True),
        _checked("hk_identity", "A######", _hong_kong, "#######(#)", telling=True),
        # Those given since October 2020 have no check digit: a wrong one does not make it something else.
        _checked("kr_rrn", lambda rng: _drawn(rng, "D") + rng.choice("12") + _drawn(rng, "#####"), _rrn,
                 "######-#######", "#############", telling=True, checked=False),
        _checked("kr_business", lambda rng: _drawn(rng, "N########"), _korean_business, "###-##-#####", "##########"),
        _checked("gb_nhs", "N########", _nhs, "### ### ####", "##########", "###-###-####"),
        _unchecked("gb_nino", _nino, "## ## ## ## #", "#########"),
        _unchecked("us_ssn", _ssn, "###-##-####"),
        _checked("ca_sin", "N#######", _luhn_digit, "### ### ###", "###-###-###"),
    )
}  # fmt: skip


def valid_somewhere(text: str) -> bool:
    """Whether the number is a valid one of any country."""
    return any(each.valid(text) for each in NUMBERS.values())

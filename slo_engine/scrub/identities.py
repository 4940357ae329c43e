"""Numbers of persons, by which states know them: one row for each, with its form, its check digits and its name.

A number of nine to thirteen bare digits may be anything, and one in ten passes a check: such a row needs a word beside
the number that names it. Where the usual way to write a number is its own, ``alone`` says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from slo_engine.scrub import check_digits as check


class Number(NamedTuple):
    """A kind of number."""

    name: str
    form: re.Pattern[str]
    """Of its digits without separators; with letters, as it is written."""
    check: check.Check
    words: str
    """A pattern of the words that name it, in lower case: any of them beside the number."""
    alone: re.Pattern[str] | None = None
    """As it is written when no word is needed."""
    unspaced: str = ""
    """Words of scripts that set no spaces; they are looked for inside of what stands there."""


def _row(name: str, form: str, checked: check.Check, words: str, alone: str = "", unspaced: str = "") -> Number:
    return Number(
        name, re.compile(form, re.ASCII | re.IGNORECASE), checked, words, re.compile(alone) if alone else None, unspaced
    )


_ANY: Final = ".*"
_FRENCH: Final = "nir|sécurité|securite|sociale|sécu|vitale|insee"

OF_DIGITS: Final[Mapping[int, tuple[Number, ...]]] = {
    9: (
        _row("PT NIF", r"[1-35689]\d{8}", check.portuguese_tax, "nif|contribuinte|niss|fiscal"),
        _row("NL BSN", r"\d{9}", check.sums_to_zero((9, 8, 7, 6, 5, 4, 3, 2, -1), 11), "bsn|burgerservice.*|sofi.*"),
        _row("CA SIN", r"[1-9]\d{8}", check.luhn, "sin|nas|insurance|assurance"),
        _row("CL RUT", r"[1-3]\d{8}", check.chilean_person, "rut|run", r"\d{2}\.\d{3}\.\d{3}-\d"),
        _row("AU TFN", r"\d{9}", check.sums_to_zero((1, 4, 3, 7, 5, 8, 6, 9, 10), 11), "tfn"),
    ),
    10: (
        _row("PL NIP", r"[1-9]\d{9}", check.sums_to_zero((6, 5, 7, 2, 3, 4, 5, 6, 7, -1), 11), "nip|podatkow.*",
             r"\d{3}-\d{3}-\d{2}-\d{2}|\d{3}-\d{2}-\d{2}-\d{3}"),
        _row("UK NHS", r"\d{10}", check.british_health, "nhs", r"\d{3} \d{3} \d{4}"),
        _row("AT SVNR", r"[1-9]\d{9}", check.austrian_social, "svnr|sv|sozialversicherung.*|versicherungsnummer",
             r"\d{4} \d{6}"),
        _row("SE personnummer", r"\d{10}", check.swedish_person, "person.*|samordning.*", r"\d{6}[-+]\d{4}"),
        _row("CZ rodné číslo", r"\d{10}", check.czech_person, "rodné|rodne|rodného|rč", r"\d{6}/\d{4}"),
        _row("KR company", r"\d{10}", check.korean_company, "brn", r"\d{3}-\d{2}-\d{5}", "사업자"),
    ),
    11: (
        _row("DE Steuer-ID", r"[1-9]\d{10}", check.german_tax_id,
             r"steuer\w*|idnr|stid\w*|identifikationsnummer|tin"),
        _row("PL PESEL", r"\d{11}", check.polish_person, "pesel.*"),
        _row("BE national number", r"\d{11}", check.belgian_person,
             "rijksregister.*|nationaalnummer|registre|niss|insz|nrn", r"\d{2}\.\d{2}\.\d{2}[- ]\d{3}[.-]\d{2}"),
        _row("BR CPF", r"\d{11}", check.brazilian_person, "cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}"),
        _row("IT partita IVA", r"\d{11}", check.luhn, "partita|iva|piva"),
        _row("NO fødselsnummer", r"\d{11}", check.norwegian_person, "fødsels.*|personnummer|fnr"),
        _row("TR kimlik", r"[1-9]\d{10}", check.turkish_person, "kimlik.*|tckn|tc"),
        _row("AR CUIT", r"(?:2[03-7]|3[034])\d{9}", check.argentine_tax, "cuit|cuil", r"\d{2}-\d{8}-\d"),
    ),
    12: (
        _row("JP My Number", r"\d{12}", check.japanese_person, "mynumber|myna.*|kojin.*",
             unspaced="マイナンバー|個人番号"),
        _row("IN Aadhaar", r"[2-9]\d{11}", check.verhoeff, "aadhaa?r|uidai|आधार"),
        _row("SE personnummer", r"(?:19|20)\d{10}", check.swedish_person, "person.*|samordning.*", r"\d{8}[-+]\d{4}"),
    ),
    13: (
        _row("KR RRN", r"\d{6}[0-9]\d{6}", check.korean_resident, r"rrn|residents?|jumin\w*", r"\d{6} ?- ?\d{7}",
             "주민|외국인등록"),
        _row("CH AHV", r"756\d{10}", check.ean_13, "ahv.*|avs|oasi|navs.*", r"756\d{10}|756\.\d{4}\.\d{4}\.\d{2}"),
        _row("FR SPI", r"[0-3]\d{12}", check.french_tax, "fiscal|fiscale|spi"),
        _row("RO CNP", r"[1-8]\d{12}", check.romanian_person, "cnp|personal"),
    ),
    14: (
        _row("BR CNPJ", r"\d{14}", check.brazilian_company, "cnpj",
             r"\d{8}000[1-9]\d{2}|\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}"),
    ),
    15: (
        _row("FR NIR", r"[1-478]\d{2}(?:0[1-9]|1[0-2]|[2-9]\d)\d{10}", check.french_social,
             _FRENCH,
             r"\d{15}|\d \d{2} \d{2} \d{2} \d{3} \d{3}(?: \d{2}|\d{2})"),
    ),
    18: (
        _row("CN resident id", r"[1-9]\d{17}", check.chinese_resident, "residents?", r"\d{18}|\d{6} \d{8} \d{4}",
             "身份|公民|证件|證件"),
    ),
}  # fmt: skip
"""By how many digits a number has."""

WITH_LETTERS: Final[tuple[Number, ...]] = (
    _row("ES DNI", r"\d{2}(?:\d{6}|\.\d{3}\.\d{3})[- ]?[A-Z]", check.spanish_identity, r"dni|nif\w*|documento", _ANY),
    _row("ES NIE", r"[XYZ][- ]?(?:\d{7}|\d\.\d{3}\.\d{3})[- ]?[A-Z]", check.spanish_identity, "nie|nif|extranjero",
         _ANY),
    _row("ES CIF", r"[ABCDEFGHJNPQRSUVW][- ]?\d{7}[- ]?[0-9A-J]", check.spanish_company, "cif|nif"),
    _row("IT codice fiscale", r"[A-Z]{3} ?[A-Z]{3} ?\d{2}[A-EHLMPRST]\d{2} ?[A-Z]\d{3}[A-Z]", check.italian_person,
         "codice|fiscale|cf", _ANY),
    _row("FR NIR", r"[1-478] ?\d{2} ?\d{2} ?2[AB] ?\d{3} ?\d{3} ?\d{2}", check.french_social,
         _FRENCH, _ANY),
    _row("DE pension", r"\d{2} ?\d{6} ?[A-Z] ?\d{3}", check.german_pension,
         "sv|sozialversicherung.*|rentenversicherung.*", _ANY),
    _row("CN resident id", r"\d{6} ?\d{8} ?\d{3}X", check.chinese_resident, "residents?", _ANY, "身份|公民|证件|證件"),
    _row("TW national id", r"[A-Z][1289]\d{8}", check.taiwanese_person, "tw", _ANY, "身分|身份|統一"),
    _row("HK identity card", r"[A-Z]{1,2}\d{6} ?\([0-9A]\)", check.hong_kong_person, "hkid.*", _ANY, "身份"),
    _row("SG NRIC", r"[STFGM]\d{7}[A-Z]", check.singaporean_person, "nric|fin", _ANY),
    _row("UK NINO", r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?: ?\d\d){3} ?[A-D]", check.unchecked,
         "nino|insurance|ni", _ANY),
    _row("FI henkilötunnus", r"\d{6}[-+ABCDEFYXWVU]\d{3}[0-9A-Y]", check.finnish_person, "henkilötunnus|hetu", _ANY),
    _row("IE PPS", r"\d{7}[A-W][A-IW]?", check.irish_person, "pps|ppsn"),
    _row("CL RUT", r"\d{1,2}(?:\d{6}|\.\d{3}\.\d{3})-[0-9K]", check.chilean_person, "rut|run",
         r"\d{1,2}\.\d{3}\.\d{3}-[0-9K]"),
    _row("MX CURP", r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[0-9A-Z]\d", check.mexican_person, "curp", _ANY),
    _row("BR CNPJ", r"[0-9A-Z]{2}\.[0-9A-Z]{3}\.[0-9A-Z]{3}/[0-9A-Z]{4}-\d{2}", check.brazilian_company, "cnpj", _ANY),
)  # fmt: skip
"""With letters, or with a check sign that may be one."""

ALL_WORDS: Final = r"tax\w*|fiscal\w*|citizen\w*|national\w*|identi\w*|social\w*|sozial\w*"
ALL_UNSPACED: Final = "税|稅|国民|國民"
"""Beside a number of any state."""

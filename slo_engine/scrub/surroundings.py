# ruff: noqa: RUF001 - signs of other scripts are meant
"""What the words around a number say that it is: a phone's, an order's, or the one of a tax payer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from slo_engine.scrub import identities
from slo_engine.scrub.reading import UNSPACED

PHONE: Final = "phone"
OTHER: Final = "other"
"""Of an order, an invoice, a book: no number of a person."""

ANY: Final = "any"
"""Of a tax payer, a citizen: whatever state's number it is."""

_NOTHING: Final[frozenset[str]] = frozenset()

_WORDS_OF_PHONES: Final = (
    r"\w*(?:phone|telefon|téléphone|teléfono|telefoon|telefono|telefone|telemóve[li]|telemovel|rufnummer|whatsapp)\w*|"
    r"\w*(?:handy|mobil)(?:es?|nummer|nr|funk\w*|number|no|num)?|tele?|tél|tlf|tfno|fax\w*|telefax\w*|cell|cel|celular\w*|telf|fone|zap|"
    r"cellular[ei]|cellphone\w*|msisdn|gsm|sms|móvil\w*|movil\w*|portable|mobiel\w*|komór\w*|komork\w*|reperibil\w*|anruf\w*|erreichbar|"
    r"joignable|joindre|appel(?:er|ez|le|lez)|rappele[rz]|ll[aá]m[ae]\w*|chiama\w*|ligu\w*|ligar|recapit\w*|faks\w*|zadzwo\w*|dzwoni\w*"
)
_UNSPACED_OF_PHONES: Final = (
    "電話|携帯|連絡先|电话|手机|手機|联系方式|聯絡|致电|座机|传真|傳真|行動|"
    "전화|휴대폰|핸드폰|연락처|휴대전화|휴대|팩스|모바일|โทร"
)
_WORDS_OF_OTHERS: Final = (
    r"orders?|orderid|order_?n\w*|invoices?|tickets?|tracking\w*|isbn|issn|ean|gtin|upc|sku|parts?|serial\w*|refs?|"
    r"reference|referen[czt]\w*|shipments?|parcels?|batch|lot|transactions?|txn|timestamp|ts|epoch|unix|build|"
    r"bestell\w*|auftrag\w*|rechnung\w*|sendung\w*|paket\w*|artikel\w*|vorgang\w*|aktenzeichen|seriennummer|"
    r"commandes?|factures?|colis|dossier|suivi|référence|pedidos?|factura\w*|envío|referencia|ordine|ordini|fattura\w*|"
    r"spedizione|encomendas?|fatura\w*|bestelling\w*|factuur\w*|zamówieni\w*|zamowieni\w*|faktur\w*|przesyłk\w*|paczk\w*"
)
_UNSPACED_OF_OTHERS: Final = (
    "注文|受注|発注|伝票|追跡|請求書|品番|型番|商品|製品|会員|顧客|订单|訂單|运单|運單|快递|单号|單號|发票|發票|编号|流水|"
    "请求|用户|任务|申请|受付|リクエスト|요청|접수|주문|송장|영수증|상품|제품|회원|고객|계좌"
)
_LINKS: Final = frozenset(
    (
        *("a", "al", "am", "an", "at", "au", "auf", "bei", "by", "com", "de", "del", "der", "di", "do", "e"),
        *("es", "est", "este", "fi", "for", "für", "has", "i", "id", "ist", "is", "it", "jest", "je", "kom", "la"),
        *("le", "lautet", "los", "me", "mi", "mich", "moi", "mit", "my", "me", "na", "no", "nr", "num", "o"),
        *("of", "op", "or", "os", "pod", "por", "s", "su", "sul", "ten", "the", "to", "under", "unter", "über"),
        *("um", "us", "was", "via", "with", "y", "è", "é", "é", "à", "ê", "n°", "nº", "number", "numbers", "nummer"),
        *("suivant", "suivante", "siguiente", "seguinte", "seguente", "following"),
        *("numéro", "numero", "número", "numer", "numeru", "numerem", "num", "code", "card"),
    )
)
"""Words that may stand between a number and its name."""
_OF_SOMEBODY: Final = frozenset(
    (
        *("my", "our", "mein", "meine", "meiner", "unsere", "mon", "notre", "mi", "nuestro", "mio", "mia", "nostro"),
        *("meu", "nosso", "mijn", "mój", "moj", "pod"),
    )
)
_NUMBER: Final = frozenset((*("number", "nummer", "nr", "numéro", "numero", "número", "numer", "numerem"),))
"""Whose number it is, is said of phones: "my number is ..."; and under which one is reached."""

_NEVER: Final = "(?!)"


def _tagged() -> Iterator[tuple[str, str, str]]:
    """Each tag with its words, and with those of scripts without spaces."""
    yield PHONE, _WORDS_OF_PHONES, _UNSPACED_OF_PHONES
    yield OTHER, _WORDS_OF_OTHERS, _UNSPACED_OF_OTHERS
    yield ANY, identities.ALL_WORDS, identities.ALL_UNSPACED
    for row in (*(row for rows in identities.OF_DIGITS.values() for row in rows), *identities.WITH_LETTERS):
        yield row.name, row.words, row.unspaced or _NEVER


_TAGGED: Final = [(tag, re.compile(words), re.compile(unspaced)) for tag, words, unspaced in _tagged()]
_ALL: Final = re.compile("|".join(dict.fromkeys(words for _, words, _ in _tagged())))
_UNSPACED: Final = re.compile(f"[{UNSPACED}]")
_TOKEN: Final = re.compile(rf"[{UNSPACED}]+|[^\W\d_{UNSPACED}]+")
_PLAIN: Final = bytes(ord(chr(code).lower()) if code < 128 and chr(code).isalpha() else 32 for code in range(256))
"""What stands for each sign of ASCII where only its words count."""
_CLAUSE: Final = re.compile(r"(?:[^,;:=|{}\[\]\"\n。、，；.!?]|[.!?](?!\s))*")
_ENDS_CLAUSE: Final = frozenset(',;:=|{}[]"\n')
_UP_TO_CLAUSE: Final = re.compile(r".*[0-9;{}|\"\n]", re.DOTALL)
_UP_TO_NAME: Final = re.compile(r".*[0-9;{}|]", re.DOTALL)

_BEFORE: Final = 48
_AFTER: Final = 28


@lru_cache(8192)
def _tags(token: str) -> frozenset[str]:
    if _UNSPACED.match(token) is None:
        if _ALL.fullmatch(token) is None:
            return _NOTHING
        return frozenset(tag for tag, words, _ in _TAGGED if words.fullmatch(token))
    # Several words are one token: the last of them stands nearest to the number.
    ends = {
        tag: end
        for tag, _, unspaced in _TAGGED
        if (end := max((match.end() for match in unspaced.finditer(token)), default=0))
    }
    return frozenset(tag for tag, end in ends.items() if end == max(ends.values()))


def _plain(words: str) -> str:
    # By bytes, as a table for texts is built anew each time.
    return words.encode().translate(_PLAIN).decode() if words.isascii() else words.lower()


def _tokens(words: str) -> list[str]:
    # A name that is its first letters, with dots, is read without them: R.U.T.
    plain = _plain(words)
    if _LETTERS.search(plain) is not None:
        plain = _LETTERS.sub(_joined, plain)
    return plain.split() if plain.isascii() else _TOKEN.findall(plain)


_LETTERS: Final = re.compile(r"(?<!\w)[a-z](?:[ .][a-z]){1,4}(?!\w)")


def _joined(match: re.Match[str]) -> str:
    return match.group().replace(".", "").replace(" ", "")


@lru_cache(4096)
def _all_tags(plain: str) -> tuple[frozenset[str], bool]:
    """Of words without their digits: lines of a log, which differ in nothing else, are looked through once. And whether
    they speak of a number."""
    tokens = _tokens(plain)
    tags = _NOTHING.union(*map(_tags, tokens))
    return tags | _MY_NUMBER if "my number" in plain else tags, not _NUMBER.isdisjoint(tokens)


def _rest_of_clause(words: str, end: int) -> str:
    if words[end : end + 1] in _ENDS_CLAUSE:
        return ""
    clause = _CLAUSE.match(words, end, min(len(words), end + _AFTER))
    return clause.group() if clause is not None else ""


def is_of_nobody(words: str, start: int, end: int) -> bool:
    """Whether no word around the number says that it is the phone's or the identity number of somebody."""
    tags, is_a_number = _all_tags(_plain(words[max(0, start - _BEFORE) : start]))
    if is_a_number or not tags <= _OF_THINGS:
        return False
    after = _rest_of_clause(words, end)
    return not after or _all_tags(_plain(after))[0] <= _OF_THINGS


class Surroundings:
    """What the number at ``words[start:end]`` may be by the words around it.

    Tags are `PHONE`, `OTHER`, `ANY`, and the names of rows in `identities`. They are looked for when somebody asks:
    most numbers show without them what they are.
    """

    def __init__(self, words: str, start: int, end: int) -> None:
        self._place = (words, start, end)
        self._before = self._after = ""
        self._near: frozenset[str] | None = None
        self._named: frozenset[str] | None = None
        self._is_a_number = False

    @property
    def near(self) -> frozenset[str]:
        """By words before it, or after it in the same clause."""
        if self._near is None:
            words, start, end = self._place
            self._before = words[max(0, start - _BEFORE) : start]
            self._near, self._is_a_number = _all_tags(_plain(self._before))
            self._after = _rest_of_clause(words, end)
            self._near |= _all_tags(_plain(self._after))[0]
        return self._near

    @property
    def named(self) -> frozenset[str]:
        """By the word that leads up to it: nothing but `_LINKS` and signs stand between."""
        if self._named is None:
            self._named = _NOTHING
            if self.near or self._is_a_number:
                self._named = _leading_up(_from(_UP_TO_NAME, self._before))
        return self._named

    def is_of(self, name: str) -> bool:
        """Whether a word says that the number is of that kind, and none says that it is of another."""
        return name in self.named or (name in self.near and OTHER not in self.named)

    def is_of_any_state(self) -> bool:
        """Whether a word says that it is a tax payer's or so, and none says of which state."""
        return ANY in self.near and OTHER not in self.named and self.near <= _NO_STATE

    def is_of_phone(self) -> bool:
        """Whether a word of the same clause says so."""
        if PHONE in self.named:
            return True
        if PHONE not in self.near or OTHER in self.named:
            return False
        clause = _tokens(_from(_UP_TO_CLAUSE, self._before)) + _tokens(self._after)
        return any(PHONE in _tags(token) for token in clause)

    def may_be_identity(self) -> bool:
        """Whether a word names a number that a state has given out."""
        return not self.near <= _NO_IDENTITY


_PHONE: Final = frozenset({PHONE})
_MY_NUMBER: Final = frozenset({"JP My Number"})
"""Which is what Japan calls its own; whoever means a phone's has other check digits."""
_OF_THINGS: Final = frozenset({OTHER})
_NO_IDENTITY: Final = frozenset({PHONE, OTHER})
_NO_STATE: Final = frozenset({PHONE, OTHER, ANY})


def _from(cut_off: re.Pattern[str], before: str) -> str:
    before = before.rstrip(" |")  # The name of a number may be in the cell before it.
    cut = cut_off.match(before)
    return before[cut.end() :] if cut is not None else before


@lru_cache(4096)
def _leading_up(words: str) -> frozenset[str]:
    """What the last word says that has something to say, if nothing but links follow it."""
    following = ""
    for token in reversed(_tokens(words)):
        if tags := _tags(token):
            return tags
        if token in _OF_SOMEBODY and following in _NUMBER:
            return _PHONE | _MY_NUMBER
        if token not in _LINKS and not (len(token) <= 5 and _UNSPACED.match(token)):
            break
        following = token
    return _NOTHING

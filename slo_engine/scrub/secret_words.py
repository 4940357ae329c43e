# ruff: noqa: RUF001 - quotes and dashes of other languages are meant
"""Secrets that only the words before them give away: ``password=...``, ``Authorization: Bearer ...``, ``密码是...``.

A name is followed by a sign (``:``, ``=``) or by "is". What follows then is a secret if a program has written it so, or
if it looks like none of the words of a sentence: people write "my password is expired" too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from slo_engine.scrub.found import Match, positions
from slo_engine.scrub.reading import UNSPACED, Reading

_BEARER: Final = re.compile(
    # With a digit, or with the beginning of a key: "basic authentication" is neither.
    r"(?:bearer|basic)\s+((?:(?=[A-Za-z0-9._~+/=-]{0,2000}\d)|(?=[sp]k-))[A-Za-z0-9._~+/=-]{12,})",
    re.IGNORECASE,
)
_AUTHORIZATION: Final = re.compile(
    r"authorization[\\\"']{0,4}\s{0,3}[:=]\s{0,3}[\\\"']{0,4}(?:bearer|basic|token|apikey)\s{1,3}([A-Za-z0-9._~+/=-]{6,})",
    re.IGNORECASE,
)
_COOKIE: Final = re.compile(
    r"cookie[2\\\"']{0,4}\s{0,3}(?:[:=]|(?<=[\"']),)\s{0,3}b?[\\\"']{0,4}[\w.-]{1,64}="
    r"([^\s;,\"'\\]{1,4096}(?:; ?[\w.-]{1,64}=[^\s;,\"'\\]{0,4096}){0,50})",
    re.IGNORECASE,
)
"""Of the first cookie of a header on; as a line of it, or in a dict or a list of headers."""

_HEADERS: Final = (
    *(("bearer ", _BEARER), ("basic ", _BEARER)),
    *(("authorization", _AUTHORIZATION), ("cookie", _COOKIE)),
)

_GATES: Final = (
    *("pass", "pwd", "secre", "key", "token", "sig=", "signature="),
    *("wort", "geheim", "schl", "mdp", "jeton", "contrase", "segre", "parola", "ave"),
    *("senha", "wachtw", "sleutel", "haslo", "klucz"),
)
"""Pieces of the words below, in ASCII: few of them, as each is looked for in every text."""

_GATE_BEYOND_ASCII: Final = re.compile(
    "clé|hasło|пароль|şifre|lösenord|jelszó|κωδικός|mật khẩu|סיסמה|كلمة المرور|كلمة السر|पासवर्ड"
)

# Of words that are in others too, only the one that stands for itself: "enclave" and "desenhar" hold no secrets, and a
# "palabra clave" is a keyword.
_PASSWORDS: Final = (
    r"pass(?:word|wd|wort|phrase|code|ord)|(?:(?<=mot de )|(?<=palavra[ -]))passe|mdp|pwd|"
    r"(?<=kenn)wort|(?<=losungs)wort|geheim(?:zahl|nummer|wort)|contrase(?:ñ|n|ny)a|"
    r"(?<=cl)(?<![a-z]cl)(?<!palabra cl)ave|(?<![a-z])senha|"
    r"(?<![a-z])parola(?! chiave)(?: d['’ ]ordine)?|wachtwoord|(?<![a-z])has[łl]o|"
    "пароль|şifre|lösenord|jelszó|κωδικός|mật khẩu|סיסמה|كلمة المرور|كلمة السر|पासवर्ड"
)
_KEYS: Final = (
    r"secret|(?:(?<=api)|(?<=api[_ -])|(?<=access)|(?<=access_)|(?<=account)|(?<=account_))key|token|"
    r"(?<![A-Za-z])sig(?:nature)?(?==)|"
    r"schl(?:ü|ue)ssel|geheimnis|(?<![a-z])clé|jeton|secret[oa]|segret[oa]|segredo|"
    r"(?<=chi)ave|(?<=ch)(?<!palavra[ -]ch)ave|"
    r"sleutel|klucz"
)
_ADJECTIVES: Final = (
    r"(?:[ _-](?:api|d['’]api|de api|da api|dell['’]api|do api|"
    r"secr[eè]te|secreta|segreta|tajny|priv[eé]e|privada|privata|"
    r"provisoire|temporaire|initial|temporal|provisional|provisória|temporária|temporanea|provvisoria|tymczasowe|"
    r"d['’]acc[eè]s|d['’]accesso|di accesso|de acceso|de acesso|dost[eę]pu)){0,2}"
)
_OF_SOMETHING: Final = (
    r"(?P<of> (?:for|für|zum|zur|von|vom|im|pour|de|du|des|del|para|do|da|per|di|della|voor|van|dla)"
    r"(?: [\w'’@.-]{1,20}){1,4}?)?"
)
_QUOTES: Final = "[\\\\\"'„“”«»‘’「『]{0,4}"
_IS: Final = (
    r"(?:is|was|ist|lautet|est|es|era|è|é|jest|brzmi|luidt|sera|sarà|será|olarak|är|er|"
    r"(?<=[łl]o\s)to|(?<=klucz\s)to|(?<=klucz api\s)to)(?=[\s:])"
    r"(?:\s(?:(?:le|la|el|il|lo|o|a)\s)?(?:suivante?|siguiente|seguente|seguinte|folgendes|following))?"
    r"(?:\s{0,2}:)?"
)
_SPACED_VALUE: Final = rf"(?:[^\s\"'\\,;&<>{{}}()\[\]„“”«»{UNSPACED}]|&(?!\w{{1,30}}=)){{4,256}}"
_ASSIGNED: Final = re.compile(
    rf"(?:(?P<password>{_PASSWORDS})|(?:{_KEYS}))(?:[_-]?(?:access)?[_-]?key|_?id)?{_ADJECTIVES}{_OF_SOMETHING}"
    rf"(?P<sign>{_QUOTES}\s{{0,3}}(?::|=>?|(?<=\s){_IS})\s{{0,3}}{_QUOTES})(?P<value>{_SPACED_VALUE})",
    re.IGNORECASE,
)

# In scripts without spaces, a few letters may stand between the word, the sign, and what is no letter of the script.
_UNSPACED_PASSWORDS: Final = (
    "パスワード|パスフレーズ|パスコード|暗証番号|暗証|合い?言葉|密码|密碼|口令|비밀번호|패스워드|비번|암호|รหัสผ่าน"
)
_UNSPACED_KEYS: Final = "トークン|キー|秘密鍵|鍵|シークレット|密钥|密鑰|金鑰|令牌|私钥|토큰|비밀키|키|시크릿"
_UNSPACED_NAMED: Final = re.compile(
    rf"(?:(?P<password>{_UNSPACED_PASSWORDS})|(?:{_UNSPACED_KEYS}))"
    rf"(?P<sign>[ ]?(?:[(][^()\s]{{1,12}}[)])?[{UNSPACED}]{{0,6}}?{_QUOTES}\s{{0,2}}"
    rf"(?:[:=→\s]|[はがをに是为為成作는은가이를을]|(?=[「『]))\s{{0,3}}{_QUOTES}[「『“]?)"
    r"(?P<value>(?:(?![\"'\\,;&<>{}()\[\]])[!-~]|&(?!\w{1,30}=)){4,256})(?P<unit>\s?[位文桁字자个個글])?"
)

_PASSWORD: Final = re.compile(r"passw|pwd|secret_access_key=|SECRET[A-Z_]{0,20}=", re.IGNORECASE)
_NO_PASSWORD: Final = frozenset({"null", "none", "true", "false", "required", "optional", "string", "undefined"})
_NO_SECRET: Final = re.compile(
    r"\d{1,4}[-./:~–]\d{1,2}(?:[-./:]\d{1,4})?|.*://.*|\d{1,3}\+?|"
    r"(?:hmac-?)?(?:sha-?\d{1,3}|md5|base-?\d\d|utf-?\d+|aes-?\d+|oauth-?2|bcrypt|argon2i?d?|pbkdf2|[a-z]+\d+-bit)",
    re.IGNORECASE,
)
"""What sentences about secrets have digits in for: dates, lengths, links, and how secrets are kept."""
_MARK_INSIDE: Final = re.compile(r"\d|[a-z][A-Z]|[^\w\s.'’/-]")
"""What the words of a sentence do not have."""


def named_secrets(reading: Reading) -> Iterator[Match]:
    """What the words before it say is one."""
    text = reading.words
    lowered = text.lower()
    if len(lowered) != len(text):  # some letters grow: then positions in it say nothing
        lowered = text
    for word, pattern in [each for each in _HEADERS if each[0] in lowered]:
        for at in positions(lowered, word):
            match = pattern.match(text, at)
            if match is not None:
                yield Match(match.start(1), match.end(1), "secret")
    for word in [each for each in _GATES if each in lowered]:
        for at in positions(lowered, word):
            yield from _assigned(_ASSIGNED.match(text, at))
    if not text.isascii():
        for gate in _GATE_BEYOND_ASCII.finditer(lowered):
            yield from _assigned(_ASSIGNED.match(text, gate.start()))
    if reading.forms is not reading.words:
        for match in _UNSPACED_NAMED.finditer(text):
            if match["unit"] is None:
                yield from _assigned(match)


def _assigned(match: re.Match[str] | None) -> Iterator[Match]:
    if match is not None and _looks_secret(match):
        yield Match(match.start("value"), match.end("value"), "secret")


def _looks_secret(match: re.Match[str]) -> bool:
    """Prose says "password: ask Ada" and "token: 311"; programs write `=` and quotes."""
    value, sign = match["value"], match["sign"]
    is_written_by_a_program = any(each in sign for each in "=\"'„“”«»「『")
    has_digit = any(letter.isdigit() for letter in value)
    has_letter = any(letter.isalpha() for letter in value)
    if match["password"] is None and _PASSWORD.match(match.string, match.start()) is None:
        return len(value) >= (8 if is_written_by_a_program else 16) and has_digit and has_letter
    if value.lower() in _NO_PASSWORD:
        return False
    if is_written_by_a_program:
        return True
    said = value.rstrip(".!?:")
    if len(said) < 4 or _NO_SECRET.fullmatch(said) is not None:
        return False
    if ":" not in sign or match.groupdict().get("of"):
        return _MARK_INSIDE.search(said) is not None
    return has_digit or not said.isalnum()

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
    *("pass", "pw", "secre", "key", "token", "sig", "cod", "pin"),
    *("wort", "geheim", "schl", "mdp", "jeton", "contrase", "segre", "parola", "ave"),
    *("senha", "wachtw", "ww", "sleutel", "hasl", "klucz"),
)
"""Pieces of the words below, in ASCII: few of them, as each is looked for in every text."""

_GATE_BEYOND_ASCII: Final = re.compile(
    "clé|códi|hasł|kod dost[eę]pu|(?<=tajny )kod|пароль|şifre|lösenord|jelszó|κωδικός|mật khẩu|סיסמה|كلمة المرور|"
    "كلمة السر|पासवर्ड"
)

# Of words that are in others too, only the one that stands for itself: "enclave" and "desenhar" hold no secrets, and a
# "palabra clave" is a keyword.
_ALONE: Final = r"(?<![a-z]){}(?![a-z])"
_PASSWORDS: Final = (
    r"pass(?:word|wd|wort|phrase|code|ord)|(?:(?<=mot de )|(?<=palavra[ -]))passe|mdp|pwd|"
    rf"{_ALONE.format('(?:pw|ww)')}|(?<=code )secret(?![a-z])|"
    r"(?<=kenn)wort|(?<=losungs)wort|geheim(?:zahl|nummer|wort)|contrase(?:ñ|n|ny)a|"
    r"(?:(?<=wlan-)|(?<=wlan)|(?<=wifi-)|(?<=wi-fi-)|(?<=netzwerk))schl(?:ü|ue)ssel|"
    r"(?P<other>(?<=cl)(?<![a-z]cl)(?<!palabra cl)(?<!palabras cl)ave)|(?<![a-z])senha|"
    r"(?<![a-z])parola(?! chiave)(?: d['’ ]ordine)?|wachtwoord|(?<![a-z])has[łl](?:o|em|a)|"
    "пароль|şifre|lösenord|jelszó|κωδικός|mật khẩu|סיסמה|كلمة المرور|كلمة السر|पासवर्ड"
)
# Codes that let somebody in; most codes are those of errors and of goods.
_ACCESS_CODES: Final = (
    r"(?:(?<=access )|(?<=login )|(?<=security )|(?<=unlock )|(?<=secret )|(?<=zugangs)|(?<=zugriffs)|(?<=sicherheits)|"
    r"(?<=entsperr)|(?<=toegangs)|(?<=inlog)|(?<=beveiligings))code|(?<![a-z])code d['’]acc[eè]s|"
    r"c[oó]digo (?:de acc?ess?o|secreto|de seguridad|de segurança)|"
    r"codice (?:(?:di |d['’])accesso|segreto|di sicurezza)|"
    r"(?<![a-z])kod dost[eę]pu|(?<=tajny )kod(?![a-z])"
)
_PINS: Final = r"(?<![a-z])pin(?:[ -]?(?:codes?|code|nummer|number|no\.?|nr\.?|kod))?(?![a-z])"
_HARDLY_PASSWORDS: Final = rf"{_ALONE.format('pass')}|(?<=parola chi)ave"
"""A test passes too, and an Italian keyword has the same name: only what is made up is a password."""
_KEYS: Final = (
    r"secret(?! key)|"
    r"(?:(?<=secret )|(?<=api)|(?<=api[_ -])|(?<=access)|(?<=access_)|(?<=account)|(?<=account_))key|token|"
    r"(?<![A-Za-z])sig(?:nature)?(?==)|"
    r"schl(?:ü|ue)ssel|geheimnis|(?<![a-z])clé|jeton|secret[oa]|segret[oa]|segredo|"
    r"(?<=chi)ave|(?<=ch)(?<!palavra[ -]ch)ave|"
    r"sleutel|klucz"
)
_ADJECTIVES: Final = (
    r"(?:[ _-](?:api|d['’]api|de api|da api|dell['’]api|do api|wi-?fi|wlan|"
    r"secr[eè]te|secreta|segreta|tajny|priv[eé]e|privada|privata|"
    r"provisoire|temporaire|initial|temporal|provisional|inicial|provisória|temporária|temporanea|provvisoria|iniziale|"
    r"antigua|antiga|nueva|nova|nuova|vecchia|actual|attuale|actuel|tymczasowe|pocz[aą]tkowe|startowe|nowe|"
    r"d['’]acc[eè]s|d['’]accesso|di accesso|de acceso|de acesso|dost[eę]pu)){0,2}"
)
_OF_SOMETHING: Final = (
    r"(?P<of> (?:for|of|für|zum|zur|von|vom|im|pour|de|du|des|del|para|do|da|per|di|della|voor|van|dla)"
    r"(?: [\w'’@.-]{1,20}){1,4}?)?"
)
# Quotes, and what Markdown makes a name bold with.
_QUOTES: Final = "[\\\\\"'„“”«»‘’「『【*`]{0,4}"
_OPENS: Final = "„“«‘「『【"
"""Quotes that no program writes: what stands in them is what was named."""
_IS: Final = (
    r"(?:is|was|ist|lautet|est|es|era|è|e['’]|é|jest|brzmi|luidt|sera|sarà|será|olarak|är|er|it['’]s|c['’]est|"
    r"to)"
    r"(?=[\s:])"
    r"(?:\s(?:(?:le|la|el|il|lo|o|a)\s)?(?:suivante?|siguiente|seguente|seguinte|folgendes|following))?"
    r"(?:\s{0,2}:)?"
)
_SPACED_VALUE: Final = rf"(?:[^\s\"'\\,;&<>{{}}()\[\]„“”«»{UNSPACED}]|&(?!\w{{1,30}}=)){{4,256}}"
_CELL: Final = r"[ ]{0,3}[|\t][ ]{0,3}"
"""From one cell of a table to the next."""
_ASSIGNED: Final = re.compile(
    rf"(?:(?P<password>{_PASSWORDS}|{_ACCESS_CODES})|(?P<pin>{_PINS})|(?P<hardly>{_HARDLY_PASSWORDS})|(?:{_KEYS}))"
    rf"(?:[_-]?(?:access)?[_-]?key|_?id)?{_ADJECTIVES}{_OF_SOMETHING}"
    rf"(?P<sign>{_QUOTES}(?:\s{{0,3}}(?::|=>?)[ *]{{0,2}}\s{{0,3}}|(?:,|\s[-–—])?\s{{1,3}}{_IS}\s{{0,3}}"
    rf"|[ ]?[はが是为為은는이가][ ]?:?|{_CELL}|>"
    # Nothing but a blank or a quote, where the name is not followed by whose it is.
    rf"|(?(of)(?!))(?:[ \u00a0](?:[-–—→][ ])?|(?=[{_OPENS}])))"
    rf"{_QUOTES}(?:(?<=«)\s)?)(?P<value>{_SPACED_VALUE})",
    re.IGNORECASE,
)

# In scripts without spaces, a few letters may stand between the word, the sign, and what is no letter of the script.
_UNSPACED_PASSWORDS: Final = (
    "パスワード|パスフレーズ|パスコード|アクセスコード|暗証番号|暗証|合い?言葉|密码|密碼|口令|"
    "비밀번호|패스워드|비번|암호|접속 ?코드|รหัสผ่าน"
)
_UNSPACED_PINS: Final = f"(?<![A-Za-z])PIN(?=[{UNSPACED}])|핀 ?번호|핀 ?코드"
_UNSPACED_KEYS: Final = "トークン|キー|秘密鍵|鍵|シークレット|密钥|密鑰|金鑰|令牌|权杖|權杖|私钥|토큰|비밀키|키|시크릿"
_UNSPACED_NAMED: Final = re.compile(
    rf"(?:(?P<password>{_UNSPACED_PASSWORDS})|(?P<pin>{_UNSPACED_PINS})|(?:{_UNSPACED_KEYS}))"
    rf"(?P<sign>[ ]?(?:[(][^()\s]{{1,12}}[)])?[{UNSPACED}]{{0,6}}?{_QUOTES}\s{{0,2}}"
    rf"(?:[:=→\s]|[はがをに是为為成作는은가이를을]|{_CELL}|(?=[{_OPENS}]))[ *]{{0,2}}\s{{0,3}}{_QUOTES}[{_OPENS}]?"
    r"|(?=[!-~]))"  # or nothing at all
    r"(?P<value>(?:(?![\"'\\,;&<>{}()\[\]])[!-~]|&(?!\w{1,30}=)){4,256})(?P<unit>\s?[位文桁字자個个글])?"
)

_UNSPACED_GATE: Final = re.compile(
    "パス|アクセ|暗証|合い?言|密[码碼钥鑰]|口令|비밀|패스|비번|암호|접속|รหัส|PIN|핀|トー|キー|秘密|鍵|シー|金鑰|令牌|权杖|權杖|私钥|토큰|키|시크"
)
"""How those words begin: letters alone, which `re` runs through fast."""
_MORE: Final = {
    "pass": r"pass(?:[wpc]|ord|e(?<=mot de passe)|e(?<=palavra.passe)|(?![a-z]))",
    "token": r"token(?![a-jl-z])",
    "pw": r"pw(?:d|(?<![a-z]pw)(?![a-z]))",
    "ww": r"ww(?<![a-z]ww)(?![a-z])",
    "pin": r"pin(?<![a-z]pin)(?:[cnk]|(?![a-z]))",
    "cod": r"cod(?:e(?: d['’]acc|(?<=[snykt] code)|(?<=[srg]code))|igo |ice )",
    "sig": r"sig(?:nature)?=",
    "key": r"key(?:(?<=api.key)|(?<=apikey)|(?<=access.key)|(?<=[st]key)|(?<=account.key)|(?<=secret.key))",
    "ave": r"ave(?:(?<=clave)|(?<=chave)|(?<=chiave))",
}
"""For pieces that are in many words of other meanings, what more must stand there, in lower case."""
_GUARDS: Final = {word: re.compile(pattern) for word, pattern in _MORE.items()}

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
_WORDS: Final = re.compile(r"[^\W\d_]+(?:[-'’./][^\W\d_]+)*")
_ORDINAL: Final = re.compile(
    r"[vV]?\d+(?:\.\d+)*(?:-[A-Za-z-]{1,20}|[a-z]{1,12})?|[A-Za-z]{1,12}(?:\d|-\d\d?|\d?\.\d)|.*[/:@].*\..*|.*[()].*"
)
"""What prose has digits in for, right behind such a word: 12-digit, 3rd, v2, level-3, an address."""
_DIGIT: Final = re.compile(r"[0-9]")
_CAMEL: Final = re.compile(r"[a-z][A-Z]")
_CALL: Final = re.compile(rf"[A-Za-z_][A-Za-z_0-9.]{{0,80}}\((?![{UNSPACED}])")
_GOES_ON: Final = re.compile(rf"[(\[](?![{UNSPACED}])| = | \| None")
_GOES_ON_SMALL: Final = re.compile(r" [a-z]")
_MADE_UP_KEY: Final = re.compile(r"(?=\D*\d\D*\d)(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9+/=_]{20,}|[A-Za-z0-9+/=_-]{24,}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_STATEMENTS: Final = re.compile(
    # What is said of a password behind a colon: by language, that it is forgotten, wrong, wanted, changed or expired;
    # to look somewhere; and words that begin a sentence. Those of less than four letters are no password anyway.
    r"forg[eo]t\w*|lost|reset\w*|chang\w*|expir\w*|wrong|mandatory|missing|empty|hidden|unknown|unset|please|must|should|"
    r"minim\w*|maxim\w*|least|same|this|that|with|your|with|from|when|what|only|also|will|have|need\w*|enter\w*|type\w*|"
    r"choose|click|open|check|settings?|account|protected|encrypted|hashed|plain|text|secret(?:str|bytes)?|strings?|bytes|varchar|"
    r"char|bool|boolean|expected|final|redacted|masked|omitted|removed|n/a|yes|requires?|supported|length|policy|below|above|attached|"
    r"incorr\w*|invalid\w*|erron\w*|required|obligat\w*|option\w*|opcional\w*|"
    r"vergess\w*|falsch\w*|ungültig\w*|abgelaufen\w*|erforderlich\w*|geändert|ändern|zurück\w*|bitte|muss|mindest\w*|"
    r"höchst\w*|siehe|einstellung\w*|konto|unbekannt|fehl\w*|leer|eingeben|pflicht\w*|wird|wurde|nicht|kein\w*|"
    r"oubli\w*|perdu\w*|expiré\w*|faux|requis\w*|réinit\w*|changé\w*|modif\w*|veuillez|merci|doit|moins|voir|saisi\w*|"
    r"réglages?|paramètres?|compte|manquant\w*|inconnu\w*|pour|dans|avec|votre|"
    r"olvid\w*|perdid\w*|caducad\w*|errón\w*|equivocad\w*|requerid\w*|restable\w*|cambi\w*|debe\w*|mínim\w*|véase|ajustes|"
    r"config\w*|cuenta|introdu\w*|favor|para|como|desconocid\w*|"
    r"dimentic\w*|smarrit\w*|scadut\w*|errat\w*|sbagliat\w*|richiest\w*|reimpost\w*|deve|devono|almeno|vedi|impostazion\w*|"
    r"inser\w*|prego|grazie|mancante|non|"
    r"esque\w*|errad\w*|alter\w*|redefin\w*|obrigat\w*|mudar|mudad\w*|pelo|menos|consult\w*|definições|conta|digit\w*|"
    r"vergeten|onjuist\w*|ongeldig\w*|verlopen|verplicht\w*|wijzig\w*|gewijzigd|moet\w*|minstens|zie|instelling\w*|"
    r"invoeren|graag|geen|niet|"
    r"zapomn\w*|nieprawid\w*|błędn\w*|wygas\w*|wymagan\w*|zmian\w*|zmień|zmieni\w*|zresetow\w*|musi\w*|minimum|patrz|"
    r"ustawieni\w*|prosz\w*|podaj|wpisz|brak|jest",
    re.IGNORECASE,
)
_TO_CHANGE: Final = re.compile(
    r"\b(?:change|reset|update|ändern|changer|modifier|réinitialiser|cambiar|restablecer|cambiare|reimpostare|mudar|"
    r"alterar|redefinir|wijzig|wijzigen|zmiana|zmień)(?: [\w'’-]{1,12}){0,3}[ -]?\Z",
    re.IGNORECASE,
)
"""The title of a chapter: "Changer le mot de passe : ..."."""
_BEGINS_CLAUSE: Final = re.compile(r"(?:^|[\n/,:;|(*>.!?{\"'-]|\bmi|\btu|\bsu|\bnueva)\s?(?:cl)?\Z", re.IGNORECASE)
_BEGINS_ROW: Final = re.compile(r"(?:^|\n)[| *]{0,4}[^|\t\n]{0,24}\Z")
_HEAD_OF_TABLE: Final = re.compile(r"[^\n]*\n[ ]?\|?[ ]?:?-{2,}")


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
        yield from _of_word(text, lowered, word)
    if not text.isascii():
        yield from _beyond_ascii(reading, lowered)


def _of_word(text: str, lowered: str, word: str) -> Iterator[Match]:
    guard = _GUARDS.get(word)
    if word == "pin" and guard is not None:  # so many words hold it that a pattern is quicker
        for found in guard.finditer(lowered):
            yield from _assigned(_ASSIGNED.match(text, found.start()))
        return
    at = lowered.find(word)
    while at != -1:
        if guard is None or guard.match(lowered, at) is not None:
            yield from _assigned(_ASSIGNED.match(text, at))
        at = lowered.find(word, at + 1)


def _beyond_ascii(reading: Reading, lowered: str) -> Iterator[Match]:
    text = reading.words
    for gate in _GATE_BEYOND_ASCII.finditer(lowered):
        yield from _assigned(_ASSIGNED.match(text, gate.start()))
    if reading.forms is not text:
        for gate in _UNSPACED_GATE.finditer(text):
            match = _UNSPACED_NAMED.match(text, gate.start())
            if match is not None and match["unit"] is None:
                yield from _assigned(match)


def _assigned(match: re.Match[str] | None) -> Iterator[Match]:
    if match is not None and _looks_secret(match):
        end = match.end("value")
        if "=" not in match["sign"]:
            end = match.start("value") + len(match["value"].rstrip(".*`:"))  # of the sentence, and of Markdown
        yield Match(match.start("value"), end, "secret")


def _looks_secret(match: re.Match[str]) -> bool:
    """By what names it, and by the sign between."""
    named, sign = match.groupdict(), match["sign"]
    said = match["value"].rstrip(".!?:*`|")
    if sign.endswith(">") and "=" not in sign and not _is_tag(match):
        return False
    if named["pin"] is not None:
        return said.isdigit() and 4 <= len(said) <= 8 and (bool(sign.strip(" ")) or match["pin"].isupper())
    if named.get("hardly") is not None:
        is_told = "\n" not in sign and sign.strip(" `*\"'") not in {"", "to"}
        return is_told and _DIGIT.search(said) is not None and _is_made_up(said) and not _is_call(match)
    if named["password"] is not None or _PASSWORD.match(match.string, match.start()) is not None:
        return _is_password(match, said)
    return _is_key(match, said)


def _is_tag(match: re.Match[str]) -> bool:
    """Whether it is `<password>x</password>`, and not what follows the end of such a pair."""
    text = match.string
    opened = text.rfind("<", max(0, match.start() - 40), match.start())
    return opened != -1 and text[opened + 1] != "/" and text.startswith("</", match.end("value"))


def _is_written_by_a_program(sign: str) -> bool:
    return sign.endswith(">") or any(each in sign for each in "=\"'„“”«»「『【")


def _is_key(match: re.Match[str], said: str) -> bool:
    """What names a key names the number of its signs too, and the like: only what looks like one is."""
    value, sign = match["value"], match["sign"]
    if sign == "=" and match.string[: match.start()].rstrip(_OF_NAMES)[-1:] in {"?", "&"}:
        return len(value) >= 8 and (_DIGIT.search(value) is not None or _CAMEL.search(value) is not None)
    if _NO_SECRET.fullmatch(said) is not None:
        return False
    if not sign.strip():
        return _MADE_UP_KEY.fullmatch(said) is not None and _UUID.fullmatch(said) is None
    has_digit = any(letter.isdigit() for letter in value)
    has_letter = any(letter.isalpha() for letter in value)
    return len(value) >= (8 if _is_written_by_a_program(sign) else 16) and has_digit and has_letter


_OF_NAMES: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-"


def _is_password(match: re.Match[str], said: str) -> bool:
    """What a colon leads up to is one, whatever it looks like; what a verb or a blank does may be any word."""
    value, sign = match["value"], match["sign"]
    if value.lower() in _NO_PASSWORD or len(said) < 4:
        return False
    is_cell = "|" in sign or "\t" in sign
    if (is_cell and "|" in said) or ("=" in sign and _is_call(match)):
        return False
    if sign == "|" and _BEGINS_ROW.search(match.string[max(0, match.start() - 40) : match.start()]) is None:
        return False  # as in a pattern: pushd|pwd|read
    is_assigned = any(each in sign for each in ":=>") or is_cell
    if is_assigned and not is_cell and _is_written_by_a_program(sign):
        return True
    if _NO_SECRET.fullmatch(said) is not None:
        return False
    if not is_assigned:
        if any(each in sign for each in _OPENS):
            return _STATEMENTS.fullmatch(said) is None
        return _MARK_INSIDE.search(said) is not None if sign.strip() else _is_made_up(said)
    if _WORDS.fullmatch(said) is not None:
        return _is_told(match, said, is_cell=is_cell)
    if (match.groupdict().get("of") or "").count(" ") > 4:
        return _MARK_INSIDE.search(said) is not None
    return any(letter.isdigit() for letter in said) or not said.isalnum()


def _is_call(match: re.Match[str]) -> bool:
    return _CALL.match(match.string, match.start("value")) is not None


def _is_made_up(said: str) -> bool:
    """Whether nobody takes it for a word, or for what prose has digits in for."""
    has_letter = any(letter.isalpha() for letter in said)
    return (
        len(said) >= 6
        and has_letter
        and _WORDS.fullmatch(said) is None
        and _MARK_INSIDE.search(said) is not None
        and _ORDINAL.fullmatch(said) is None
        and _NO_SECRET.fullmatch(said) is None
    )


def _is_told(match: re.Match[str], said: str, *, is_cell: bool) -> bool:
    """Whether a word behind a colon, or in the next cell, is a password: people choose words."""
    text, start, end = match.string, match.start(), match.end("value")
    if "\n" in match["sign"] or match["value"].endswith(":"):
        return False
    # Types, calls and sentences follow the names of arguments.
    if _GOES_ON.match(text, end) is not None or (said[0].isupper() and _GOES_ON_SMALL.match(text, end) is not None):
        return False
    if _STATEMENTS.fullmatch(said) is not None or _TO_CHANGE.search(text[max(0, start - 40) : start]) is not None:
        return False
    before = text[max(0, start - 40) : start]
    if match.groupdict().get("other") is not None and _BEGINS_CLAUSE.search(before) is None:
        return False
    return not is_cell or (_BEGINS_ROW.search(before) is not None and _HEAD_OF_TABLE.match(text, end) is None)

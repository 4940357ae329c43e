"""Whether the check digits of a number are right, each as its issuer has fixed it.

All take the number without separators, letters in upper case, of the form that `identities` has fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

Check = Callable[[str], bool]


def _sum(digits: Iterable[str], weights: Iterable[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _is_date(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31


def luhn(digits: str) -> bool:
    """Whether the last digit of a card number is the one that the others ask for (ISO/IEC 7812-1)."""
    return (sum(map(int, digits[-1::-2])) + sum(map(int, digits[-2::-2].translate(_DOUBLED)))) % 10 == 0


_DOUBLED: Final = str.maketrans("0123456789", "0246813579")
"""The digits of the double, summed up."""


def mod_97(iban: str) -> bool:
    """Whether the check digits of an IBAN are right (ISO 7064, MOD 97-10)."""
    return int("".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])) % 97 == 1


def sums_to_zero(weights: Iterable[int], modulus: int) -> Check:
    """A check for numbers whose digits, times these weights, sum up to a multiple of the modulus."""
    weights = tuple(weights)

    def check(digits: str) -> bool:
        return _sum(digits, weights) % modulus == 0

    return check


def german_tax_id(digits: str) -> bool:
    """ISO 7064, MOD 11,10."""
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return digits[0] != "0" and (11 - product) % 10 == int(digits[10])


def german_pension(number: str) -> bool:
    """Area, day of birth, letter of the name, serial number, check digit."""
    digits = f"{number[:8]}{ord(number[8]) - 64:02d}{number[9:11]}"
    weighted = _sum_of_digits(int(digit) * weight for digit, weight in zip(digits, _PENSION, strict=True))
    return weighted % 10 == int(number[11])


_PENSION: Final = (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)


def _sum_of_digits(numbers: Iterable[int]) -> int:
    return sum(sum(map(int, str(each))) for each in numbers)


def french_social(number: str) -> bool:
    """Corsica's departments, 2A and 2B, count as 19 and 18."""
    plain = int(number[:13].replace("2A", "19").replace("2B", "18"))
    return 97 - plain % 97 == int(number[13:])


def french_tax(digits: str) -> bool:
    """SPI: the last three digits are what is left of the others."""
    return int(digits[:10]) % 511 == int(digits[10:])


def spanish_identity(number: str) -> bool:
    """Of citizens (DNI), and of foreigners (NIE), where X, Y and Z stand for 0, 1 and 2."""
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number[:-1].translate(_NIE)) % 23] == number[-1]


_NIE: Final = str.maketrans("XYZ", "012")


def spanish_company(number: str) -> bool:
    """CIF; some kinds of companies have a letter for the check digit."""
    doubled = _sum_of_digits(2 * int(digit) for digit in number[1:8:2])
    control = -(doubled + sum(map(int, number[2:8:2]))) % 10
    return number[8] in {str(control), "JABCDEFGHI"[control]}


def italian_person(code: str) -> bool:
    """Letters and digits count differently at odd places."""
    total = 0
    for at, letter in enumerate(code[:15]):
        value = int(letter) if letter.isdigit() else ord(letter) - 65
        total += _ITALIAN_ODD[value] if at % 2 == 0 else value
    return chr(65 + total % 26) == code[15]


_ITALIAN_ODD: Final = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)


def portuguese_tax(digits: str) -> bool:
    """NIF, of persons and companies."""
    rest = _sum(digits, range(9, 1, -1)) % 11
    return int(digits[8]) == (0 if rest < 2 else 11 - rest)


def polish_person(digits: str) -> bool:
    """The century is in the month."""
    is_right = _sum(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0
    return is_right and _is_date(int(digits[2:4]) % 20, int(digits[4:6]))


def brazilian_person(digits: str) -> bool:
    """CPF; all digits alike pass, and are nobody's."""
    return len(set(digits)) > 1 and all(
        _sum(digits[:known], range(known + 1, 1, -1)) * 10 % 11 % 10 == int(digits[known]) for known in (9, 10)
    )


def brazilian_company(number: str) -> bool:
    """CNPJ; letters, which are in new ones, count by their code."""
    values = [ord(letter) - 48 for letter in number]
    for known in (12, 13):
        weights = _CNPJ[13 - known :]
        rest = sum(value * weight for value, weight in zip(values, weights, strict=False)) % 11
        if values[known] != (0 if rest < 2 else 11 - rest):
            return False
    return len(set(number)) > 1


_CNPJ: Final = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)


def japanese_person(digits: str) -> bool:
    """My Number."""
    rest = _sum(digits, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return int(digits[11]) == (0 if rest < 2 else 11 - rest)


def chinese_resident(number: str) -> bool:
    """ISO 7064, MOD 11-2, with the day of birth inside."""
    rest = _sum(number[:17], (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11
    is_right = "10X98765432"[rest] == number[17]
    return is_right and number[6:8] in {"18", "19", "20"} and _is_date(int(number[10:12]), int(number[12:14]))


def korean_resident(digits: str) -> bool:
    """Foreigners have a check digit two higher."""
    if not _is_date(int(digits[2:4]), int(digits[4:6])):
        return False
    check = (11 - _sum(digits[:12], (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10
    return int(digits[12]) in ({check, (check + 2) % 10} if digits[6] in "5678" else {check})


def korean_company(digits: str) -> bool:
    """Of the tax office, for those who do business."""
    total = _sum(digits, (1, 3, 7, 1, 3, 7, 1, 3, 5)) + int(digits[8]) * 5 // 10
    return -total % 10 == int(digits[9])


def taiwanese_person(number: str) -> bool:
    """The letter of the first place of residence counts as two digits."""
    area = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(number[0]) + 10
    return _sum(f"{area}{number[1:]}", (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)) % 10 == 0


def hong_kong_person(number: str) -> bool:
    """One or two letters, six digits, and one that stands in brackets."""
    values = [36, *(int(letter, 36) for letter in number)][-9:]
    return sum(value * weight for value, weight in zip(values, range(9, 0, -1), strict=True)) % 11 == 0


def singaporean_person(number: str) -> bool:
    """NRIC and FIN, which differ by their first letter."""
    total = _sum(number[1:8], (2, 7, 6, 5, 4, 3, 2)) + {"T": 4, "G": 4, "M": 3}.get(number[0], 0)
    if number[0] == "M":
        return "KLJNPQRTUWX"[10 - total % 11] == number[8]
    return ("JZIHGFEDCBA" if number[0] in "ST" else "XWUTRQPNMLK")[total % 11] == number[8]


def british_health(digits: str) -> bool:
    """NHS number; ten digits alike are nobody's."""
    return (11 - _sum(digits[:9], range(10, 1, -1)) % 11) % 11 == int(digits[9]) and len(set(digits)) > 1


def belgian_person(digits: str) -> bool:
    """Who was born since 2000 has a 2 before the number, which is not written."""
    month, day = int(digits[2:4]) % 20, int(digits[4:6])
    is_right = any(97 - int(century + digits[:9]) % 97 == int(digits[9:]) for century in ("", "2"))
    return is_right and month <= 12 and day <= 31


def ean_13(digits: str) -> bool:
    """As on goods; Switzerland's social insurance has taken it over."""
    return _sum(digits, (1, 3) * 7) % 10 == 0


def austrian_social(digits: str) -> bool:
    """The check digit is the fourth; the day of birth follows."""
    rest = _sum(digits, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11
    return rest == int(digits[3]) and _is_date((int(digits[6:8]) - 1) % 12 + 1, int(digits[4:6]))


def swedish_person(digits: str) -> bool:
    """With or without the century; for those without a fixed number, the day is 60 higher."""
    short = digits[-10:]
    return luhn(short) and _is_date(int(short[2:4]), int(short[4:6]) % 60)


def finnish_person(number: str) -> bool:
    """Day of birth, a sign of the century, of which a letter is left, serial number, check sign."""
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(number[:6] + number[-4:-1]) % 31] == number[-1] and _is_date(
        int(number[2:4]), int(number[:2])
    )


def norwegian_person(digits: str) -> bool:
    """Two check digits, each over all before it."""
    first = _sum(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11
    return first == 0 and _sum(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def irish_person(number: str) -> bool:
    """PPS number, with one letter or two."""
    second = ord(number[8]) - 64 if number[8:] not in {"", "W"} else 0
    return "WABCDEFGHIJKLMNOPQRSTUV"[(_sum(number[:7], range(8, 1, -1)) + 9 * second) % 23] == number[7]


def czech_person(digits: str) -> bool:
    """Birth numbers can be divided by eleven; women have a month 50 higher."""
    return int(digits) % 11 == 0 and _is_date(int(digits[2:4]) % 50 % 20, int(digits[4:6]))


def romanian_person(digits: str) -> bool:
    """Sex and century, day of birth, district, serial number, check digit."""
    check = _sum(digits[:12], (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return int(digits[12]) == (1 if check == 10 else check) and _is_date(int(digits[3:5]), int(digits[5:7]))


def turkish_person(digits: str) -> bool:
    """Two check digits."""
    values = list(map(int, digits))
    tenth = (sum(values[0:9:2]) * 7 - sum(values[1:8:2])) % 10
    return values[9] == tenth and sum(values[:10]) % 10 == values[10]


def verhoeff(digits: str) -> bool:
    """Of India's Aadhaar: the group of the symmetries of a pentagon, with one permutation after the other."""
    check = 0
    for at, digit in enumerate(reversed(digits)):
        permuted = int(digit)
        for _ in range(at % 8):
            permuted = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[permuted]
        if check < 5:
            check = (check + permuted) % 5 + (5 if permuted >= 5 else 0)
        else:
            check = (check - permuted) % 5 + (0 if permuted >= 5 else 5)
    return check == 0


def chilean_person(number: str) -> bool:
    """RUT; the check digit may be a K."""
    total = sum(int(digit) * (2 + at % 6) for at, digit in enumerate(reversed(number[:-1])))
    return "0123456789K"[-total % 11] == number[-1]


def mexican_person(code: str) -> bool:
    """CURP: the name, day of birth and state in letters."""
    letters = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
    return -sum(letters.index(letter) * (18 - at) for at, letter in enumerate(code[:17])) % 10 == int(code[17])


def argentine_tax(digits: str) -> bool:
    """CUIT and CUIL."""
    check = -_sum(digits[:10], (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return check == int(digits[10])


def unchecked(number: str) -> bool:
    """The issuer has fixed no check digit: the form must do."""
    return bool(number)

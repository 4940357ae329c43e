# ruff: noqa: RUF001
from random import Random

import pytest

from slo_engine.scrub.scrubber import Scrubber
from tests.scrub.language_tables import TABLES
from tests.scrub.languages import SEED, gone, samples, score
from tests.scrub.national_numbers import NUMBERS, iban, luhn, valid_somewhere


@pytest.mark.parametrize("code", TABLES)
def test_secrets_disappear_and_look_alikes_stay(code: str) -> None:
    result = score(code, Scrubber().scrub)

    assert result.recall >= 0.95, f"{result.recall:.3f}: {result.missed[:10]}"
    assert result.precision >= 0.98, f"{result.precision:.3f}: {result.harmed[:10]}"


@pytest.mark.parametrize("code", TABLES)
def test_the_texts_hold_what_they_say_and_depend_on_the_seed_alone(code: str) -> None:
    made = list(samples(code))

    assert 150 <= len(made) <= 300
    assert made == list(samples(code, SEED))
    assert made != list(samples(code, SEED + 1))
    for sample in made:
        assert all(secret in sample.text for _, secret in sample.entities)
        assert all(keep in sample.text for keep in sample.keeps)
        assert not any(secret in keep for _, secret in sample.entities for keep in sample.keeps)
        assert sample.entities or sample.keeps, sample.text
        assert not set("{⟦⟧") & set(
            sample.text.replace('{"', "").replace("{'", "").replace("{ ", "").replace("{\\", "")
        )


def test_a_scrubber_that_does_nothing_finds_nothing_and_one_that_takes_all_is_not_precise() -> None:
    nothing, everything = score("de", lambda text: text), score("de", lambda _: "[ALL]")

    assert (nothing.recall, nothing.harmed) == (0.0, ())
    assert everything.recall == 1.0
    assert everything.precision < 0.7


@pytest.mark.parametrize(
    ("kind", "valid"),
    [
        ("de_steuer_id", "86095742719"),
        ("de_rvnr", "65170839J003"),
        ("at_svnr", "1237010180"),
        ("ch_ahv", "7569217076985"),
        ("fr_nir", "255081416802538"),
        ("be_national", "85073003328"),
        ("es_dni", "12345678Z"),
        ("es_nie", "X1234567L"),
        ("ar_cuit", "20123456786"),
        ("cl_rut", "123456785"),
        ("it_codice_fiscale", "RSSMRA85T10A562S"),
        ("it_partita_iva", "07643520567"),
        ("pt_nif", "123456789"),
        ("br_cpf", "52998224725"),
        ("br_cnpj", "11222333000181"),
        ("nl_bsn", "111222333"),
        ("pl_pesel", "44051401359"),
        ("pl_nip", "1234563218"),
        ("jp_my_number", "123456789018"),
        ("cn_resident", "11010519491231002X"),
        ("tw_national", "A123456789"),
        ("hk_identity", "A1234563"),
        ("kr_business", "1208147521"),
        ("gb_nhs", "9434765919"),
        ("ca_sin", "046454286"),
    ],
)
def test_the_check_digits_are_those_of_known_numbers(kind: str, valid: str) -> None:
    assert NUMBERS[kind].valid(valid)
    wrong = valid[:3] + str((int(valid[3]) + 1) % 10) + valid[4:] if valid[3].isdigit() else valid[:-1] + "A"
    assert not NUMBERS[kind].valid(wrong)


def test_what_is_made_is_valid() -> None:
    rng = Random(SEED)
    for number in NUMBERS.values():
        if number.checked:
            assert all(number.valid(number.make(rng)) for _ in range(20)), number.kind
            assert valid_somewhere(number.make(rng))
    assert iban(rng, "GB")[:2] == "GB"
    assert luhn("4111111111111111")
    assert not luhn("4111111111111112")


def test_a_secret_is_gone_when_no_piece_of_it_is_left() -> None:
    assert gone("phone", "０９０−１２３４−５６７８", "電話は[PHONE]です")
    assert not gone("phone", "０９０−１２３４−５６７８", "電話は090-1234-5678です")
    assert not gone("card", "4111 1111 1111 1111", "[PHONE] 1111 1")
    assert gone("card", "4111 1111 1111 1111", "[CARD] 1111")
    assert not gone("email", "a.miller@example.com", "a.miller[EMAIL]")
    assert not gone("key", "sk-lf-0123456789abcdef", "[KEY]6789abcdef0123456789abcdef")
    assert gone("password", "Sommer2024!", "Passwort: [SECRET]")

"""Messages -> clusters of messages that are alike."""

from __future__ import annotations

import random
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.causes import loghub
from slo_engine.evidence.messages import Cluster, clustered


def said(message: str) -> str:
    """What is said of one message alone."""
    (cluster,) = clustered([message])
    return cluster.message


def test_what_all_messages_have_is_kept_and_what_differs_is_named() -> None:
    messages = [
        f"TimeoutError: shard-{n} of order A-{n * 77771} took {n}.5 s of 30 s at 10.0.0.{n}:9100" for n in range(9)
    ]
    assert clustered([*messages, "KeyError: 'order_id'"]) == [
        Cluster("TimeoutError: shard-<n> of order A-<n> took <n> s of 30 s at <ip>", tuple(range(9))),
        Cluster("KeyError: 'order_id'", (9,)),
    ]


def test_the_largest_cluster_is_first_and_equal_ones_are_in_the_order_of_what_they_say() -> None:
    found = clustered(["b is lost", "a is gone away", "c was never there", "c was never there"])
    assert [cluster.message for cluster in found] == ["c was never there", "a is gone away", "b is lost"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("mail to jane.doe+x@mail.example.co.uk failed", "mail to <email> failed"),
        ("Incorrect API key provided: sk-proj-abc123DEF456ghi", "Incorrect API key provided: <secret>"),
        ("401 for Authorization: Bearer eyJhbGciOi.eyJzdWIi.sig", "401 for Authorization: Bearer <secret>"),
        ("token=abcdefg123 refused", "token=<secret> refused"),
        ("AWS_SECRET_ACCESS_KEY=abc/def refused", "AWS_SECRET_ACCESS_KEY=<secret> refused"),
        ("Authorization: Basic dXNlcjpwYXNz refused", "Authorization: Basic <secret> refused"),
        ("customer with PESEL 44051401359 is unknown", "customer with PESEL <identity> is unknown"),
        ("connect to postgres://user:pass@db/x failed", "connect to <url> failed"),
        ("the password is hunter2!", "the password is <secret>"),
        ("key gsk_a1B2c3D4e5F6g7H8i9J0k1L2 refused", "key <secret> refused"),
        ("key AIzaSyA1234567890abcdefghijklmnopqrstuv refused", "key <secret> refused"),
        ("key hf_AbCdEfGhIjKlMnOpQrStUvWxYz1234 refused", "key <secret> refused"),
        ("AKIAIOSFODNN7EXAMPLE is not allowed", "<secret> is not allowed"),
        ("run 119a72d174c9df6acc011cdd9474031b failed", "run <id> failed"),
        ("job 7b0f7e2e-8a35-4b6a-9f57-3f6b0f1a2c3d failed", "job <id> failed"),
        ("request req_01HZX7K3M9 of org-12345678901a failed", "request req_<id> of org-<id> failed"),
        ("order A-80254 is lost", "order A-<n> is lost"),
        ("GET https://api.example.com/v1/x?key=1 gave 503", "GET <url> gave 503"),
        ("no answer within 30 s on port 5432", "no answer within 30 s on port 5432"),
        ("KeyError: 'amount_cents'", "KeyError: 'amount_cents'"),
        ("", "no message"),
        ("\n", "no message"),
        ("\0", "no message"),
        ("first line\nsecond line", "first line"),
        ("Cannot do it:\n  it is forbidden", "Cannot do it: it is forbidden"),
    ],
)
def test_of_one_message_ids_addresses_and_secrets_are_taken_out_and_numbers_stay(message: str, expected: str) -> None:
    assert said(message) == expected


def test_a_secret_that_all_messages_have_is_not_shown() -> None:
    assert clustered([f"login {n} with password=hunter and key gsk_a1B2c3D4e5F6g7H8i9J0k1L2" for n in range(50)]) == [
        Cluster("login <n> with password=<secret> and key <secret>", tuple(range(50)))
    ]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://crm.example.com/v1/orders?key=abc", "https://crm.example.com/v1/orders"),
        ("https://crm.example.com/v1/orders/AbCdEfGh", "https://crm.example.com/<*>"),
        ("https://hooks.example.com:8443/services/T0AB/XyZ", "https://hooks.example.com/<*>"),
        ("https://somebody@crm.example.com/v1", "<url>"),
        ("https://10.0.0.1/v1", "<url>"),
    ],
)
def test_of_an_address_that_all_have_the_service_is_shown_and_nothing_that_may_be_a_key(
    address: str, expected: str
) -> None:
    assert clustered([f"POST {address} failed"] * 9)[0].message == f"POST {expected} failed"


@pytest.mark.parametrize("secret", ["sk-proj-abc123DEF456ghi789", "ghp_" + "aB3" * 12, "jane.doe@mail.example.com"])
def test_no_half_of_a_secret_is_shown_wherever_the_message_is_cut_off(secret: str) -> None:
    for length in range(150, 205):
        for message in (f"{'x ' * (length // 2)}{secret} y", f"{'word ' * (length // 2)}{secret} y"):
            assert secret[:8] not in said(message)


@given(st.text(max_size=4000))
def test_a_message_is_never_long_never_empty_and_on_one_line(message: str) -> None:
    text = said(message)
    assert 0 < len(text) <= 200
    assert len(text.splitlines()) == 1


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_numbers_never_make_two_causes_of_one(one: int, other: int) -> None:
    assert len(clustered([f"order {one} timed out", f"order {other} timed out"])) == 1


WORDS = st.sampled_from(
    ["order", "crm", "search", "failed", "refused", "KeyError:", "'k'", "(", ")", "500", "HTTP", "a@b.de"]
)
VALUES = st.one_of(st.integers(0, 10**9).map(str), st.uuids().map(str), st.text("abc123", min_size=1, max_size=6))
MESSAGES = st.lists(st.lists(st.one_of(WORDS, VALUES), max_size=7).map(" ".join), max_size=30)


@given(MESSAGES, st.randoms(use_true_random=False))
def test_clusters_do_not_depend_on_the_order_of_messages(messages: list[str], chance: random.Random) -> None:
    order = list(range(len(messages)))
    chance.shuffle(order)
    moved = clustered([messages[index] for index in order])
    assert sorted((c.message, sorted(messages[m] for m in c.members)) for c in clustered(messages)) == sorted(
        (c.message, sorted(messages[order[m]] for m in c.members)) for c in moved
    )


@given(MESSAGES)
def test_every_message_is_in_one_cluster(messages: list[str]) -> None:
    found = clustered(messages)
    assert sorted(member for cluster in found for member in cluster.members) == list(range(len(messages)))
    assert all(0 < len(cluster.message) <= 200 for cluster in found)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.uuids(), st.floats(0, 10**6)), min_size=1, max_size=20))
def test_a_message_stays_in_its_cluster_when_its_ids_and_numbers_change(values: list[tuple[int, UUID, float]]) -> None:
    messages = [f"crm: order {number} of {uuid} gave no answer in {seconds:.2f} s" for number, uuid, seconds in values]
    found = clustered([*messages, "crm: connection refused"])
    assert sorted(len(cluster.members) for cluster in found) == sorted([len(messages), 1])


def test_ids_of_letters_and_digits_in_any_order_are_values() -> None:
    chance = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    messages = [f"no answer to call_{''.join(chance.choices(letters, k=24))} with key {n}" for n in range(500)]
    messages += [f"entry with key {''.join(chance.choices(letters, k=24))} is wrong" for n in range(500)]
    assert [len(cluster.members) for cluster in clustered(messages)] == [500, 500]


def test_names_of_which_there_are_few_tell_causes_apart_and_many_are_values() -> None:
    few = [f"ConnectError: {host} is away" for host in ("crm.a.com", "search.b.com")] * 20
    assert len(clustered(few)) == 2
    many = [f"ConnectError: {host}.{host}x.com is away" for host in "abcdefgh"] * 20
    assert [cluster.message for cluster in clustered(many)] == ["ConnectError: <*> is away"]


def test_messages_that_share_little_are_never_one_however_many_there_are() -> None:
    chance = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    messages = [" ".join("".join(chance.choices(letters, k=6)) for _ in range(6)) for _ in range(300)]
    assert len(clustered([f"ValueError: {message}" for message in messages])) == 300


def test_what_a_model_has_said_behind_a_colon_is_a_text() -> None:
    chance = random.Random(1)
    texts = [" ".join(chance.choices(["yes", "no", "the", "order", "is", "sent"], k=n % 9 + 2)) for n in range(40)]
    assert clustered([f"Could not parse LLM output: {text}" for text in texts])[0].message == (
        "Could not parse LLM output: <text>"
    )


def test_a_number_that_is_a_status_in_a_log_of_all_requests_is_a_value() -> None:
    messages = [f'"GET /v2/servers" status: {status} len: {n}' for n, status in enumerate([200, 404, 200, 500])]
    assert [cluster.message for cluster in clustered(messages)] == ['"GET /v2/servers" status: <*> len: <n>']


@pytest.mark.parametrize(
    "worst",
    [
        *("0" * 10**6, "a." * 10**5, "eyJ" * 10**5, "'" * 10**5, "token" * 10**5, "a@" * 10**5, "{" * 10**5),
        *(
            '{"message": "' * 10**5,
            "[" * 10**5 + "{",
            "http://" * 10**5,
            "Traceback (most recent call last):\n" * 10**4,
        ),
        *("| " * 10**5 + "Exception Group Traceback (most recent call last)", "1 2 " * 10**5, "{'a': '\\" * 10**4),
        *(" " * 10**5 + "x", "\n" * 10**5 + "x", ("\\n" * 10**5) + "at ", '", line ' * 10**5, 'x\n"", line \n' * 10**4),
        *("> \n" * 10**5, "^\n" * 10**5, "Caused by: \n" * 10**5, "  +-+--- 1 ---\n" * 10**4, "x[" * 10**5),
        *("1 validation error for x input_value=" * 10**4, "<html>" * 10**5, "a_" * 10**5, "model " * 10**5),
    ],
)
def test_the_worst_message_is_no_more_work_than_its_beginning(worst: str) -> None:
    for _ in range(20):  # with a quadratic pattern these are minutes
        clustered([worst])
    clustered([f"{worst}{n}" for n in range(20)] + [f"{n} {worst}" for n in range(20)])


def test_thousands_of_messages_that_differ_in_an_id_are_one() -> None:
    chance = random.Random(1)
    distinct = [f"TimeoutError: lookup {UUID(int=chance.getrandbits(128))} failed" for _ in range(2000)]
    for messages in (distinct, distinct[:10] * 200):
        assert len(clustered(messages)) == 1


def test_a_folder_without_data_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Put files there with the columns Content and EventId"):
        loghub.measure(tmp_path)

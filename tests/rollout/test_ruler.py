"""The door to the ruler API: its paths, its answers, its failures, and how long it goes on trying."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from deploy.stack.processes import free_port
from slo_engine.connect import Connection
from slo_engine.rollout.ruler import Ruler, RulerError
from tests.rollout.ruler_server import Request, RulerServer

TEAM = {"X-Scope-OrgID": "team"}
GROUP = "name: a\nrules:\n- record: a:b\n  expr: vector(1)\n"


@pytest.fixture
def server() -> Iterator[RulerServer]:
    with RulerServer() as running:
        yield running


@pytest.fixture
def pauses() -> list[float]:
    """The pauses between attempts, in seconds; nobody waits for them."""
    return []


@pytest.fixture
def ruler(server: RulerServer, pauses: list[float]) -> Iterator[Ruler]:
    with closing(Ruler(Connection(server.address, headers=TEAM), sleep=pauses.append)) as door:
        yield door


@pytest.mark.parametrize("api", ["mimir", "cortex"])
def test_a_group_is_there_once_it_was_put_and_gone_once_it_was_deleted(api: Any) -> None:
    with RulerServer(api) as server, closing(Ruler(Connection(server.address, headers=TEAM), api=api)) as door:
        assert door.groups() == {}
        door.put("shop/a b:%", "a", GROUP)
        assert door.groups() == {"shop/a b:%": [{"name": "a", "rules": [{"record": "a:b", "expr": "vector(1)"}]}]}
        door.delete("shop/a b:%", "a")
        assert door.groups() == {}
        assert Request("DELETE", "team", ("shop/a b:%", "a")) in server.requests


def test_a_group_that_is_gone_already_is_deleted(ruler: Ruler) -> None:
    ruler.delete("shop", "nothing of that name")


def test_a_group_that_prometheus_would_refuse_is_refused_with_the_reason(ruler: Ruler) -> None:
    with pytest.raises(RulerError, match=r"tenant team did not take the group a: HTTP 400 \(.*parse error") as caught:
        ruler.put("shop", "a", GROUP.replace("vector(1)", "vector("))
    assert not caught.value.is_final, "other groups may be fine"


def test_a_tenant_that_is_missing_is_asked_for(server: RulerServer) -> None:
    with (
        closing(Ruler(Connection(server.address))) as door,
        pytest.raises(RulerError, match=r"wants a tenant \(HTTP 401 \(no org id\)\): set --tenant"),
    ):
        door.groups()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again_with_growing_pauses(
    server: RulerServer, ruler: Ruler, pauses: list[float], status: int
) -> None:
    server.answers.extend([(status, {}, "not now")] * 3)
    assert ruler.groups() == {}
    assert pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_the_ruler_says_when_to_come_back(server: RulerServer, ruler: Ruler, pauses: list[float], form: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=7), usegmt=True)
    server.answers.append((429, {"retry-after": "7" if form == "seconds" else date}, ""))
    ruler.groups()
    assert pauses == [pytest.approx(7, abs=2)]


def test_patience_ends_at_once_when_the_ruler_asks_for_more_of_it(
    server: RulerServer, ruler: Ruler, pauses: list[float]
) -> None:
    server.answers.append((503, {"retry-after": "3600"}, "down for an hour"))
    with pytest.raises(RulerError, match=r"HTTP 503 \(down for an hour\): try again later") as caught:
        ruler.groups()
    assert caught.value.is_final
    assert pauses == []


def test_trying_ends_in_bounded_time(server: RulerServer) -> None:
    server.answers.extend([(500, {}, "")] * 100)
    with (
        closing(Ruler(Connection(server.address, headers=TEAM), patience=1.2)) as door,
        pytest.raises(RulerError, match="HTTP 500"),
    ):
        started = time.monotonic()
        door.groups()
    assert time.monotonic() - started < 3
    assert len(server.requests) == 2, "at 0 s and 0.5 s; the next would have been at 1.5 s"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, "HTTP 403: it does not allow that without credentials"),
        (302, "HTTP 302: it redirects: write its final address in url"),
        (413, "HTTP 413"),
    ],
)
def test_what_will_not_pass_is_not_tried_again(server: RulerServer, ruler: Ruler, status: int, said: str) -> None:
    server.answers.append((status, {"location": "/login"}, ""))
    with pytest.raises(RulerError, match=said):
        ruler.groups()
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", ["<html>login</html>", "[1, 2]", "a: [", "a: 1", "a: 2026-99-99", "[" * 5000])
def test_a_page_that_is_no_list_of_groups_is_told(server: RulerServer, ruler: Ruler, body: str) -> None:
    server.answers.append((200, {}, body))
    with pytest.raises(RulerError, match="not a list of rule groups"):
        ruler.groups()


def test_an_address_without_a_ruler_is_told_at_once(server: RulerServer, pauses: list[float]) -> None:
    with (
        closing(Ruler(Connection(server.address, headers=TEAM), api="cortex", sleep=pauses.append)) as door,
        pytest.raises(RulerError, match=r"no ruler API at /api/v1/rules \(HTTP 404\): check the address and --api"),
    ):
        door.groups()
    with (
        closing(Ruler(Connection(f"http://127.0.0.1:{free_port()}"), sleep=pauses.append)) as door,
        pytest.raises(RulerError, match="cannot be reached: connection refused"),
    ):
        door.groups()
    assert pauses == []


@pytest.mark.parametrize(("token", "user"), [("s3cret", None), (None, ("robot", "s3cret"))])
def test_credentials_are_sent_and_never_shown(token: str | None, user: tuple[str, str] | None) -> None:
    expected = "robot:s3cret" if user else None
    with (
        RulerServer(token=token, user=expected) as server,
        closing(Ruler(Connection(server.address, token=token, basic_auth=user, headers=TEAM))) as door,
    ):
        assert door.groups() == {}
        server.answers.append((400, {}, "you sent s3cret"))
        with pytest.raises(RulerError) as caught:
            door.put("shop", "a", GROUP)
        assert "you sent ***" in str(caught.value)
    with (
        RulerServer(token="other") as server,
        closing(Ruler(Connection(server.address, token=token, basic_auth=user, headers=TEAM))) as door,
    ):
        with pytest.raises(RulerError, match=r"HTTP 401 .*it does not accept") as caught:
            door.groups()
        assert "s3cret" not in str(caught.value)

"""What the engine remembers of watching itself, in both stores; engines that share one tell each thing once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from slo_engine.definitions.slo import SloSet
from slo_engine.notifications.routes import Routes
from slo_engine.store import Database, alert_states, inbox, messages, watching
from slo_engine.store.alert_states import AlertState
from slo_engine.watch import Teller
from slo_engine.watch.own_alerts import OwnAlert

SILENT = OwnAlert("Silent", "page", "it is silent", "Somebody has to look.", "watchdog")


def teller(database: Database) -> Teller:
    return Teller(database, Routes((), ("pager", "log")), SloSet, ("log",), lambda: None)


def test_a_mark_moves_both_ways_and_goes(database: Database) -> None:
    for at in (100.0, 200.0, 50.0):
        database.write(partial(watching.set_mark, name=":a", at=at))
        assert database.read(partial(watching.mark, name=":a")) == at
    database.write(partial(watching.remove_mark, name=":a"))
    assert database.read(partial(watching.mark, name=":a")) is None


def test_the_newest_of_an_alert_is_found_by_source_or_of_any(database: Database) -> None:
    states = [
        AlertState("1", "prod", "f", "firing", "2026-11-23T14:30:00.123Z", 1, "t", 10.0),
        AlertState("2", "staging", "f", "resolved", "2026-11-23T14:30:00.123Z", 1, "t", 20.0),
    ]
    database.write(partial(alert_states.note, states=states))
    found = {
        source: database.read(partial(watching.arrived, fingerprints=["f", "g"], source=source))
        for source in ("prod", "staging", "other", None)
    }
    assert {source: {name: each.status for name, each in some.items()} for source, some in found.items()} == {
        "prod": {"f": "firing"},
        "staging": {"f": "resolved"},
        "other": {},
        None: {"f": "resolved"},
    }


def test_what_was_passed_on_is_known_until_it_is_over(database: Database) -> None:
    for told_at in (1.0, 2.0):
        database.write(partial(watching.add_reconciled, new=watching.Reconciled("a", told_at, "{}")))
    assert database.read(watching.reconciled) == [watching.Reconciled("a", 2.0, "{}")]
    database.write(partial(watching.forget_reconciled, alert="a"))
    assert database.read(watching.reconciled) == []


def test_what_waits_the_longest_is_found_at_each_step(database: Database) -> None:
    assert database.read(watching.oldest_unread) is None
    for at in (30.0, 20.0):
        database.write(partial(inbox.accept, body=b"{}", now=at))
    assert database.read(watching.oldest_unread) == 20.0
    new = partial(messages.NewMessage, kind="firing", severity=None, title="t", content={})
    database.write(partial(messages.add, new=new(40.0, "a")))
    assert database.read(watching.oldest_gathering) == 40.0
    for at in (60.0, 50.0):
        database.write(partial(messages.add_ready, new=new(at, "b"), sinks=["pager"]))
    assert database.read(watching.oldest_pending) == {"pager": 50.0}


def test_engines_that_share_a_store_tell_an_alert_once_and_its_end_once(empty_database: str) -> None:
    databases = [Database(empty_database) for _ in range(4)]
    tellers = [teller(each) for each in databases]
    try:
        with ThreadPoolExecutor(len(tellers)) as threads:
            for start in (1000.0, 2000.0, 3000.0):
                assert sum(threads.map(lambda each, at=start: each.fire(SILENT, at), tellers)) == 1
                assert {each.since(SILENT) for each in tellers} == {start}
                assert sum(threads.map(lambda each, at=start: each.resolve(SILENT, at + 500), tellers)) == 1
        kinds = [each.kind for each in databases[0].read(partial(messages.newest, limit=100))]
        assert kinds == ["resolved", "firing"] * 3
    finally:
        for each in databases:
            each.close()

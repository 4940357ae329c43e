"""The history of SLO status."""

from __future__ import annotations

from slo_engine.store import Database, history


def row(at: float, remaining: float | None = 0.5, slo: str = "success") -> history.StatusRow:
    return history.StatusRow(at, "agents", slo, {"agent_type": "support_agent"}, remaining, {"slo": slo})


def test_history_of_an_slo_comes_back_oldest_first(database: Database) -> None:
    database.write(lambda connection: history.append(connection, [row(30.0), row(10.0), row(20.0, None)]))
    database.write(lambda connection: history.append(connection, [row(15.0, slo="latency")]))
    found = database.read(lambda connection: history.of_slo(connection, "agents", "success", 15.0))
    assert found == [row(20.0, None), row(30.0)]


def test_what_is_too_old_is_forgotten(database: Database) -> None:
    database.write(lambda connection: history.append(connection, [row(float(at)) for at in range(10)]))
    assert database.write(lambda connection: history.forget_before(connection, 7.0)) == 7
    found = database.read(lambda connection: history.of_slo(connection, "agents", "success", 0.0))
    assert [each.evaluated_at for each in found] == [7.0, 8.0, 9.0]


def test_an_evaluation_without_groups_is_nothing_to_keep(database: Database) -> None:
    database.write(lambda connection: history.append(connection, []))
    assert database.read(lambda connection: history.of_slo(connection, "agents", "success", 0.0)) == []

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.causes import rs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two incidents: in one a combination fails, in the other nothing does."""
    (tmp_path / "anomaly.yaml").write_text(
        "- {data: case1, timestamp: 120, cause: {cdn: 5, p2p: 0}}\n- {data: case2, timestamp: 120, cause: [{cdn: 3}]}\n"
    )
    for name, bad in (("case1", 90), ("case2", 2)):
        rows = ["min,cdn,p2p,bitrate,value,cnt"]
        for minute in (60, 120, 180):
            for cdn in (3, 5):
                for p2p in (0, 1):
                    value = bad if (minute, cdn, p2p) == (120, 5, 0) else 2
                    rows += [f"{minute},{cdn},{p2p},{bitrate},{value},100" for bitrate in (500, 2000)]
        (tmp_path / f"{name}.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_a_case_is_right_when_exactly_its_cause_is_named(folder: Path) -> None:
    first, second = rs.measure(folder)
    assert first.answers == first.truth == (frozenset({("cdn", "5"), ("p2p", "0")}),)
    assert first.is_first_right
    assert second.answers == ()
    assert not second.is_first_right


def test_the_score_counts_what_is_right_wrong_and_missed(folder: Path) -> None:
    score = rs.score(rs.measure(folder))
    assert (score.cases, score.right, score.wrong, score.missed) == (2, 1, 0, 1)
    assert score.f1 == pytest.approx(2 / 3)
    assert score.first_right == 0.5


def test_it_prints_json(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["rs", str(folder), "--json"])
    assert rs.main() == 0
    found = json.loads(capsys.readouterr().out)
    assert found["scores"]["all"]["first_right"] == 0.5
    assert found["cases"][0]["answers"] == [{"cdn": "5", "p2p": "0"}]


def test_a_missing_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rs", str(tmp_path / "nowhere")])
    assert rs.main() == 2
    assert "nowhere: no anomaly.yaml" in capsys.readouterr().err

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from slo_engine.definitions.live import ActiveSlos, LiveSlos
from tests.definitions.writing import slo, slo_file, write

BROKEN = "version: ["


class Folder:
    """SLO files; each change of one carries a later time, as it would if somebody took longer than a test does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._times: Iterator[int] = count(1_700_000_000)

    def write(self, name: str, text: str) -> None:
        time = next(self._times)
        os.utime(write(self.path / name, text), (time, time))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def names(live: LiveSlos) -> list[str]:
    return [f"{each.service}/{each.name}" for each in live.active.slos.slos]


def files_with_mistakes(live: LiveSlos) -> list[str]:
    return [problem.file.name for problem in live.active.problems]


def test_a_file_that_breaks_leaves_the_last_good_set_in_force(folder: Folder) -> None:
    folder.write("a.yaml", slo_file())
    folder.write("b.yaml", slo_file(service="search"))
    live = LiveSlos([folder.path])
    before = live.active.slos

    folder.write("b.yaml", BROKEN)
    folder.write("a.yaml", slo_file(slo("renamed")))

    assert live.reload()
    assert live.active.slos is before
    assert files_with_mistakes(live) == ["b.yaml"]


def test_a_file_that_is_mended_comes_into_force(folder: Folder) -> None:
    folder.write("a.yaml", slo_file())
    live = LiveSlos([folder.path])
    folder.write("a.yaml", BROKEN)
    live.reload()

    folder.write("a.yaml", slo_file(slo("renamed")))

    assert live.reload()
    assert names(live) == ["agents/renamed"]
    assert not live.active.problems


def test_the_slos_of_a_file_that_is_removed_are_out_of_force(folder: Folder) -> None:
    folder.write("a.yaml", slo_file())
    folder.write("b.yaml", slo_file(service="search"))
    live = LiveSlos([folder.path])

    (folder.path / "b.yaml").unlink()

    assert live.reload()
    assert names(live) == ["agents/success"]
    assert not live.active.problems


def test_a_folder_that_loses_its_last_file_leaves_the_last_good_set_in_force(folder: Folder) -> None:
    folder.write("a.yaml", slo_file())
    live = LiveSlos([folder.path])

    (folder.path / "a.yaml").unlink()

    assert live.reload()
    assert names(live) == ["agents/success"]
    assert [problem.message.partition(":")[0] for problem in live.active.problems] == ["no SLO file here"]


def test_a_new_file_comes_into_force(folder: Folder) -> None:
    folder.write("a.yaml", slo_file())
    live = LiveSlos([folder.path])

    folder.write("team/b.yaml", slo_file(service="search"))

    assert live.reload()
    assert names(live) == ["agents/success", "search/success"]


def test_at_the_start_the_good_slos_are_in_force_beside_a_broken_file(folder: Folder) -> None:
    folder.write("a.yaml", BROKEN)
    folder.write("b.yaml", slo_file(slo("bad", objective=100), slo("good")))
    live = LiveSlos([folder.path])

    assert names(live) == ["agents/good"]
    assert files_with_mistakes(live) == ["a.yaml", "b.yaml"]


def test_a_start_without_any_file_is_a_mistake_and_no_crash(folder: Folder) -> None:
    live = LiveSlos([folder.path / "nowhere"])

    assert names(live) == []
    assert files_with_mistakes(live) == ["nowhere"]


@pytest.mark.parametrize("text", [slo_file(), BROKEN], ids=["good", "broken"])
def test_files_that_have_not_changed_are_not_read_again(text: str, folder: Folder) -> None:
    folder.write("a.yaml", text)
    live = LiveSlos([folder.path])
    before = live.active

    assert not live.reload()
    assert live.active is before


def test_a_file_saved_anew_with_the_same_length_is_a_change(folder: Folder) -> None:
    folder.write("a.yaml", slo_file(slo("one")))
    live = LiveSlos([folder.path])

    folder.write("a.yaml", slo_file(slo("two")))

    assert live.reload()
    assert names(live) == ["agents/two"]


def test_every_change_is_told_and_nothing_else(folder: Folder) -> None:
    told: list[ActiveSlos] = []
    folder.write("a.yaml", slo_file())
    live = LiveSlos([folder.path], told.append)
    live.reload()
    folder.write("a.yaml", BROKEN)
    live.reload()
    live.reload()

    assert [len(each.problems) for each in told] == [0, 1]
    assert told[-1] is live.active


def test_a_pipe_in_the_folder_is_a_mistake_and_holds_up_nothing(folder: Folder) -> None:
    folder.write("a.yaml", slo_file())
    live = LiveSlos([folder.path])
    os.mkfifo(folder.path / "pipe.yaml")

    assert live.reload()
    assert names(live) == ["agents/success"]
    assert [problem.message for problem in live.active.problems] == ["is not a regular file: remove it"]

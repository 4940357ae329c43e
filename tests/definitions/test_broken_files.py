"""Every kind of mistake has its file in ``broken/``. What is to be said about it stands at its end, a line for each:

# expect: LINE:COLUMN text that must occur in the message
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from slo_engine.definitions import Problem, examine
from slo_engine.definitions.files import MAX_FILE_BYTES
from tests.definitions.writing import slo_file

FOLDER = Path(__file__).parent / "broken"
FILES = sorted(FOLDER.glob("*.yaml"))
COMMENT = re.compile(r"^# expect: (\d+):(\d+) (.+)$", re.MULTILINE)


@dataclass(frozen=True, order=True)
class Expected:
    line: int
    column: int
    text: str


def expected(file: Path) -> list[Expected]:
    found = COMMENT.findall(file.read_text(encoding="utf-8"))
    assert found, f"{file.name} says nothing about what it expects"
    return sorted(Expected(int(line), int(column), text) for line, column, text in found)


def assert_found(problems: Iterable[Problem], wanted: list[Expected]) -> None:
    """Each expectation is met by one problem, and no problem is left over."""
    left = list(problems)
    shown = "\n".join(str(problem) for problem in left)
    for want in wanted:
        here = [p for p in left if (p.line, p.column) == (want.line, want.column) and want.text in p.message]
        assert here, f"{want.line}:{want.column}: not said: {want.text}\nsaid:\n{shown}"
        left.remove(here[0])
    assert not left, f"said and not expected: {left}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_mistake_of_a_file_is_found_at_its_place_and_nothing_else(file: Path) -> None:
    loaded = examine([file])

    assert_found(loaded.problems, expected(file))
    assert {problem.file for problem in loaded.problems} == {file}


def test_there_are_many_broken_files() -> None:
    assert len(FILES) >= 100


def test_validate_names_every_mistake_of_all_files_in_one_run() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "slo_engine", "validate", str(FOLDER)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert run.returncode == 1
    assert "Traceback" not in run.stdout + run.stderr
    said = sorted(line.partition(": ")[0] for line in run.stdout.splitlines())
    assert said == sorted(f"{file}:{each.line}:{each.column}" for file in FILES for each in expected(file))


UNUTTERABLE: dict[str, tuple[bytes, Expected]] = {
    "empty": (b"", Expected(1, 1, "is empty: begin with `version: slo-engine/v1`")),
    "latin-1": (
        "version: slo-engine/v1\nowner: Bücher".encode("latin-1"),
        Expected(2, 9, "is not UTF-8 (byte 32 of the file): save it as UTF-8"),
    ),
    "utf-16": ("version: slo-engine/v1".encode("utf-16"), Expected(1, 1, "is not UTF-8")),
    "nul": ("owner: ü\nname: a\0b".encode(), Expected(2, 8, "a character that YAML does not allow")),
    "bell": ("# ü\nowner: a\x07b".encode(), Expected(2, 9, "a character that YAML does not allow")),
    "huge": (b"#" * (MAX_FILE_BYTES + 1), Expected(1, 1, "is larger than 2 MiB: divide it")),
}


@pytest.mark.parametrize("name", UNUTTERABLE)
def test_a_file_that_cannot_hold_a_comment_is_explained_too(name: str, tmp_path: Path) -> None:
    content, wanted = UNUTTERABLE[name]
    file = tmp_path / f"{name}.yaml"
    file.write_bytes(content)

    assert_found(examine([file]).problems, [wanted])


def test_a_file_with_a_byte_order_mark_and_windows_line_ends_is_read(tmp_path: Path) -> None:
    file = tmp_path / "windows.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + slo_file().replace("\n", "\r\n").encode())

    assert not examine([file]).problems


def test_a_folder_named_like_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()

    assert_found(examine([tmp_path]).problems, [Expected(1, 1, "cannot be read")])


@pytest.mark.parametrize(
    ("path", "said"), [("nowhere", "does not exist"), ("nowhere.yaml", "does not exist"), (".", "no SLO file here")]
)
def test_a_path_without_slo_files_is_a_mistake(path: str, said: str, tmp_path: Path) -> None:
    assert_found(examine([tmp_path / path]).problems, [Expected(1, 1, said)])

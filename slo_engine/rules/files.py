"""Rule groups as the files that Prometheus loads, and whether the files on disk are those."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from slo_engine.errors import SloEngineError
from slo_engine.rules.build import build
from slo_engine.rules.model import RuleGroup
from slo_engine.spec.slo import SloSet

HEADER = "# Written by slo-engine from SLO files. Change those and run `slo-engine rules generate`; do not edit this.\n"


class NothingToWriteError(SloEngineError):
    """SLO files that yield no rule: most likely the wrong folder."""


@dataclass(frozen=True)
class Written:
    """What writing has changed."""

    files: list[Path]
    removed: list[Path]
    """Files of services that none of the SLO files names any more."""


@dataclass(frozen=True)
class Drift:
    """A rule file that is not what the SLO files say."""

    file: Path
    diff: str


def render(slos: SloSet) -> Mapping[str, str]:
    """The rule files of an SLO set: file name -> text. One file a service. Raises NothingToWriteError when empty."""
    files = {f"{service}.yaml": HEADER + _as_yaml(groups) for service, groups in build(slos).items()}
    if not files:
        raise NothingToWriteError("these files declare neither an SLO nor a threshold: nothing to write")
    return files


def write(slos: SloSet, folder: Path) -> Written:
    """Write the rule files, each one whole or not at all, and remove the files of services that are gone.

    A file in the folder that slo-engine did not write is left alone. Raises SloEngineError when one has a name that is
    needed.
    """
    files = render(slos)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _replaced(folder, files)
    except OSError as error:
        raise SloEngineError(f"{error.filename or folder} cannot be written: {error.strerror}") from None


def _replaced(folder: Path, files: Mapping[str, str]) -> Written:
    stale = {path.name for path in folder.glob("*.yaml") if _is_ours(path)} - files.keys()
    for name, text in files.items():
        path = folder / name
        if path.exists() and not _is_ours(path):
            raise SloEngineError(f"{path} was not written by slo-engine: move it, or choose another folder with --out")
        unfinished = folder / f".{name}.part"
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    for name in stale:
        (folder / name).unlink()
    return Written([folder / name for name in files], [folder / name for name in sorted(stale)])


def check(slos: SloSet, folder: Path) -> list[Drift]:
    """Compare the files in ``folder`` with what the SLO set gives: changed, missing and left-over ones."""
    wanted = render(slos)
    found = {path.name: _text_of(path) for path in sorted(folder.glob("*.yaml")) if _is_ours(path)}
    # A hand edit may have removed the header: a file with a name of ours is compared whatever it holds.
    found |= {name: _text_of(folder / name) for name in wanted if (folder / name).exists()}
    return [
        Drift(folder / name, _diff(folder / name, found.get(name, ""), wanted.get(name, "")))
        for name in sorted(found.keys() | wanted.keys())
        if found.get(name) != wanted.get(name)
    ]


def _diff(file: Path, found: str, wanted: str) -> str:
    return "".join(
        difflib.unified_diff(
            found.splitlines(keepends=True),
            wanted.splitlines(keepends=True),
            f"{file} (on disk)",
            f"{file} (from the SLO files)",
        )
    )


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")  # what is not UTF-8 is a drift, not a failure


def _is_ours(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline() == HEADER


class _Dumper(yaml.CSafeDumper):
    pass


def _text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _as_yaml(groups: tuple[RuleGroup, ...]) -> str:
    data: dict[str, Any] = {"groups": [group.as_data() for group in groups]}
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=1_000_000, allow_unicode=True))

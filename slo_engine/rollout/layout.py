"""How rules are packed: rule files for Prometheus or manifests for Kubernetes, for each service or for all in one."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from slo_engine.definitions.slo import SloSet
from slo_engine.errors import SloEngineError
from slo_engine.rollout.manifests import Metadata, object_name
from slo_engine.rollout.outputs import OUTPUTS, Output, Part
from slo_engine.rules.build import build
from slo_engine.rules.yaml_text import HEADER, as_yaml

FILE_NAME = re.compile(r"[a-z0-9]([-a-z0-9_.]*[a-z0-9])?\Z")


class NothingToWriteError(SloEngineError):
    """SLO files that yield no rule: most likely the wrong folder."""


class LayoutError(SloEngineError):
    """A layout that cannot be: a name that Kubernetes refuses, or a group that fits into no object."""


@dataclass(frozen=True)
class Layout:
    """What the files are. ``one_file``: the name, without ``.yaml``, of the one that holds the rules of all services.
    ``metadata``: of each manifest; rule files have none."""

    format: str = "files"
    """One of :data:`OUTPUTS`."""
    one_file: str | None = None
    metadata: Metadata = field(default_factory=Metadata)

    def __post_init__(self) -> None:
        if self.format not in OUTPUTS:
            raise LayoutError(f"there is no format {self.format!r}; there are: {', '.join(OUTPUTS)}")
        if not self.output.has_metadata and self.metadata != Metadata():
            forms = " or ".join(name for name, output in OUTPUTS.items() if output.has_metadata)
            raise LayoutError(f"a namespace and labels are for manifests: choose the format {forms}")
        if self.one_file is not None and not FILE_NAME.match(self.one_file):
            raise LayoutError(
                f"{self.one_file!r} cannot be the name of the one file: write it without .yaml, in lower-case letters, "
                "digits and -, _ or ., such as slos"
            )

    @property
    def output(self) -> Output:
        """The form of the files."""
        return OUTPUTS[self.format]


def render(slos: SloSet, layout: Layout | None = None) -> Mapping[str, str]:
    """The files of an SLO set: file name -> text. Deterministic. Raises NothingToWriteError when empty, and LayoutError
    for a rule group that no object of Kubernetes holds."""
    layout = layout or Layout()
    texts = {
        service: [as_yaml([group.as_data()]) for group in groups] for service, groups in build(slos).items() if groups
    }
    if not texts:
        raise NothingToWriteError("these files declare neither an SLO nor a threshold: nothing to write")
    if layout.one_file is not None:
        name = layout.one_file
        files = {name: (object_name(name), [text for groups in texts.values() for text in groups])}
    else:
        files = {service: (object_name(service, "slo-engine-"), groups) for service, groups in texts.items()}
    return {f"{name}.yaml": _file(layout, name, manifest, groups) for name, (manifest, groups) in files.items()}


def _file(layout: Layout, name: str, manifest: str, groups: list[str]) -> str:
    output = layout.output
    parts = (
        Part(f"{name}{suffix}", f"{manifest}{suffix}", layout.metadata, part)
        for suffix, part in _parts(groups, output.most_bytes or sys.maxsize)
    )
    return HEADER + "---\n".join(output.written(part) for part in parts)


def _parts(groups: list[str], limit: int) -> Iterator[tuple[str, list[str]]]:
    """The groups in their order; a new object (-2, -3, ...) begins with the group that the one before cannot hold."""
    number, size = 1, 0
    part: list[str] = []
    for text in groups:
        length = len(text.encode())
        if length > limit:
            name = text.partition("\n")[0].removeprefix("- name: ")
            raise LayoutError(
                f"the rule group {name} has {length:,} bytes, and one object of Kubernetes takes {limit:,} of them: "
                "divide the SLO or the thresholds of this service among several services"
            )
        if size + length > limit:
            yield _suffix(number), part
            number, size, part = number + 1, 0, []
        part.append(text)
        size += length
    yield _suffix(number), part


def _suffix(number: int) -> str:
    return "" if number == 1 else f"-{number}"

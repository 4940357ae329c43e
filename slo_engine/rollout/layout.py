"""How rules are packed: rule files for Prometheus or manifests for Kubernetes, for each service or for all in one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from slo_engine.definitions.slo import SloSet
from slo_engine.errors import SloEngineError
from slo_engine.rollout.manifests import Metadata, config_map, object_name, prometheus_rule
from slo_engine.rules.build import build
from slo_engine.rules.yaml_text import HEADER, as_yaml

PROMETHEUS_RULE_BYTES = 400 * 1024
"""Of rules in one PrometheusRule. The operator refuses a rule file of more than 512 KiB, as it writes it (half of what
a ConfigMap holds: maxConfigMapDataSize in prometheus-operator), and etcd an object of more than 1.5 MiB."""

CONFIG_MAP_BYTES = 1_000_000
"""Of rules in one ConfigMap; Kubernetes takes 1 MiB of data, names included."""

Format = Literal["files", "prometheusrule", "configmap"]
FILE_NAME = re.compile(r"[a-z0-9]([-a-z0-9_.]*[a-z0-9])?\Z")


class NothingToWriteError(SloEngineError):
    """SLO files that yield no rule: most likely the wrong folder."""


class LayoutError(SloEngineError):
    """A layout that cannot be: a name that Kubernetes refuses, or a group that fits into no object."""


@dataclass(frozen=True)
class Layout:
    """What the files are. ``one_file``: the name, without ``.yaml``, of the one that holds the rules of all services.
    ``metadata``: of each manifest; rule files have none."""

    format: Format = "files"
    one_file: str | None = None
    metadata: Metadata = field(default_factory=Metadata)

    def __post_init__(self) -> None:
        if self.one_file is not None and not FILE_NAME.match(self.one_file):
            raise LayoutError(
                f"{self.one_file!r} cannot be the name of the one file: write it without .yaml, in lower-case letters, "
                "digits and -, _ or ., such as slos"
            )


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
    match layout.format:
        case "files":
            return f"{HEADER}groups:\n{''.join(groups)}"
        case "prometheusrule":
            parts = _parts(groups, PROMETHEUS_RULE_BYTES)
            manifests = [
                prometheus_rule(f"{manifest}{suffix}", layout.metadata, "".join(part)) for suffix, part in parts
            ]
        case "configmap":
            parts = _parts(groups, CONFIG_MAP_BYTES)
            manifests = [
                config_map(f"{manifest}{suffix}", layout.metadata, f"{name}{suffix}.yaml", f"groups:\n{''.join(part)}")
                for suffix, part in parts
            ]
    return HEADER + "---\n".join(manifests)


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

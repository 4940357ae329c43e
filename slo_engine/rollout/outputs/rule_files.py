"""``files``: rule files for ``rule_files`` of Prometheus."""

from __future__ import annotations

from slo_engine.rollout.outputs.output import Part


class RuleFiles:
    """A list of groups."""

    most_bytes = None
    has_metadata = False

    def written(self, part: Part) -> str:
        """The file, but for its first line."""
        return f"groups:\n{''.join(part.groups)}"

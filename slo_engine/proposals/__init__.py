"""What a Prometheus has -> a first SLO file: objectives that were met until now, and that doctor accepts."""

from slo_engine.proposals.propose import LeftOut, Proposal, Proposed, propose
from slo_engine.proposals.writing import Answers, example, slo_file

__all__ = ["Answers", "LeftOut", "Proposal", "Proposed", "example", "propose", "slo_file"]

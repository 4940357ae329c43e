"""Groups messages with drain3, in a Python of its own: JSON on standard input and output. Needs no other package."""

from __future__ import annotations

import json
import sys
from collections import defaultdict

from drain3 import TemplateMiner
from drain3.masking import MaskingInstruction
from drain3.template_miner_config import TemplateMinerConfig

asked = json.load(sys.stdin)
config = TemplateMinerConfig()
config.drain_depth, config.drain_sim_th = 4, 0.4
config.masking_instructions = [MaskingInstruction(mask, "*") for mask in asked["masks"]]
miner = TemplateMiner(config=config)
found: defaultdict[int, list[int]] = defaultdict(list)
for index, message in enumerate(asked["messages"]):
    found[miner.add_log_message(message)["cluster_id"]].append(index)
print(json.dumps(list(found.values())))

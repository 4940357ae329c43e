"""Subject -> evidence, from sources side by side, within a time budget."""

"""The contract between the generated rules and those who read what they record: names, stages, selectors. Pure."""

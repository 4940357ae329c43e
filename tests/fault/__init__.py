"""Faults: real engines between a model of Alertmanager and fake sinks, a seeded schedule of what goes wrong, and a
checker over what was acknowledged, what was sent and what was received."""

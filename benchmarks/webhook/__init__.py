"""The webhook under load, on real processes: how fast notifications are taken in, and how soon they reach a sink."""

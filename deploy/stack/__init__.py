"""The local stack: real Prometheus and Alertmanager, the engine, sample agents, a receiver; for `make run` and the
tests alike."""

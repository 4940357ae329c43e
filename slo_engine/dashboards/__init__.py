"""Grafana dashboards of what the monitoring library, the rules and the engine record, as JSON. Pure."""

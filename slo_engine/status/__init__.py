"""SLO x Prometheus -> error budget, burn rate, forecast; and its history."""

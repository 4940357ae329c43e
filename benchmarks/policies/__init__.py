"""How often the alerts of a policy fire for nothing, and how soon they tell of an outage."""

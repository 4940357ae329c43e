"""What the rules cost and how exact they are, on a real Prometheus, beside rules in Sloth's and in Pyrra's form."""

"""Figures that the project promises, each measured beside something else in the same run: machines are noisy."""

"""Data -> SVG."""

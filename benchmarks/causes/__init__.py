"""How often the evidence names the right cause."""

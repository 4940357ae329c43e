"""What the benchmarks measure with is measured itself."""

"""What a call costs, in ratios against code that does the same by hand: `python -m benchmarks`."""

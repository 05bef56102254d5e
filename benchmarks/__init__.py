"""Benchmarks: speed, side by side with what a user would do instead, in one run."""

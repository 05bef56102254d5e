"""Benchmarks: the speed of jaxmlp beside that of the alternatives, measured in one run."""

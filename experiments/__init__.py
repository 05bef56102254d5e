"""Experiments: what optimizers and networks do, measured with the library's public names only."""

"""Experiments: what networks and optimizers do, measured with the public names of jaxmlp only."""

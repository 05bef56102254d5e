"""Populations: many trainings at once, each stopping by itself."""

from jaxmlp.population.brackets import hyperband
from jaxmlp.population.crew import Workers, workers
from jaxmlp.population.placement import use_cpu_devices
from jaxmlp.population.progress import Progress
from jaxmlp.population.pruning import successive_halving
from jaxmlp.population.reading import load_study
from jaxmlp.population.searches import between, draw_trials
from jaxmlp.population.study import Study
from jaxmlp.population.train import train_many

__all__ = [
    "Progress",
    "Study",
    "Workers",
    "between",
    "draw_trials",
    "hyperband",
    "load_study",
    "successive_halving",
    "train_many",
    "use_cpu_devices",
    "workers",
]

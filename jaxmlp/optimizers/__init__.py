"""Optimizers: hand-written pure pairs (init, update) with optax's names, order and defaults."""

from jaxmlp.optimizers.adam_family import adam, adamw, nadam
from jaxmlp.optimizers.adam_variants import adamax, amsgrad, radam
from jaxmlp.optimizers.adaptive import adadelta, adagrad, rmsprop
from jaxmlp.optimizers.averages import averaged, lookahead, swa
from jaxmlp.optimizers.base import Optimizer, apply_updates, as_optimizer
from jaxmlp.optimizers.descent import gd, momentum, nesterov, sgd
from jaxmlp.optimizers.eigenbasis import soap
from jaxmlp.optimizers.evaluation import evaluation_params
from jaxmlp.optimizers.kronecker import shampoo
from jaxmlp.optimizers.momenta import adan, ademamix
from jaxmlp.optimizers.orthogonal import muon
from jaxmlp.optimizers.parameter_free import prodigy
from jaxmlp.optimizers.schedule_free import schedule_free_adamw, schedule_free_sgd
from jaxmlp.optimizers.signs import lion
from jaxmlp.optimizers.transforms import cautious, chain, clip, clip_by_global_norm, projected

__all__ = [
    "Optimizer",
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "adan",
    "ademamix",
    "amsgrad",
    "apply_updates",
    "as_optimizer",
    "averaged",
    "cautious",
    "chain",
    "clip",
    "clip_by_global_norm",
    "evaluation_params",
    "gd",
    "lion",
    "lookahead",
    "momentum",
    "muon",
    "nadam",
    "nesterov",
    "prodigy",
    "projected",
    "radam",
    "rmsprop",
    "schedule_free_adamw",
    "schedule_free_sgd",
    "sgd",
    "shampoo",
    "soap",
    "swa",
]

"""Multi-layer perceptrons in JAX: pure functions, many trainings at once. Importing this changes no configuration."""

from jaxmlp import diagnostics, statistics
from jaxmlp.activations import elu, gelu, leaky_relu, linear, relu, sigmoid, silu, softplus, step, tanh
from jaxmlp.class_weights import balanced_weights
from jaxmlp.data import Batch, Data, load, resplit, scaled, split
from jaxmlp.learner import classifier, regressor
from jaxmlp.losses import binary_cross_entropy, cross_entropy, huber, inertia, mse, perceptron, sse
from jaxmlp.masks import dropout, dropout_mask
from jaxmlp.metrics import accuracy, r2
from jaxmlp.mlp import apply, init, truncated_normal
from jaxmlp.optimizers import (
    Optimizer,
    adadelta,
    adagrad,
    adam,
    adamax,
    adamw,
    amsgrad,
    apply_updates,
    chain,
    clip,
    clip_by_global_norm,
    evaluation_params,
    gd,
    lion,
    momentum,
    nadam,
    nesterov,
    projected,
    radam,
    rmsprop,
    sgd,
)
from jaxmlp.penalties import l1, l2, max_norm
from jaxmlp.population import Progress, Study, load_study, successive_halving, train_many, use_cpu_devices
from jaxmlp.result import Cause, Result, Status
from jaxmlp.run import fit
from jaxmlp.schedules import (
    constant_schedule,
    cosine_decay_schedule,
    cosine_onecycle_schedule,
    exponential_decay,
    step_schedule,
    warmup_cosine_decay_schedule,
)
from jaxmlp.shuffle import epoch_order
from jaxmlp.training import Learner, TrainState, init_state, make_train_step

__version__ = "0.2.0"

__all__ = [
    "Batch",
    "Cause",
    "Data",
    "Learner",
    "Optimizer",
    "Progress",
    "Result",
    "Status",
    "Study",
    "TrainState",
    "accuracy",
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "amsgrad",
    "apply",
    "apply_updates",
    "balanced_weights",
    "binary_cross_entropy",
    "chain",
    "classifier",
    "clip",
    "clip_by_global_norm",
    "constant_schedule",
    "cosine_decay_schedule",
    "cosine_onecycle_schedule",
    "cross_entropy",
    "diagnostics",
    "dropout",
    "dropout_mask",
    "elu",
    "epoch_order",
    "evaluation_params",
    "exponential_decay",
    "fit",
    "gd",
    "gelu",
    "huber",
    "inertia",
    "init",
    "init_state",
    "l1",
    "l2",
    "leaky_relu",
    "linear",
    "lion",
    "load",
    "load_study",
    "make_train_step",
    "max_norm",
    "momentum",
    "mse",
    "nadam",
    "nesterov",
    "perceptron",
    "projected",
    "r2",
    "radam",
    "regressor",
    "relu",
    "resplit",
    "rmsprop",
    "scaled",
    "sgd",
    "sigmoid",
    "silu",
    "softplus",
    "split",
    "sse",
    "statistics",
    "step",
    "step_schedule",
    "successive_halving",
    "tanh",
    "train_many",
    "truncated_normal",
    "use_cpu_devices",
    "warmup_cosine_decay_schedule",
]

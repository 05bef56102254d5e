"""`fit`: a complete training run as one compiled program, and the checks that it shares with `train_many`."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from jaxmlp.batches import ORDERS, REMAINDERS
from jaxmlp.checks import check_choice, check_count, check_key, check_non_negative, is_concrete, require
from jaxmlp.data import Data
from jaxmlp.derivatives import forward_only
from jaxmlp.epochs import Plan, Stopping, finish, forward, start
from jaxmlp.leaves import as_partial, strong
from jaxmlp.optimizers import as_optimizer
from jaxmlp.programs import Programs, explicit_mesh, permissive, weakened
from jaxmlp.result import Result
from jaxmlp.training import Learner
from jaxmlp.types import Key, PyTree, Scalar

__all__ = ["fit"]


class Settings(NamedTuple):
    """The settings that `fit` and `train_many` share, as the user gave them; `fit` documents them."""

    epochs: int
    batch_size: int | None
    patience: Scalar | None
    min_delta: Scalar
    monitor: str
    mode: str
    order: str = "reshuffled"
    remainder: str = "drop"
    evaluate_initial: bool = False
    evaluate_test: bool = False


def fit(
    key: Key,
    learner: Learner,
    data: Data,
    *,
    epochs: int,
    batch_size: int | None = None,
    patience: Scalar | None = None,
    min_delta: Scalar = 0.0,
    monitor: str = "loss",
    mode: str = "min",
    order: str = "reshuffled",
    remainder: str = "drop",
    evaluate_initial: bool = False,
    evaluate_test: bool = False,
) -> Result:
    """Trains once, from initial parameters to the end, as one compiled program.

    Each epoch shuffles the training rows, goes through them in batches (by default, rows that do not fill the last
    batch have their turn in another epoch), and evaluates on the validation data. The run ends after `epochs`, or after
    `patience` epochs without improvement, or as soon as the loss or a parameter is not finite; the last finite
    parameters are kept.

    Pure in its key: `jax.vmap` over keys or over a batch of learners works, and so does `jax.jit` around it. Another
    key, patience or min_delta, or a learner with other numbers, does not trigger recompilation. Under `jax.debug_nans`
    NaN is no error here either: it ends the run, and the result says at which step. Derivatives by a learner's numbers
    are taken in forward mode (`jax.jvp`, `jax.jacfwd`); for reverse mode write a loop of `make_train_step`'s steps.

    Args:
      key: a typed key: initial parameters, the order of the rows and dropout all follow from it.
      learner: a `Learner`, such as `classifier(...)` or `regressor(...)`.
      data: a `Data` of train and validation batches, as from `load`; the test split is used only if asked for.
      epochs: the maximum number of epochs, at least 1.
      batch_size: rows per step, from 1 to the number of training rows; None for 64, or all rows if there are fewer.
      patience: stop after this many epochs without improvement, at least 1, and return the best parameters; may be
        traced. None to never stop early and return the last parameters.
      min_delta: how much better the monitored metric must be to count as an improvement, at least 0; may be traced.
      monitor: the validation metric to watch, a name that the learner's `evaluate` returns.
      mode: "min" if less is better, "max" if more is.
      order: of the rows: "reshuffled" in every epoch, one "fixed" random order in all epochs (as DeepOBS does), or as
        "given".
      remainder: rows that do not fill the last batch of an epoch: "drop" them, "keep" them as a smaller batch (as Keras
        does; in `train_...` it counts by its rows), or "carry" them over into the first batch of the next epoch.
      evaluate_initial: whether to evaluate before the first step too, into `Result.initial`.
      evaluate_test: whether to evaluate on the test split after every epoch too, into the history.

    Returns:
      A `Result`.

    Raises:
      ValueError, TypeError: for arguments that break these rules, and for NaN or infinity in the data.

    Example:
      >>> import jaxmlp
      >>> learner = jaxmlp.classifier((2, 8, 2), optimizer=jaxmlp.adam(0.05))
      >>> result = fit(jax.random.key(0), learner, jaxmlp.load("moons"), epochs=5, patience=3)
      >>> result.history["validation_loss"].shape
      (5,)
      >>> print(result.reason)
      finished its 5 epochs
    """
    check_key("fit", key=key)
    learner = checked_learner("fit", learner)
    asked = (order, remainder, evaluate_initial, evaluate_test)
    settings = Settings(epochs, batch_size, patience, min_delta, monitor, mode, *asked)
    plan, stopping = prepare("fit", learner, data, settings)
    splits = (data.train, data.validation, data.test if evaluate_test else None)
    weak_learner, owners = weakened(learner)
    # NumPy arrays suffice: creating a JAX array costs as much as three steps of a small network.
    numbers, structure = jax.tree.flatten(strong(weak_learner, np.asarray))
    with permissive():
        return _compiled_fit(owners, plan, structure)(key, numbers, splits, stopping)


class _Splits(NamedTuple):
    """The data that a run uses."""

    train: Any
    validation: Any
    test: Any


def _jitted_fit(plan: Plan, structure: Any) -> Any:
    def whole_run(key, numbers, splits, stopping):
        learner, data = structure.unflatten(numbers), _Splits(*splits)
        run = start(plan, key, learner, data, stopping)
        return forward_only("fit", finish(forward(plan, learner, data, stopping, run, jnp.int32(plan.epochs))))

    @jax.jit
    def compiled_fit(*arguments):
        mesh = explicit_mesh(arguments)
        if mesh is None:
            return whole_run(*arguments)
        # Rows are taken by index, which leaves open how a batch of explicitly sharded data is sharded: let XLA decide.
        with jax.sharding.use_abstract_mesh(mesh):
            return jax.sharding.auto_axes(whole_run, out_sharding=PartitionSpec())(*arguments)

    return compiled_fit


_compiled_fit = Programs(_jitted_fit)


def prepare(
    function: str, learner: Learner, data: Any, settings: Settings, always_test: bool = False
) -> tuple[Plan, Stopping]:
    """Checks the settings against learner and data, and separates what is static from what may be traced.

    `always_test`: a population evaluates each trial on the test split in any case.
    """
    rows = checked_data(function, data)
    if settings.evaluate_test or always_test:
        require(getattr(data, "test", None) is not None, function, "data", "have a test split", data, TypeError)
        check_split(function, "data.test", data.test)
    if learner.check is not None:
        learner.check(data)
    patience = settings.patience
    if patience is not None:
        patience = check_non_negative(function, patience=patience)
        require(not is_concrete(patience) or patience >= 1, function, "patience", "be at least 1", patience)
    stopping = Stopping(patience, check_non_negative(function, min_delta=settings.min_delta))
    return _plan(function, rows, settings), strong(stopping, np.asarray)


def _plan(function: str, rows: int, settings: Settings) -> Plan:
    """The static settings."""
    check_count(function, epochs=settings.epochs)
    batch_size = min(64, rows) if settings.batch_size is None else settings.batch_size
    check_count(function, batch_size=batch_size)
    require(batch_size <= rows, function, "batch_size", f"be at most {rows} (the training rows)", batch_size)
    check_choice(function, ("min", "max"), mode=settings.mode)
    check_choice(function, ORDERS, order=settings.order)
    check_choice(function, REMAINDERS, remainder=settings.remainder)
    words = (settings.monitor, settings.mode, settings.order, settings.remainder)
    flags = (bool(settings.evaluate_initial), bool(settings.evaluate_test))
    return Plan(function, int(settings.epochs), int(batch_size), *words, *flags)


def checked_learner(function: str, learner: Any) -> Learner:
    """The learner with its functions as pytrees."""
    names = ("init", "loss", "evaluate", "optimizer")
    rule = "have init, loss, evaluate and optimizer, as from classifier(...)"
    require(all(hasattr(learner, name) for name in names), function, "learner", rule, learner, TypeError)
    for name in names[:3]:
        part = getattr(learner, name)
        require(callable(part), function, f"learner.{name}", "be a function", part, TypeError)
    functions = (as_partial(learner.init), as_partial(learner.loss), as_partial(learner.evaluate))
    optional = [getattr(learner, name, None) for name in ("check", "outputs")]
    check, outputs = (part if part is None else as_partial(part) for part in optional)
    return Learner(*functions, as_optimizer(function, learner.optimizer), check, outputs)


def checked_data(function: str, data: Any) -> int:
    """The number of training rows of data whose splits are complete, finite and not empty."""
    complete = hasattr(data, "train") and hasattr(data, "validation")
    require(complete, function, "data", "be a Data with train and validation", data, TypeError)
    check_split(function, "data.validation", data.validation)
    return check_split(function, "data.train", data.train)


def check_split(function: str, name: str, split: PyTree) -> int:
    """The number of rows of a split that is complete, finite and not empty."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(split):
        argument = name + jax.tree_util.keystr(path)
        require(np.size(leaf) > 0 and np.ndim(leaf) > 0, function, argument, "have at least one row", np.shape(leaf))
        bad = int(np.sum(~np.isfinite(jax.device_get(leaf)))) if is_concrete(leaf) else 0
        require(bad == 0, function, argument, "hold no NaN and no infinity", bad)
    rows = [np.shape(leaf)[0] for leaf in jax.tree.leaves(split)]
    require(len(set(rows)) == 1, function, name, "have as many inputs as targets", rows)
    return rows[0]

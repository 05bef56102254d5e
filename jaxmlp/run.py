"""A whole run: one epoch after the other, early stopping, and `fit`, all of it as one compiled program.

The population engine carries the same `Run` forward by the same `advance`: a trial is the same wherever it runs.
"""

import enum
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import check_choice, check_count, check_key, check_non_negative, is_concrete, require
from jaxmlp.leaves import as_partial, strong
from jaxmlp.optimizers import as_optimizer
from jaxmlp.shuffle import epoch_order
from jaxmlp.threefry import fold_in, split
from jaxmlp.training import Learner, TrainState, train_step

__all__ = ["Cause", "Result", "Status", "fit"]


class Status(enum.IntEnum):
    """How a run stands: still running, out of epochs, stopped early, diverged, or pruned by its population."""

    RUNNING = 0
    FINISHED = 1
    STOPPED = 2
    DIVERGED = 3
    PRUNED = 4


class Cause(enum.IntEnum):
    """What became non-finite first in a run that diverged."""

    NONE = 0
    LOSS = 1
    PARAMETERS = 2
    VALIDATION = 3


class Plan(NamedTuple):
    """How to run: what is static (part of the compiled program) about a run."""

    epochs: int
    batch_size: int
    monitor: str
    mode: str


class Stopping(NamedTuple):
    """When to stop: numbers, which may be traced. Without patience a run goes on to its last epoch."""

    patience: Any
    min_delta: Any


class Run(NamedTuple):
    """A run in progress: a pytree. `best` is the monitored metric at `best_epoch`, negated where more is better."""

    state: TrainState
    order_key: jax.Array
    epoch: jax.Array
    status: jax.Array
    cause: jax.Array
    best: jax.Array
    best_epoch: jax.Array
    best_params: Any
    history: dict[str, jax.Array]


class Result(NamedTuple):
    """What `fit` returns: a pytree of arrays.

    - `params`: those of the best epoch where patience was given, else the last ones (the last finite ones, if the run
      diverged).
    - `history`: a dict of (epochs,) arrays: `train_loss` (the mean over the epoch's batches, penalties and dropout
      included) and other metrics of the loss, and `validation_...` for each metric of `evaluate`. NaN from the end on.
    - `best_epoch`: the index into the history of the best monitored value; -1 if no epoch was completed.
    - `epochs`: how many epochs were completed.
    - `steps`: how many steps were done; for a diverged run, the step (counted from 0) that could not be done.
    - `status`, `cause`: codes of `Status` and `Cause`; `reason` says both in words.
    """

    params: Any
    history: dict[str, jax.Array]
    best_epoch: jax.Array
    epochs: jax.Array
    steps: jax.Array
    status: jax.Array
    cause: jax.Array

    @property
    def reason(self):
        """Why the run ended, in words; for a single run outside of jit."""
        epochs, steps = int(self.epochs), int(self.steps)
        match Status(int(self.status)):
            case Status.STOPPED:
                return f"stopped early after {epochs} epochs; the best was epoch index {int(self.best_epoch)}"
            case Status.DIVERGED:
                what = ("", "the loss", "a parameter", "the monitored metric")[int(self.cause)]
                return f"diverged: {what} became non-finite at step {steps}"
            case _:
                return f"finished its {epochs} epochs"


def fit(
    key,
    learner,
    data,
    *,
    epochs,
    batch_size=None,
    patience=None,
    min_delta=0.0,
    monitor="loss",
    mode="min",
):
    """Trains once, from initial parameters to the end, as one compiled program.

    Each epoch shuffles the training rows, goes through them in batches (rows that do not fill the last batch wait for
    the next epoch), and evaluates on the validation data. The run ends after `epochs`; or after `patience` epochs
    without improvement; or as soon as the loss or a parameter is not finite, with the last finite parameters kept.

    Pure in its key: `jax.vmap` over keys, or over a batch of learners, and `jax.jit` around it work. A learner with
    other numbers, another key, patience or min_delta compiles nothing.

    Args:
      key: a typed key: initial parameters, order of the rows and dropout all follow from it.
      learner: a `Learner`, such as `classifier(...)` or `regressor(...)`.
      data: a `Data` of train and validation batches, as from `load`; the test split is not touched.
      epochs: the most epochs, at least 1.
      batch_size: rows a step, from 1 to the number of training rows; None: 64, or all rows where there are fewer.
      patience: stop after so many epochs without improvement, at least 1, and return the best parameters; may be
        traced. None: never stop early, and return the last parameters.
      min_delta: how much lower the monitored metric must be to count as an improvement, at least 0; may be traced.
      monitor: the metric of the validation data to watch, a name that the learner's `evaluate` returns.
      mode: `min` where less is better, `max` where more is.

    Returns:
      A `Result`.

    Raises:
      ValueError, TypeError: for arguments that break these rules, and for NaN or infinity in the data.

    >>> import jaxmlp
    >>> learner = jaxmlp.classifier((2, 8, 2), optimizer=jaxmlp.adam(0.05))
    >>> result = fit(jax.random.key(0), learner, jaxmlp.load("moons"), epochs=5, patience=3)
    >>> result.history["validation_loss"].shape
    (5,)
    >>> print(result.reason)
    finished its 5 epochs
    """
    check_key("fit", "key", key)
    learner = checked_learner("fit", learner)
    plan, stopping = prepare("fit", learner, data, epochs, batch_size, patience, min_delta, monitor, mode)
    # NumPy's arrays will do: to make one of JAX's takes as long as three steps of a small network.
    return _fit(plan, key, strong(learner, np.asarray), data, stopping)


@partial(jax.jit, static_argnums=0)
def _fit(plan, key, learner, data, stopping):
    run = start(plan, key, learner, data, stopping)
    run = jax.lax.while_loop(
        lambda run: run.status == Status.RUNNING,
        lambda run: advance(plan, learner, data, stopping, run),
        run,
    )
    return finish(run)


def prepare(function, learner, data, epochs, batch_size, patience, min_delta, monitor, mode):
    """Checks the arguments that `fit` and `train_many` share, and returns their `Plan` and `Stopping`."""
    rows = checked_data(function, data)
    if learner.check is not None:
        learner.check(data)
    check_count(function, "epochs", epochs)
    batch_size = min(64, rows) if batch_size is None else batch_size
    check_count(function, "batch_size", batch_size)
    require(batch_size <= rows, function, "batch_size", f"be at most {rows} (the training rows)", batch_size)
    check_choice(function, "mode", mode, ("min", "max"))
    if patience is not None:
        patience = check_non_negative(function, "patience", patience)
        require(not is_concrete(patience) or patience >= 1, function, "patience", "be at least 1", patience)
    stopping = Stopping(patience, check_non_negative(function, "min_delta", min_delta))
    return Plan(int(epochs), int(batch_size), monitor, mode), strong(stopping, np.asarray)


def checked_learner(function, learner):
    """The learner with its functions as pytrees."""
    names = ("init", "loss", "evaluate", "optimizer")
    rule = "have init, loss, evaluate and optimizer, as from classifier(...)"
    require(all(hasattr(learner, name) for name in names), function, "learner", rule, learner, TypeError)
    for name in names[:3]:
        part = getattr(learner, name)
        require(callable(part), function, f"learner.{name}", "be a function", part, TypeError)
    check = getattr(learner, "check", None)
    functions = (as_partial(learner.init), as_partial(learner.loss), as_partial(learner.evaluate))
    return Learner(*functions, as_optimizer(function, learner.optimizer), check if check is None else as_partial(check))


def checked_data(function, data):
    """The number of training rows of data whose train and validation splits are whole, finite and not empty."""
    whole = hasattr(data, "train") and hasattr(data, "validation")
    require(whole, function, "data", "be a Data with train and validation", data, TypeError)
    _check_split(function, "data.validation", data.validation)
    return _check_split(function, "data.train", data.train)


def _check_split(function, name, split):
    for path, leaf in jax.tree_util.tree_leaves_with_path(split):
        argument = name + jax.tree_util.keystr(path)
        require(np.size(leaf) > 0 and np.ndim(leaf) > 0, function, argument, "have at least one row", np.shape(leaf))
        bad = int(np.sum(~np.isfinite(jax.device_get(leaf)))) if is_concrete(leaf) else 0
        require(bad == 0, function, argument, "hold no NaN and no infinity", bad)
    rows = [np.shape(leaf)[0] for leaf in jax.tree.leaves(split)]
    require(len(set(rows)) == 1, function, name, "have as many inputs as targets", rows)
    return rows[0]


def start(plan, key, learner, data, stopping):
    """A run before its first epoch. Its three keys are all the randomness that it will ever have."""
    init_key, order_key, train_key = split(key, 3)
    params = learner.init(init_key)
    state = TrainState(params, learner.optimizer.init(params), train_key, jnp.zeros((), jnp.int32))
    metrics = jax.eval_shape(lambda: _epoch(plan, learner, data, order_key, jnp.zeros((), jnp.int32), state)[1])
    known = f"validation_{plan.monitor}" in metrics
    require(known, "fit", "monitor", f"be one of {_monitors(metrics)}", plan.monitor)
    return Run(
        state=state,
        order_key=order_key,
        epoch=jnp.zeros((), jnp.int32),
        status=_code(Status.RUNNING),
        cause=_code(Cause.NONE),
        best=jnp.full((), jnp.inf, jnp.result_type(float)),
        best_epoch=jnp.full((), -1, jnp.int32),
        best_params=None if stopping.patience is None else params,
        history={name: jnp.full((plan.epochs,), jnp.nan, jnp.result_type(float)) for name in metrics},
    )


def _code(member):
    """A status or cause as a strong int32: a weak one would be another type, and compile the population twice."""
    return jnp.asarray(int(member), jnp.int32)


def _monitors(metrics):
    return ", ".join(name.removeprefix("validation_") for name in metrics if name.startswith("validation_"))


def advance(plan, learner, data, stopping, run):
    """One epoch of a run: train, evaluate, and decide whether to go on."""
    state, metrics, cause = _epoch(plan, learner, data, run.order_key, run.epoch, run.state)
    monitored = metrics[f"validation_{plan.monitor}"].astype(run.best.dtype)
    monitored = -monitored if plan.mode == "max" else monitored
    cause = jnp.where((cause == Cause.NONE) & ~jnp.isfinite(monitored), _code(Cause.VALIDATION), cause)
    whole = cause == Cause.NONE
    improved = whole & (monitored < run.best - stopping.min_delta)
    best_epoch = jnp.where(improved, run.epoch, run.best_epoch)
    return Run(
        state=state,
        order_key=run.order_key,
        epoch=run.epoch + whole.astype(jnp.int32),
        status=_status(plan, stopping, whole, run.epoch, best_epoch),
        cause=cause,
        best=jnp.where(improved, monitored, run.best),
        best_epoch=best_epoch,
        best_params=None if run.best_params is None else _either(improved, state.params, run.best_params),
        history=_recorded(run.history, run.epoch, metrics, whole),
    )


def _status(plan, stopping, whole, epoch, best_epoch):
    last = epoch == plan.epochs - 1
    status = jnp.where(last, _code(Status.FINISHED), _code(Status.RUNNING))
    if stopping.patience is not None:
        waited = (epoch - best_epoch).astype(stopping.patience.dtype)
        status = jnp.where(waited >= stopping.patience, _code(Status.STOPPED), status)
    return jnp.where(whole, status, _code(Status.DIVERGED)).astype(jnp.int32)


def _recorded(history, epoch, metrics, whole):
    return {
        name: values.at[epoch].set(jnp.where(whole, metrics[name], jnp.nan).astype(values.dtype))
        for name, values in history.items()
    }


def _epoch(plan, learner, data, order_key, epoch, state):
    """All batches once, in an order of their own, then validation: the new state, the metrics, the cause of trouble."""
    steps = jax.tree.leaves(data.train)[0].shape[0] // plan.batch_size
    rows = epoch_order(fold_in(order_key, epoch), jax.tree.leaves(data.train)[0].shape[0])
    batches = rows[: steps * plan.batch_size].reshape(steps, plan.batch_size)

    def step(state, rows):
        return train_step(learner.loss, learner.optimizer, state, jax.tree.map(lambda array: array[rows], data.train))

    after, train = jax.lax.scan(step, state, batches)
    healthy = jnp.all(jnp.isfinite(train["loss"])) & _all_finite(after.params)
    after, cause = _last_finite(step, batches, state, after, healthy)
    metrics = {f"train_{name}": jnp.mean(values, axis=0) for name, values in train.items()}
    validation = learner.evaluate(after.params, data.validation)
    return after, metrics | {f"validation_{name}": value for name, value in validation.items()}, cause


def _last_finite(step, batches, before, after, healthy):
    """The last state of an epoch whose parameters are finite, and what went wrong next.

    A look at every parameter after every step would cost small networks half their speed. So an epoch runs without, and
    one that has gone wrong is run once more with it, up to the step that went wrong; one that has not, costs nothing.
    """
    fine = _code(Cause.NONE)

    def attempt(carry):
        _, state, _ = carry
        new, metrics = step(state, batches[state.step - before.step])
        cause = jnp.where(_all_finite(new.params), fine, _code(Cause.PARAMETERS))
        return state, new, jnp.where(jnp.isfinite(metrics["loss"]), cause, _code(Cause.LOSS))

    def goes_on(carry):
        _, state, cause = carry
        # `healthy` is asked once more for vmap, which runs the loop for every lane if one of them needs it.
        return ~healthy & (cause == Cause.NONE) & (state.step - before.step < len(batches))

    def replay():
        last, new, cause = jax.lax.while_loop(goes_on, attempt, (before, before, fine))
        return _either(cause == Cause.NONE, new, last), cause

    return jax.lax.cond(healthy, lambda: (after, fine), replay)


def _all_finite(tree):
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))


def _either(condition, if_true, if_false):
    """One of two trees: a conditional, which copies, where a `where` for every leaf would be compiled and computed."""
    return jax.lax.cond(condition, lambda: if_true, lambda: if_false)


def finish(run):
    """The result of a run that has ended."""
    params = run.state.params
    if run.best_params is not None:
        params = _either(run.best_epoch >= 0, run.best_params, params)
    return Result(params, run.history, run.best_epoch, run.epoch, run.state.step, run.status, run.cause)

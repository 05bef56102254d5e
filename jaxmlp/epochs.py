"""The loop that `fit` and the lanes of a population share: one epoch after the other, with early stopping.

    run = start(...)
    while run.status == Status.RUNNING:
        run = forward(..., run, epochs)
    result = finish(run)

`forward` is the same loop in both, so a trial gives the same numbers wherever it runs.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxmlp.batches import Batches, epoch_batches
from jaxmlp.checks import require
from jaxmlp.optimizers.base import Optimizer
from jaxmlp.result import Cause, Result, Status
from jaxmlp.threefry import split
from jaxmlp.training import Learner, TrainState, judged, train_step, trainable
from jaxmlp.types import Array, Key, Params, PyTree, Scalar


class Plan(NamedTuple):
    """The static part of a run's settings: a new value is a new program.

    Attributes:
      function: the public function that runs it, for error texts.
      epochs: the maximum number of epochs.
      batch_size: rows per step.
      monitor: the validation metric that decides.
      mode: "min" or "max".
      order: the order of the rows, one of `batches.ORDERS`.
      remainder: what becomes of rows that do not fill the last batch, one of `batches.REMAINDERS`.
      evaluate_initial: whether to evaluate before the first step.
      evaluate_test: whether to evaluate on the test split after every epoch.
    """

    function: str
    epochs: int
    batch_size: int
    monitor: str
    mode: str
    order: str = "reshuffled"
    remainder: str = "drop"
    evaluate_initial: bool = False
    evaluate_test: bool = False


class Stopping(NamedTuple):
    """When to stop early: numbers, which may be traced.

    Attributes:
      patience: epochs without improvement before the run stops; None to never stop early.
      min_delta: how much better the monitored metric must be to count as an improvement.
    """

    patience: Scalar | None
    min_delta: Scalar


class Run(NamedTuple):
    """A run in progress, a pytree.

    Attributes:
      state: the training state after the last epoch.
      order_key: the key that all epochs derive their batch order from.
      epoch: () int32, the number of epochs completed.
      status: () int32, a code of `Status`.
      cause: () int32, a code of `Cause`.
      best: the monitored metric at `best_epoch`, negated if more is better.
      best_epoch: () int32, index into the history; -1 before the first epoch.
      best_params: the parameters at `best_epoch`; None without patience.
      history: {name: (epochs,)}, NaN for epochs to come.
      initial: {name: ()}, the metrics before the first step; empty unless they were asked for.
    """

    state: TrainState
    order_key: Key
    epoch: Array
    status: Array
    cause: Array
    best: Array
    best_epoch: Array
    best_params: Params
    history: dict[str, Array]
    initial: dict[str, Array]


def start(plan: Plan, key: Key, learner: Learner, data: Any, stopping: Stopping) -> Run:
    """A run before its first epoch. Its three keys are all the randomness that it will ever use."""
    init_key, order_key, train_key = split(key, 3)
    params = learner.init(init_key)
    free = trainable(plan.function, params)
    state = TrainState(params, Optimizer(*learner.optimizer).init(free), train_key, jnp.zeros((), jnp.int32))
    initial = _initial(plan, learner, data, judged(state))
    metrics = jax.eval_shape(lambda: _epoch(plan, learner, data, order_key, jnp.zeros((), jnp.int32), state)[1])
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
        initial=initial,
    )


def _initial(plan: Plan, learner: Learner, data: Any, params: Params) -> dict[str, Array]:
    """The metrics before the first step, if they were asked for."""
    metrics = _evaluated(plan, learner, data, params) if plan.evaluate_initial else {}
    return {name: jnp.asarray(value, jnp.result_type(float)) for name, value in metrics.items()}


def _code(member: Status | Cause) -> Array:
    """A status or cause as a strong int32: a weak one would be another type, and compile the population twice."""
    return jnp.asarray(int(member), jnp.int32)


def forward(plan: Plan, learner: Learner, data: Any, stopping: Stopping, run: Run, epochs: Array) -> Run:
    """Carries a run forward by at most `epochs` epochs."""

    def should_continue(carry):
        run, done = carry
        return (run.status == Status.RUNNING) & (done < epochs)

    def one_epoch(carry):
        run, done = carry
        return advance(plan, learner, data, stopping, run), done + 1

    run, _ = jax.lax.while_loop(should_continue, one_epoch, (run, jnp.zeros((), jnp.int32)))
    return run


def advance(plan: Plan, learner: Learner, data: Any, stopping: Stopping, run: Run) -> Run:
    """One epoch of a run: train, evaluate, and decide whether to continue."""
    state, metrics, cause = _epoch(plan, learner, data, run.order_key, run.epoch, run.state)
    monitored = metrics[f"validation_{plan.monitor}"].astype(run.best.dtype)
    monitored = -monitored if plan.mode == "max" else monitored
    cause = jnp.where((cause == Cause.NONE) & ~jnp.isfinite(monitored), _code(Cause.VALIDATION), cause)
    complete = cause == Cause.NONE
    improved = complete & (monitored < run.best - stopping.min_delta)
    best_epoch = jnp.where(improved, run.epoch, run.best_epoch)
    return Run(
        state=state,
        order_key=run.order_key,
        epoch=run.epoch + complete.astype(jnp.int32),
        status=_status(plan, stopping, complete, run.epoch, best_epoch),
        cause=cause,
        best=jnp.where(improved, monitored, run.best),
        best_epoch=best_epoch,
        best_params=None if run.best_params is None else _either(improved, judged(state), run.best_params),
        history=_recorded(run.history, run.epoch, metrics, complete),
        initial=run.initial,
    )


def _status(plan: Plan, stopping: Stopping, complete: Array, epoch: Array, best_epoch: Array) -> Array:
    last = epoch == plan.epochs - 1
    status = jnp.where(last, _code(Status.FINISHED), _code(Status.RUNNING))
    if stopping.patience is not None:
        waited = (epoch - best_epoch).astype(jnp.result_type(stopping.patience))
        status = jnp.where(waited >= stopping.patience, _code(Status.STOPPED), status)
    return jnp.where(complete, status, _code(Status.DIVERGED)).astype(jnp.int32)


def _recorded(history: dict[str, Array], epoch: Array, metrics: dict[str, Array], complete: Array) -> dict[str, Array]:
    return {
        name: values.at[epoch].set(jnp.where(complete, metrics[name], jnp.nan).astype(values.dtype))
        for name, values in history.items()
    }


def _epoch(
    plan: Plan, learner: Learner, data: Any, order_key: Key, epoch: Array, state: TrainState
) -> tuple[TrainState, dict[str, Array], Array]:
    """All batches once, then evaluation: the new state, the metrics, the cause of trouble if any."""
    rows = jax.tree.leaves(data.train)[0].shape[0]
    batches = epoch_batches(order_key, epoch, rows, plan.batch_size, plan.order, plan.remainder)

    def step(state, rows):
        batch = jax.tree.map(lambda array: array[rows], data.train)
        return train_step(learner.loss, Optimizer(*learner.optimizer), state, batch, plan.function)

    after, train, healthy = _through(step, batches, state)
    after, cause = _last_finite(step, batches, state, after, healthy & _all_finite(after.params))
    metrics = {f"train_{name}": value for name, value in train.items()}
    return after, metrics | _evaluated(plan, learner, data, judged(after)), cause


def _through(step: Any, batches: Batches, state: TrainState) -> tuple[TrainState, dict[str, Array], Array]:
    """All steps of an epoch: the state after them, the means of their metrics, and whether all losses were finite."""
    after, every = jax.lax.scan(step, state, batches.full)
    means = {name: jnp.mean(values, axis=0) for name, values in every.items()}
    finite = jnp.all(jnp.isfinite(every["loss"]))
    if batches.last is None or batches.has_last is None:
        return after, means, finite
    none = {name: jnp.zeros(values.shape[1:], values.dtype) for name, values in every.items()}
    after, last = jax.lax.cond(batches.has_last, lambda: step(after, batches.last), lambda: (after, none))
    share = jnp.where(batches.has_last, batches.last.size / (batches.full.size + batches.last.size), 0.0)
    means = {name: mean + share.astype(mean.dtype) * (last[name] - mean) for name, mean in means.items()}
    return after, means, finite & jnp.isfinite(last["loss"])


def _evaluated(plan: Plan, learner: Learner, data: Any, params: Params) -> dict[str, Array]:
    """The metrics of parameters on validation and, if asked for, test data."""
    validation = learner.evaluate(params, data.validation)
    _check_monitored(plan, validation)
    metrics = {f"validation_{name}": value for name, value in validation.items()}
    test = learner.evaluate(params, data.test) if plan.evaluate_test else {}
    return metrics | {f"test_{name}": value for name, value in test.items()}


def _check_monitored(plan: Plan, validation: dict[str, Array]) -> None:
    known = isinstance(validation, dict) and plan.monitor in validation
    require(known, plan.function, "monitor", f"be one of {', '.join(sorted(validation))}", plan.monitor)


def _last_finite(
    step: Any, batches: Batches, before: TrainState, after: TrainState, healthy: Array
) -> tuple[TrainState, Array]:
    """The last state of an epoch whose parameters are finite, and what went wrong next.

    Checking every parameter after every step would halve the speed of small networks. So epochs run unchecked, and a
    bad one is replayed with checks, up to the step that failed; a healthy epoch costs nothing.
    """
    none = _code(Cause.NONE)

    def attempt(carry):
        done, _, state, _ = carry
        new, metrics = _step_number(step, batches, done, state)
        cause = jnp.where(_all_finite(new.params), none, _code(Cause.PARAMETERS))
        return done + 1, state, new, jnp.where(jnp.isfinite(metrics["loss"]), cause, _code(Cause.LOSS))

    def should_continue(carry):
        done, _, _, cause = carry
        # `healthy` is tested once more for vmap, which runs the loop for every lane if one of them needs it.
        return ~healthy & (cause == Cause.NONE) & (done < batches.steps)

    def replay():
        begin = (jnp.zeros((), jnp.int32), before, before, none)
        _, last, new, cause = jax.lax.while_loop(should_continue, attempt, begin)
        return _either(cause == Cause.NONE, new, last), cause

    return jax.lax.cond(healthy, lambda: (after, none), replay)


def _step_number(step: Any, batches: Batches, number: Array, state: TrainState) -> Any:
    """The step of that number, counted from 0 in each epoch."""
    full = batches.full
    if batches.last is None:
        return step(state, full[number])
    is_last = number == len(full)
    return jax.lax.cond(is_last, lambda: step(state, batches.last), lambda: step(state, full[number]))


def _all_finite(tree: PyTree) -> Array:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))


def _either(condition: Array, if_true: PyTree, if_false: PyTree) -> PyTree:
    """One of two trees: a conditional, which copies; a `where` for every leaf would be compiled and computed."""
    return jax.lax.cond(condition, lambda: if_true, lambda: if_false)


def finish(run: Run) -> Result:
    """The result of a run that has ended: the one place that decides which parameters are kept."""
    params, kept_epoch = judged(run.state), run.epoch - 1
    if run.best_params is not None:
        found = run.best_epoch >= 0
        params = _either(found, run.best_params, params)
        kept_epoch = jnp.where(found, run.best_epoch, kept_epoch)
    return Result(
        params=params,
        history=run.history,
        best_epoch=run.best_epoch,
        kept_epoch=kept_epoch,
        epochs=run.epoch,
        steps=run.state.step,
        status=run.status,
        cause=run.cause,
        initial=run.initial,
    )

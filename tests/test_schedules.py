"""Schedules: optax's values at every step, hand values, and one program for every number in them."""

import inspect
import math
import pickle
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.tree_util import Partial

import jaxmlp
from jaxmlp import schedules, transitions

STEPS = 40
COUNTS = jnp.arange(STEPS + 6)

ROWS = [
    ("constant_schedule", {"value": 0.3}),
    ("exponential_decay", {"init_value": 0.5, "transition_steps": 7, "decay_rate": 0.6}),
    ("exponential_decay", {"init_value": 0.5, "transition_steps": 7, "decay_rate": 0.6, "transition_begin": 5}),
    ("exponential_decay", {"init_value": 0.5, "transition_steps": 7, "decay_rate": 0.6, "staircase": True}),
    (
        "exponential_decay",
        {"init_value": 0.5, "transition_steps": 6, "decay_rate": 1.3, "transition_begin": 3, "staircase": True},
    ),
    ("exponential_decay", {"init_value": 0.5, "transition_steps": 7, "decay_rate": 0.6, "end_value": 0.1}),
    ("exponential_decay", {"init_value": 0.5, "transition_steps": 7, "decay_rate": 1.6, "end_value": 2.0}),
    ("exponential_decay", {"init_value": 0.5, "transition_steps": 7, "decay_rate": 1.0, "end_value": 0.2}),
    ("exponential_decay", {"init_value": 0.5, "transition_steps": 7, "decay_rate": 0.6, "end_value": 0.9}),
    ("cosine_decay_schedule", {"init_value": 0.4, "decay_steps": STEPS}),
    ("cosine_decay_schedule", {"init_value": 0.4, "decay_steps": STEPS, "alpha": 0.2, "exponent": 1.7}),
    (
        "warmup_cosine_decay_schedule",
        {"init_value": 0.1, "peak_value": 0.8, "warmup_steps": 11, "decay_steps": STEPS},
    ),
    (
        "warmup_cosine_decay_schedule",
        {
            "init_value": 0.9,
            "peak_value": 0.8,
            "warmup_steps": 1,
            "decay_steps": STEPS,
            "end_value": 0.05,
            "exponent": 0.7,
        },
    ),
    (
        "warmup_cosine_decay_schedule",
        {"init_value": 0.1, "peak_value": 0.8, "warmup_steps": 0, "decay_steps": STEPS, "end_value": 0.2},
    ),
    ("linear_schedule", {"init_value": 0.7, "end_value": 0.1, "transition_steps": STEPS}),
    ("linear_schedule", {"init_value": 0.2, "end_value": 0.9, "transition_steps": 13, "transition_begin": 7}),
    ("cosine_onecycle_schedule", {"transition_steps": STEPS, "peak_value": 0.7}),
    (
        "cosine_onecycle_schedule",
        {"transition_steps": STEPS, "peak_value": 0.7, "pct_start": 0.47, "div_factor": 5.0, "final_div_factor": 3.0},
    ),
]
EACH = pytest.mark.parametrize(("name", "arguments"), ROWS)
NAMES = {name for name, _ in ROWS}


def values_of_one(schedule, counts=COUNTS):
    return jax.vmap(lambda count: jnp.asarray(schedule(count)))(counts)


def values(schedule, counts=COUNTS):
    return np.asarray(jax.jit(values_of_one)(schedule, counts))


def ours(name, **arguments):
    return getattr(jaxmlp, name)(**arguments)


def test_no_schedule_is_missing_from_the_table():
    assert {*schedules.__all__, *transitions.__all__} == NAMES | {"step_schedule", "half_life_schedule"}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_signature_is_optaxs(name):
    own, theirs = (inspect.signature(getattr(library, name)).parameters.values() for library in (jaxmlp, optax))
    assert [(p.name, p.default, p.kind) for p in own] == [(p.name, p.default, p.kind) for p in theirs]


@EACH
def test_values_are_optaxs_at_every_step(name, arguments):
    reference = Partial(getattr(optax, name)(**arguments))
    with jax.numpy_dtype_promotion("standard"), jax.enable_x64(True):
        exact = values(reference, jnp.arange(STEPS + 6, dtype=jnp.float64))
        np.testing.assert_allclose(
            values(ours(name, **arguments), jnp.arange(STEPS + 6)), exact, rtol=1e-12, atol=1e-16
        )
    own = values(ours(name, **arguments))
    assert own.dtype == np.float32
    np.testing.assert_allclose(own, exact, rtol=2e-6, atol=1e-7)


@EACH
def test_python_counts_give_the_values_of_arrays(name, arguments):
    schedule = ours(name, **arguments)
    some = [0, 1, 13, STEPS]
    np.testing.assert_allclose([float(schedule(count)) for count in some], values(schedule)[some], rtol=1e-5)


def strong(value):
    return jnp.array(value, jnp.int32 if isinstance(value, int) else jnp.float32)


@EACH
def test_traced_numbers_and_lengths_compile_once(name, arguments):
    """Values of a batch of schedules, lengths as integers, are those of each alone."""
    traces = []
    flags = {key: value for key, value in arguments.items() if isinstance(value, bool)}
    numbers = {key: value for key, value in arguments.items() if key not in flags}

    @jax.jit
    def traced(numbers):
        traces.append(1)
        schedule = ours(name, **numbers, **flags)
        return jax.vmap(lambda count: jnp.asarray(schedule(count)))(COUNTS)

    batch = []
    for scale in (1, 2):
        scaled = {key: strong(value * (1 if key == "pct_start" else scale)) for key, value in numbers.items()}
        batch.append(scaled)
        alone = ours(name, **{key: value.item() for key, value in scaled.items()}, **flags)
        np.testing.assert_allclose(traced(scaled), values(alone), rtol=2e-6, atol=1e-7)
    assert len(traces) == 1
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *batch)
    mapped = jax.vmap(lambda numbers: values_of_one(ours(name, **numbers, **flags)))(stacked)
    for row, scaled in zip(mapped, batch, strict=True):
        np.testing.assert_allclose(row, traced(scaled), rtol=2e-6, atol=1e-7)


@EACH
def test_a_schedule_is_a_tree_of_its_numbers(name, arguments):
    """Python's ints and floats alike: 40 and 40.5 steps are one program."""
    leaves = jax.tree.leaves(ours(name, **arguments))
    assert all(type(leaf) is float for leaf in leaves)
    numbers = [value for value in arguments.values() if not isinstance(value, bool)]
    assert set(map(float, numbers)) <= set(leaves)


def test_a_traced_length_after_a_given_warm_up():
    value = jax.jit(lambda length: jaxmlp.warmup_cosine_decay_schedule(0.0, 1.0, 2, length)(6))(10)
    assert float(value) == pytest.approx(0.5)


def test_step_schedule_by_hand():
    schedule = jaxmlp.step_schedule(0.8, 3, 0.5)
    expected = [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2, 0.2, 0.1]
    np.testing.assert_allclose(values(schedule)[:10], expected, rtol=1e-6)
    np.testing.assert_allclose(
        values(jaxmlp.step_schedule(0.8, 20))[[0, 19, 20, 40]], [0.8, 0.8, 0.08, 0.008], rtol=1e-6
    )
    np.testing.assert_allclose(
        values(jaxmlp.step_schedule(0.8, 2.5, 2.0))[:6], [0.8, 0.8, 0.8, 1.6, 1.6, 3.2], rtol=1e-6
    )
    np.testing.assert_allclose(values(jaxmlp.step_schedule(0.8, 2, 0.0))[:3], [0.8, 0.8, 0.0])


def test_step_schedule_is_a_staircase():
    staircase = jaxmlp.exponential_decay(0.8, 6, 0.3, staircase=True)
    np.testing.assert_allclose(values(jaxmlp.step_schedule(0.8, 6, 0.3)), values(staircase), rtol=1e-6)


def test_step_schedule_of_traced_numbers():
    numbers = jnp.array([[0.8, 3.0, 0.5], [0.4, 2.0, 0.1]])
    mapped = jax.vmap(lambda row: values_of_one(jaxmlp.step_schedule(*row)))(numbers)
    for row, arguments in zip(mapped, numbers.tolist(), strict=True):
        np.testing.assert_allclose(row, values(jaxmlp.step_schedule(*arguments)), rtol=1e-5)
    whole = jax.vmap(lambda steps: jaxmlp.step_schedule(0.8, steps, 0.5)(4))(jnp.array([2, 5]))
    np.testing.assert_allclose(whole, [0.2, 0.8], rtol=1e-6)


def test_memories_grow_linearly():
    """A decay b forgets half in log(1/2) / log(b) steps: from 2 to 66, in steps of 8."""
    first, last = 0.5**0.5, 0.5 ** (1 / 66)
    grown = values(jaxmlp.half_life_schedule(first, last, 8))
    half_lives = np.minimum(2 + 8 * np.arange(len(grown)), 66)
    np.testing.assert_allclose(grown, 0.5 ** (1 / half_lives), rtol=1e-6)
    mapped = jax.vmap(lambda steps: jaxmlp.half_life_schedule(first, last, steps)(jnp.int32(4)))(jnp.array([4, 8]))
    np.testing.assert_allclose(mapped, [last, 0.5 ** (1 / 34)], rtol=1e-6)


def test_ends():
    """Start, peak and end of each, by hand; constant after the end."""
    warm = values(jaxmlp.warmup_cosine_decay_schedule(0.1, 0.8, 10, STEPS, 0.05))
    np.testing.assert_allclose(warm[[0, 5, 10, 25, STEPS, -1]], [0.1, 0.45, 0.8, 0.425, 0.05, 0.05], rtol=1e-5)
    cycle = values(jaxmlp.cosine_onecycle_schedule(STEPS, 0.8, 0.25, 4.0, 10.0))
    np.testing.assert_allclose(cycle[[0, 5, 10, 25, STEPS, -1]], [0.2, 0.5, 0.8, 0.41, 0.02, 0.02], rtol=1e-5)
    cosine = values(jaxmlp.cosine_decay_schedule(0.8, STEPS, 0.25))
    np.testing.assert_allclose(cosine[[0, 20, STEPS, -1]], [0.8, 0.5, 0.2, 0.2], rtol=1e-5)


@pytest.mark.parametrize("warmup_steps", [0, 0.5])
def test_no_warm_up_starts_at_the_peak(warmup_steps):
    warm = values(jaxmlp.warmup_cosine_decay_schedule(0.1, 0.8, warmup_steps, STEPS))
    assert warm[0] == pytest.approx(0.8 if warmup_steps == 0 else 0.1)
    assert warm[1] == pytest.approx(0.8, rel=1e-2)


def test_no_rise_starts_the_cycle_at_its_peak():
    cycle = values(jaxmlp.cosine_onecycle_schedule(STEPS, 0.8, 0.0))
    assert np.all(np.isfinite(cycle))
    assert cycle[0] == pytest.approx(0.8)


def test_lengths_of_a_cycle_are_whole_steps():
    short, whole = (jaxmlp.cosine_onecycle_schedule(steps, 0.8, 0.5) for steps in (STEPS + 0.9, STEPS))
    np.testing.assert_allclose(values(short), values(whole), rtol=1e-5)


def test_slopes_by_every_number_are_finite():
    def total(schedule):
        return jnp.sum(values_of_one(schedule))

    made = [
        ours(
            "exponential_decay", init_value=0.5, transition_steps=7, decay_rate=0.6, transition_begin=5, end_value=0.1
        ),
        jaxmlp.warmup_cosine_decay_schedule(0.1, 0.8, 11.0, 40.0, 0.2),
        jaxmlp.cosine_onecycle_schedule(40.0, 0.7),
    ]
    slopes = jax.jit(lambda made: [jax.grad(total)(schedule) for schedule in made])(made)
    assert np.all(np.isfinite(jax.tree.leaves(slopes)))


def test_a_schedule_in_an_optimizer_inside_jit_is_one_program():
    traces = []

    @jax.jit
    def three_steps(optimizer):
        traces.append(1)
        params, total = jnp.float32(0.0), []
        state = optimizer.init(params)
        for _ in range(3):
            updates, state = optimizer.update(jnp.float32(1.0), state, params)
            total.append(updates)
        return jnp.stack(total)

    for peak in (0.5, 2.0):
        schedule = jaxmlp.warmup_cosine_decay_schedule(0.0, peak, 2, 6)
        np.testing.assert_allclose(three_steps(jaxmlp.gd(schedule)), [0.0, -peak / 2, -peak], rtol=1e-6)
    assert len(traces) == 1


FINITE, POSITIVE = "be a finite number of at least 0", "be a finite number above 0"
FRACTION = "be above 0 and below 1"
GOOD = {
    "constant_schedule": {"value": 0.3},
    "step_schedule": {"init_value": 0.3, "step_size": 5, "factor": 0.5},
    "exponential_decay": {"init_value": 0.3, "transition_steps": 5, "decay_rate": 0.5},
    "cosine_decay_schedule": {"init_value": 0.3, "decay_steps": 5},
    "warmup_cosine_decay_schedule": {"init_value": 0.3, "peak_value": 0.5, "warmup_steps": 3, "decay_steps": 5},
    "cosine_onecycle_schedule": {"transition_steps": 5, "peak_value": 0.5},
    "linear_schedule": {"init_value": 0.3, "end_value": 0.1, "transition_steps": 5},
    "half_life_schedule": {"init_value": 0.3, "end_value": 0.9, "transition_steps": 5},
}
RULES = [
    ("constant_schedule", FINITE, ["value"]),
    ("step_schedule", FINITE, ["init_value", "factor"]),
    ("step_schedule", POSITIVE, ["step_size"]),
    ("exponential_decay", FINITE, ["init_value", "transition_begin", "end_value"]),
    ("exponential_decay", POSITIVE, ["transition_steps", "decay_rate"]),
    ("cosine_decay_schedule", FINITE, ["init_value", "alpha"]),
    ("cosine_decay_schedule", POSITIVE, ["decay_steps", "exponent"]),
    ("warmup_cosine_decay_schedule", FINITE, ["init_value", "warmup_steps", "end_value"]),
    ("warmup_cosine_decay_schedule", POSITIVE, ["peak_value", "decay_steps", "exponent"]),
    ("linear_schedule", FINITE, ["init_value", "end_value", "transition_begin"]),
    ("linear_schedule", POSITIVE, ["transition_steps"]),
    ("half_life_schedule", FRACTION, ["init_value", "end_value"]),
    ("half_life_schedule", POSITIVE, ["transition_steps"]),
    ("cosine_onecycle_schedule", "be at least 0 and below 1", ["pct_start"]),
    ("cosine_onecycle_schedule", POSITIVE, ["transition_steps", "peak_value", "div_factor", "final_div_factor"]),
]
RULES = [(name, argument, rule) for name, rule, arguments in RULES for argument in arguments]


@pytest.mark.parametrize(("name", "argument", "rule"), RULES)
def test_a_number_out_of_range_is_refused(name, argument, rule):
    for wrong in (-1.0, math.nan, math.inf, *([0.0] if rule in (POSITIVE, FRACTION) else [])):
        with pytest.raises(ValueError, match=re.escape(f"{name}: {argument} must {rule}, got {wrong!r}")):
            ours(name, **GOOD[name] | {argument: wrong})
    with pytest.raises(TypeError, match=re.escape(f"{name}: {argument} must be a number, got '5'")):
        ours(name, **GOOD[name] | {argument: "5"})
    rule = "be a scalar (for a batch of values use jax.vmap)"
    with pytest.raises(ValueError, match=re.escape(f"{name}: {argument} must {rule}, got (2,)")):
        ours(name, **GOOD[name] | {argument: jnp.ones(2)})


@pytest.mark.parametrize(("name", "argument", "rule"), [row for row in RULES if row[2] not in (POSITIVE, FRACTION)])
def test_zero_is_in_range(name, argument, rule):
    assert np.all(np.isfinite(values(ours(name, **GOOD[name] | {argument: 0}))))


@pytest.mark.parametrize("decay_steps", [2, 3])
def test_a_decay_that_ends_with_the_warm_up_is_refused(decay_steps):
    rule = f"be above warmup_steps = 3.0, got {float(decay_steps)}"
    with pytest.raises(ValueError, match=re.escape(f"warmup_cosine_decay_schedule: decay_steps must {rule}")):
        jaxmlp.warmup_cosine_decay_schedule(0.0, 1.0, 3, decay_steps)


def test_two_schedules_share_a_program_unless_a_flag_differs():
    smooth, other, stairs = (
        jaxmlp.exponential_decay(init_value, 5, 0.5, staircase=staircase)
        for init_value, staircase in [(0.3, False), (0.4, False), (0.3, True)]
    )
    assert jax.tree.structure(smooth) == jax.tree.structure(other)
    assert jax.tree.structure(smooth) != jax.tree.structure(stairs)


@EACH
def test_a_schedule_survives_pickling(name, arguments):
    schedule = ours(name, **arguments)
    again = pickle.loads(pickle.dumps(schedule))
    assert jax.tree.structure(again) == jax.tree.structure(schedule)
    assert float(again(3)) == float(schedule(3))

"""Schedule-free learning: optax's trajectories with warm-up, the paper's recurrence, and the point of judgment."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

import jaxmlp
from tests.optimizers.test_optimizers import assert_close, gradients_of, nested, trajectory

SGD, ADAMW = "schedule_free_sgd", "schedule_free_adamw"
EACH = pytest.mark.parametrize("name", [SGD, ADAMW])
RATE = jaxmlp.linear_schedule(0.0, 0.05, 7)


def judged(optimizer, params, steps=30):
    """The parameters and where they are judged, after each step."""

    def step(carry, _):
        params, state = carry
        updates, state = optimizer.update(gradients_of(params), state, params)
        params = jaxmlp.apply_updates(params, updates)
        return (params, state), (params, jaxmlp.evaluation_params(state, params))

    return jax.lax.scan(step, (params, optimizer.init(params)), length=steps)[1]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("arguments", [{}, {"b1": 0.7, "weight_decay": 0.2, "weight_lr_power": 0.5}])
@pytest.mark.parametrize("learning_rate", [0.05, RATE, jaxmlp.exponential_decay(0.05, 5, 0.8)])
@EACH
def test_both_points_are_optaxs(name, learning_rate, arguments):
    """With any schedule: its value of the next step counts in the average."""
    own = jax.jit(judged)(getattr(jaxmlp, name)(learning_rate, **arguments), nested())
    with jax.numpy_dtype_promotion("standard"):
        expected = jax.jit(lambda: judged(getattr(optax.contrib, name)(learning_rate, **arguments), nested()))()
    assert_close(own, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.usefixtures("x64")
@EACH
def test_a_warm_up_is_a_line_up_to_the_rate(name):
    make = getattr(jaxmlp, name)
    assert_close(trajectory(make(0.05, warmup_steps=7), nested(), 20), trajectory(make(RATE), nested(), 20), rtol=1e-13)
    with jax.numpy_dtype_promotion("standard"):
        expected = trajectory(getattr(optax.contrib, name)(0.05, warmup_steps=7), nested(), 20)
    assert_close(trajectory(make(0.05, warmup_steps=7), nested(), 20), expected, rtol=1e-6)  # of float32 there


@pytest.mark.usefixtures("x64")
def test_a_warm_up_scales_a_schedule():
    fading = jaxmlp.exponential_decay(0.2, 1, 0.5)
    optimizer = jaxmlp.schedule_free_sgd(fading, warmup_steps=4, b1=0.0)
    state, params, steps = optimizer.init(jnp.float64(0.0)), jnp.float64(0.0), []
    for _ in range(6):
        before = state.z
        _, state = optimizer.update(jnp.float64(1.0), state, params)
        steps.append(float(before - state.z))
    np.testing.assert_allclose(steps, [0.2 * 0.5**t * min(t / 4, 1) for t in range(6)], rtol=1e-13)


def by_hand(adam, steps=4, eta=0.1, b1=0.8, b2=0.9, eps=0.01, decay=0.3, power=1.5):
    """y and x of one weight, with Python's numbers, under a rate that doubles every two steps; the gradient of y is y^2 + 1."""
    y = z = x = 1.5
    v = total = 0.0
    for t in range(1, steps + 1):
        g, rate = y**2 + 1, eta * 2 ** ((t - 1) // 2)
        v = b2 * v + (1 - b2) * g**2
        direction = g / ((v / (1 - b2**t)) ** 0.5 + eps) if adam else g
        z = z - rate * (direction + decay * y)
        weight = (eta * 2 ** (t // 2)) ** power  # the rate of the next step
        total = total + weight
        x = x + weight / total * (z - x)
        y = b1 * x + (1 - b1) * z
        yield y, x


@pytest.mark.usefixtures("x64")
@EACH
def test_steps_by_hand(name):
    doubling = jaxmlp.step_schedule(0.1, 2, 2.0)
    arguments = {"b2": 0.9, "eps": 0.01} if name == ADAMW else {}
    optimizer = getattr(jaxmlp, name)(doubling, b1=0.8, weight_decay=0.3, weight_lr_power=1.5, **arguments)
    params = jnp.float64(1.5)
    state, found = optimizer.init(params), []
    for _ in range(4):
        updates, state = optimizer.update(params**2 + 1, state, params)
        params = params + updates
        found.append((float(params), float(jaxmlp.evaluation_params(state, params))))
    np.testing.assert_allclose(found, list(by_hand(name == ADAMW)), rtol=1e-12)


def test_of_power_zero_it_is_judged_at_the_mean_of_all_steps():
    """With b1 = 0 the parameters are z, plain gradient descent, which optax cannot do."""
    params = {"w": jnp.array([1.0, -2.0])}
    optimizer = jaxmlp.schedule_free_sgd(0.1, b1=0.0, weight_lr_power=0.0)
    points, averages = judged(optimizer, params, 10)
    assert_close(points, trajectory(jaxmlp.gd(0.1), params, 10), rtol=1e-6)
    means = np.cumsum(np.asarray(points["w"]), axis=0) / np.arange(1, 11)[:, None]
    np.testing.assert_allclose(averages["w"], means, rtol=1e-5)


@EACH
def test_before_the_first_step_it_is_judged_at_the_parameters(name):
    params = nested(jnp.bfloat16)
    state = getattr(jaxmlp, name)(0.1).init(params)
    assert_close(jaxmlp.evaluation_params(state, params), params, rtol=0)


@EACH
def test_an_average_of_bfloat16_parameters_moves_by_less_than_their_resolution(name):
    """After a million steps, c z is far below the resolution of bfloat16, and of x recomputed from such y."""
    optimizer = getattr(jaxmlp, name)(1.0)
    params = jnp.ones(1, jnp.bfloat16)
    state = optimizer.init(params)._replace(weight_sum=jnp.float32(999.0))
    _, state = optimizer.update(jnp.ones(1, jnp.bfloat16), state, params)
    np.testing.assert_allclose(state.x, [0.999], rtol=1e-6)
    assert jaxmlp.evaluation_params(state, params).dtype == jnp.bfloat16


@EACH
def test_the_dtype_of_the_state(name):
    params = {"w": jnp.ones(2, jnp.bfloat16), "c": jnp.ones(1, jnp.complex64)}
    state = getattr(jaxmlp, name)(0.1).init(params)
    assert (state.z["w"].dtype, state.x["c"].dtype, state.max_lr.dtype) == (jnp.float32, jnp.complex64, jnp.float32)
    state = getattr(jaxmlp, name)(0.1, state_dtype=jnp.bfloat16).init({"w": params["w"]})
    assert state.z["w"].dtype == state.x["w"].dtype == jnp.bfloat16


@EACH
def test_a_rotated_complex_gradient_rotates_the_steps(name):
    turn, optimizer = 0.6 + 0.8j, getattr(jaxmlp, name)(0.1)

    def after(params, steps=10):
        state = optimizer.init(params)
        for _ in range(steps):
            updates, state = optimizer.update(params, state, params)
            params = params + updates
        return np.asarray(jaxmlp.evaluation_params(state, params))

    start = np.array([2.0, 0.5])
    real, rotated = after(jnp.asarray(start, jnp.float32)), after(jnp.asarray(start * turn, jnp.complex64))
    np.testing.assert_allclose(rotated, real * turn, rtol=2e-5)


@EACH
def test_a_rate_of_zero_keeps_everything_where_it_is(name):
    points, averages = judged(getattr(jaxmlp, name)(0.0), nested(), 3)
    assert_close(jax.tree.map(lambda leaf: leaf[-1], points), nested(), rtol=1e-6)
    assert_close(averages, points, rtol=1e-6)


@EACH
def test_missing_params_are_refused(name):
    optimizer = getattr(jaxmlp, name)(0.1)
    with pytest.raises(ValueError, match=rf"{name}.update: params must be given, as .* needs? them, got None"):
        optimizer.update(nested(), optimizer.init(nested()))

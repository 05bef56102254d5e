"""Tasks without noise: what makes a landscape hard."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.compare.suite.task import DIMENSIONS, ROTATION, Noise, Task, between, farthest, spectrum, still

_WALL = float(np.log(8.0) / 8.0)
_UNITS = np.geomspace(1e-2, 1e2, DIMENSIONS).astype(np.float32)


def _plain(height: Callable[[Any], Any]) -> Callable[[Any, Noise, Any], Any]:
    """The loss of a function of the point alone."""
    return lambda x, noise, time: height(x)


def _conditioning() -> list[Task]:
    tasks = []
    for condition in (1e1, 1e2, 1e4, 1e6):
        h = spectrum(condition)

        def along_axes(x: Any, h: np.ndarray = h) -> jax.Array:
            return 0.5 * jnp.vdot(h, jnp.square(x))

        def rotated(x: Any, h: np.ndarray = h) -> jax.Array:
            return along_axes(jnp.matmul(ROTATION, x), h)

        size = f"{condition:.0e}".replace("+0", "")
        about = f"curvatures from 1 to {1 / condition:g}"
        axes = Task(f"axes_{size}", "conditioning", f"{about}, along the axes", _plain(along_axes), *_unit_bowl())
        tasks += [axes, axes._replace(name=f"rotated_{size}", about=f"{about}, rotated", **_turned(rotated))]
    return tasks


def _unit_bowl() -> tuple[Any, Any, float]:
    """Start, solution and tolerance of bowls: every coordinate must shrink to a tenth."""
    return between(0.5, 1.5), still(), 0.1


def _turned(height: Callable[[Any], Any]) -> dict[str, Any]:
    """Loss, start and error of a bowl in rotated coordinates."""
    straight = between(0.5, 1.5)
    return {
        "loss": _plain(height),
        "start": lambda key: jnp.matmul(ROTATION.T, straight(key)),
        "error": lambda x, time: farthest(jnp.matmul(ROTATION, x)),
    }


def _plateau(x: Any) -> jax.Array:
    """Flat far from 0."""
    return jnp.sum(jnp.square(x) / (1 + jnp.square(x)))


def _quartic(x: Any) -> jax.Array:
    return 0.25 * jnp.sum(jnp.square(jnp.square(x)))


def _slope(x: Any) -> jax.Array:
    """A bowl at the bottom of slopes of 1."""
    return jnp.sum(jnp.sqrt(1 + jnp.square(x)))


_FLATNESS = [
    Task("plateau", "flatness", "x^2 / (1 + x^2) from 10", _plain(_plateau), between(8.0, 12.0), still(), 0.1),
    Task("wide_plateau", "flatness", "the same from 100", _plain(_plateau), between(80.0, 120.0), still(), 0.1),
    Task("flat_bottom", "flatness", "x^4 / 4, flat at its minimum", _plain(_quartic), *_unit_bowl()),
    Task("far_away", "flatness", "a long way at slope 1", _plain(_slope), between(250.0, 350.0), still(), 0.1),
]


def _cliff(x: Any) -> jax.Array:
    """Nearly flat above and below a step of 50."""
    return jnp.sum(0.005 * jnp.square(x) + 50 * jax.nn.sigmoid(20 * (x - 2)))


def _wall(x: Any) -> jax.Array:
    """A slope of 1 down to an exponential wall."""
    return jnp.sum(jnp.exp(-8 * x) + x)


def _lopsided(x: Any) -> jax.Array:
    """Curvature 1 on one side of the minimum and 100 on the other."""
    return jnp.sum(jnp.where(x > 0, 0.5, 50.0) * jnp.square(x))


def _kinks(x: Any) -> jax.Array:
    """Absolute values in rotated coordinates, with slopes from 0.01 to 1."""
    return jnp.vdot(spectrum(100.0), jnp.abs(jnp.matmul(ROTATION, x)))


def _absolute(x: Any) -> jax.Array:
    return jnp.sum(jnp.abs(x))


_STEEPNESS = [
    Task(
        "cliff",
        "steepness",
        "a step of 50 between plains",
        _plain(_cliff),
        between(2.5, 3.5, signs=False),
        still(),
        0.5,
    ),
    Task("wall", "steepness", "exp(-8 x) + x", _plain(_wall), between(2.0, 3.0, signs=False), still(_WALL), 0.05),
    Task("lopsided", "steepness", "curvature 1 right, 100 left", _plain(_lopsided), *_unit_bowl()),
    Task("kink", "steepness", "absolute values", _plain(_absolute), between(0.5, 1.5), still(), 0.02),
    Task(
        "rotated_kinks",
        "steepness",
        "rotated absolute values, slopes 0.01 to 1",
        **_turned(_kinks),
        solution=still(),
        tolerance=0.1,
    ),
]


def _pairs(x: Any) -> tuple[jax.Array, jax.Array]:
    """Four planes: the first and the second coordinate of each."""
    return x[: DIMENSIONS // 2], x[DIMENSIONS // 2 :]


def _rosenbrock(x: Any) -> jax.Array:
    u, v = _pairs(x)
    return jnp.sum(jnp.square(1 - u) + 100 * jnp.square(v - jnp.square(u)))


def _from_rosenbrock(key: jax.Array) -> jax.Array:
    usual = jnp.repeat(jnp.array([-1.2, 1.0], jnp.float32), DIMENSIONS // 2)
    return usual + 0.1 * jax.random.normal(key, (DIMENSIONS,))


def _saddle(x: Any) -> jax.Array:
    u, v = _pairs(x)
    return jnp.sum(0.5 * jnp.square(u) - 0.5 * jnp.square(v) + 0.25 * jnp.square(jnp.square(v)))


def _from_saddle(key: jax.Array) -> jax.Array:
    close = jnp.repeat(jnp.array([1.0, 1e-4], jnp.float32), DIMENSIONS // 2)
    return close * between(0.5, 1.5)(key)


def _saddle_solution(time: Any) -> jax.Array:
    return jnp.repeat(jnp.array([0.0, 1.0], jnp.float32), DIMENSIONS // 2)


def _saddle_error(x: Any, time: Any) -> jax.Array:
    """The distance from the nearest minimum: v = 1 or v = -1."""
    u, v = _pairs(x)
    return jnp.maximum(farthest(u), farthest(jnp.abs(v) - 1))


def _inflection(x: Any) -> jax.Array:
    """Flat at 0, where it is no minimum; minimum at 1."""
    return jnp.sum(0.25 * jnp.square(jnp.square(x)) - x * jnp.square(x) / 3)


def _deep(x: Any) -> jax.Array:
    """Two chains of four factors each, whose products must be 1."""
    return 0.5 * jnp.sum(jnp.square(_products(x) - 1))


def _products(x: Any) -> jax.Array:
    return jnp.prod(jnp.reshape(x, (2, DIMENSIONS // 2)), axis=1)


def _deep_error(x: Any, time: Any) -> jax.Array:
    return farthest(_products(x) - 1)


def _from_wrong_sign(key: jax.Array) -> jax.Array:
    """One factor of each chain is negative, and the smallest."""
    sizes = between(0.6, 0.9, signs=False)(key)
    first = jnp.arange(DIMENSIONS) % (DIMENSIONS // 2) == 0
    return jnp.where(first, -0.2 * sizes, sizes)


def _ripples(x: Any) -> jax.Array:
    """A bowl with local minima up to a distance of 1 from the global one."""
    return jnp.sum(0.5 * jnp.square(x) + 0.1 * (1 - jnp.cos(10 * x)))


_CURVES = [
    Task("curved_valley", "curves and saddles", "Rosenbrock", _plain(_rosenbrock), _from_rosenbrock, still(1.0), 0.2),
    Task(
        "saddle",
        "curves and saddles",
        "1e-4 from a saddle",
        _plain(_saddle),
        _from_saddle,
        _saddle_solution,
        0.1,
        _saddle_error,
    ),
    Task(
        "inflection",
        "curves and saddles",
        "a flat point on the way",
        _plain(_inflection),
        lambda key: -between(0.4, 0.6, signs=False)(key),
        still(1.0),
        0.1,
    ),
    Task(
        "deep_chain",
        "curves and saddles",
        "a product of four small factors",
        _plain(_deep),
        between(0.2, 0.4, signs=False),
        still(1.0),
        0.05,
        _deep_error,
    ),
    Task(
        "wrong_sign",
        "curves and saddles",
        "the same with a factor of the wrong sign",
        _plain(_deep),
        _from_wrong_sign,
        still(1.0),
        0.05,
        _deep_error,
    ),
    Task(
        "ripples",
        "curves and saddles",
        "local minima around the global one",
        _plain(_ripples),
        between(2.0, 3.0),
        still(),
        0.3,
    ),
]


def _bowl_times(factor: float) -> Callable[[Any], jax.Array]:
    return lambda x: jnp.float32(factor) * 0.5 * jnp.vdot(spectrum(10.0), jnp.square(x))


def _units(x: Any) -> jax.Array:
    return 0.5 * jnp.sum(jnp.square(x / _UNITS - 1))


def _units_error(x: Any, time: Any) -> jax.Array:
    return farthest(x / _UNITS - 1)


_SCALES = [
    Task("tiny_loss", "scales", "a bowl times 1e-6", _plain(_bowl_times(1e-6)), *_unit_bowl()),
    Task("huge_loss", "scales", "a bowl times 1e6", _plain(_bowl_times(1e6)), *_unit_bowl()),
    Task(
        "units",
        "scales",
        "solutions from 0.01 to 100, each in its own units",
        _plain(_units),
        between(0.0, 1e-3),
        lambda time: jnp.asarray(_UNITS),
        0.1,
        _units_error,
    ),
]

LANDSCAPES: list[Task] = [*_conditioning(), *_FLATNESS, *_STEEPNESS, *_CURVES, *_SCALES]

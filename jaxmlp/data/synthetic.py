"""Synthetic data sets: logic gates, and three pairs of curves in the plane."""

from collections.abc import Callable

import numpy as np

from jaxmlp.data.types import Batch, Data

__all__ = ["GATES", "SHAPES", "curves", "gate"]

GATES = {"and": [0, 0, 0, 1], "or": [0, 1, 1, 1], "xor": [0, 1, 1, 0]}


def gate(name: str) -> Data:
    """The truth table of a gate, (4, 2) float32 and (4,) int32, as training, validation and test rows alike."""
    inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    rows = Batch(inputs, np.array(GATES[name], np.int32))
    return Data(rows, rows, rows)


def curves(name: str, rows: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows, 2) points along two curves, with normal noise of deviation `noise`, and their (rows,) labels 0 and 1."""
    labels = np.arange(rows, dtype=np.int32) % 2
    # The position along the curve, from 0 to 1, equal for both classes.
    along = (np.arange(rows) // 2) / max((rows - 1) // 2, 1)
    points = np.stack(SHAPES[name](along, labels), axis=1)
    # Another random stream than the one that shuffles the rows.
    jitter = np.random.default_rng([seed, 1]).normal(size=points.shape)
    return points + noise * jitter, labels


def _moons(along: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two half circles of radius 1 that reach into each other."""
    x, y = np.cos(np.pi * along), np.sin(np.pi * along)
    return np.where(labels == 0, x, 1 - x), np.where(labels == 0, y, 0.5 - y)


def _circles(along: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Circles of radius 1 and 0.5 about the origin."""
    angle, radius = 2 * np.pi * along, np.where(labels == 0, 1.0, 0.5)
    return radius * np.cos(angle), radius * np.sin(angle)


def _spirals(along: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two arms of one and a half turns, 1 apart (after Lang and Witbrock 1988)."""
    angle = np.pi * (0.5 + 3 * along)
    radius = np.where(labels == 0, 1, -1) * angle / np.pi
    return radius * np.cos(angle), radius * np.sin(angle)


_Curve = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

SHAPES: dict[str, _Curve] = {"moons": _moons, "circles": _circles, "spirals": _spirals}

"""Sets made on the spot: logic gates, and three pairs of curves in the plane."""

import numpy as np

from jaxmlp.data.types import Batch, Data

GATES = {"and": [0, 0, 0, 1], "or": [0, 1, 1, 1], "xor": [0, 1, 1, 0]}


def gate(name):
    """The truth table of a gate, (4, 2) float32 and (4,) int32, as train, validation and test alike."""
    inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    rows = Batch(inputs, np.array(GATES[name], np.int32))
    return Data(rows, rows, rows)


def curves(name, rows, noise, seed):
    """(rows, 2) points along two curves, with normal noise of deviation `noise`, and their (rows,) labels 0 and 1."""
    labels = np.arange(rows, dtype=np.int32) % 2
    # From one end of its curve to the other, the same for both classes.
    along = (np.arange(rows) // 2) / max((rows - 1) // 2, 1)
    points = np.stack(SHAPES[name](along, labels), axis=1)
    # A stream apart from the one that shuffles the rows.
    jitter = np.random.default_rng([seed, 1]).normal(size=points.shape)
    return points + noise * jitter, labels


def moons(along, labels):
    """Two half circles of radius 1, each reaching into the other."""
    x, y = np.cos(np.pi * along), np.sin(np.pi * along)
    return np.where(labels == 0, x, 1 - x), np.where(labels == 0, y, 0.5 - y)


def circles(along, labels):
    """Circles of radius 1 and 0.5 about the origin."""
    angle, radius = 2 * np.pi * along, np.where(labels == 0, 1.0, 0.5)
    return radius * np.cos(angle), radius * np.sin(angle)


def spirals(along, labels):
    """Two arms of one and a half turns, 1 apart (after Lang and Witbrock 1988)."""
    angle = np.pi * (0.5 + 3 * along)
    radius = np.where(labels == 0, 1, -1) * angle / np.pi
    return radius * np.cos(angle), radius * np.sin(angle)


SHAPES = {"moons": moons, "circles": circles, "spirals": spirals}

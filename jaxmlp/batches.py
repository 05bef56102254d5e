"""Which rows make up the batches of an epoch: their order, and what becomes of rows that do not fill the last batch."""

from typing import NamedTuple

import jax.numpy as jnp

from jaxmlp.shuffle import epoch_order
from jaxmlp.threefry import fold_in
from jaxmlp.types import Array, Key

ORDERS = ("reshuffled", "fixed", "given")
REMAINDERS = ("drop", "keep", "carry")


class Batches(NamedTuple):
    """The batches of an epoch, by their rows.

    Attributes:
      full: (steps, batch_size) int32, those that every epoch has.
      last: (rows,) int32, one more; None if no epoch has one.
      has_last: () bool, whether this epoch has it.
    """

    full: Array
    last: Array | None = None
    has_last: Array | None = None

    @property
    def steps(self) -> Array | int:
        """The number of batches of this epoch."""
        return len(self.full) if self.has_last is None else len(self.full) + self.has_last.astype(jnp.int32)


def epoch_batches(key: Key, epoch: Array, rows: int, batch_size: int, order: str, remainder: str) -> Batches:
    """The batches of an epoch.

    Args:
      key: the key that the orders of all epochs derive from.
      epoch: () int32, counted from 0.
      rows: the number of training rows, at least `batch_size`.
      batch_size: rows of a full batch.
      order: one of `ORDERS`, as in `fit`.
      remainder: one of `REMAINDERS`, as in `fit`.
    """
    steps, rest = divmod(rows, batch_size)
    this = _order(key, epoch, rows, order)
    full = this[: steps * batch_size].reshape(steps, batch_size)
    if rest == 0 or remainder == "drop":
        return Batches(full)
    if remainder == "keep":
        return Batches(full, this[steps * batch_size :], jnp.ones((), bool))
    # Rows left over from the epochs before: at most batch_size - 1, the end of the order of the last one.
    carried = (epoch.astype(jnp.uint32) % batch_size * rest % batch_size).astype(jnp.int32)
    stream = jnp.concatenate([_order(key, epoch - 1, rows, order)[rows - batch_size + 1 :], this])
    places = batch_size - 1 - carried + jnp.arange((steps + 1) * batch_size, dtype=jnp.int32)
    batches = stream[jnp.minimum(places, len(stream) - 1)].reshape(steps + 1, batch_size)
    return Batches(batches[:-1], batches[-1], carried + rest >= batch_size)


def _order(key: Key, epoch: Array, rows: int, order: str) -> Array:
    """(rows,) int32: the rows in the order of an epoch."""
    if order == "given":
        return jnp.arange(rows, dtype=jnp.int32)
    return epoch_order(fold_in(key, epoch if order == "reshuffled" else jnp.zeros((), jnp.int32)), rows)

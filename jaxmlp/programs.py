"""Compiled functions, shared between equal structures and released together with the functions that they were made of.

`jax.jit` keeps a program as long as its function lives. Ours are made of several functions (a loss, an optimizer, a
recipe) that users build anew all the time: equal ones share a program, and a closure that is gone takes its own along.
"""

import inspect
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MethodType
from typing import Any

import jax
from jax.tree_util import Partial

from jaxmlp.types import PyTree

_MOST_PROGRAMS = 256


@contextmanager
def permissive() -> Iterator[None]:
    """JAX's settings for a complete run: numbers of the host may go to devices, and NaN is not an error.

    A run reports NaN itself, as its cause of divergence, and fills the epochs to come of its history with it.
    """
    with jax.transfer_guard("allow"), jax.debug_nans(False), jax.debug_infs(False):
        yield


def explicit_mesh(tree: PyTree) -> jax.sharding.AbstractMesh | None:
    """The mesh that arrays carry in their types, as with explicit axes, which `jit` does not take over; or None."""
    meshes = (jax.typeof(leaf).sharding.mesh for leaf in jax.tree.leaves(tree))
    return next((mesh for mesh in meshes if mesh.explicit_axes), None)


@dataclass(frozen=True)
class Weak:
    """A function held weakly: it calls and compares like the function as long as that lives.

    Attributes:
      reference: a weak reference to it.
      attributes: of a bound method, those of its object, so that a changed object is another function.
    """

    reference: Any
    attributes: tuple[tuple[str, "_Same"], ...] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.reference()(*args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.reference())

    @property
    def __name__(self) -> str:
        return getattr(self.reference(), "__name__", type(self.reference()).__name__)


class _Same:
    """An object compared by identity, held weakly if it can be."""

    def __init__(self, value: Any) -> None:
        try:
            self.get: Callable[[], Any] = weakref.ref(value)
        except TypeError:
            self.get = lambda: value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.get() is not None and self.get() is other.get()

    def __hash__(self) -> int:
        return 0  # attributes only tell functions apart whose references are equal


def weak(function: Callable[..., Any], owners: list[Any]) -> Callable[..., Any]:
    """The function held weakly, if it can be; what it lives as long as is then appended to `owners`."""
    try:
        if not isinstance(function, MethodType):
            held = Weak(weakref.ref(function))
            owners.append(function)
            return held
        attributes = getattr(function.__self__, "__dict__", {})
        held = Weak(weakref.WeakMethod(function), tuple((name, _Same(value)) for name, value in attributes.items()))
        owners.append(function.__self__)
        return held
    except TypeError:
        return function


def weakened(tree: PyTree) -> tuple[PyTree, list[Any]]:
    """A pytree with the functions of all its `Partial`s held weakly, and the list of these functions."""
    owners: list[Any] = []

    def one(node: Any) -> Any:
        if not isinstance(node, Partial):
            return node
        # What `bind` made of a module's function is made anew each time, and equal by value.
        is_bound = type(node.func).__module__ == "jaxmlp.leaves"
        function = node.func if is_bound else weak(node.func, owners)
        return Partial(function, *each(node.args), **each(node.keywords))

    def each(nodes: Any) -> Any:
        return jax.tree.map(one, nodes, is_leaf=lambda node: isinstance(node, Partial))

    return each(tree), owners


def is_crowded() -> bool:
    """Whether this process has used half of the memory mappings that Linux grants it (65,530).

    XLA maps each kernel of a CPU program by itself, four hundred for a population and its optimizer. Without room for
    more, compilation fails for lack of memory, however much of it there is.
    """
    try:
        granted = int(Path("/proc/sys/vm/max_map_count").read_text())
        return Path("/proc/self/maps").read_bytes().count(b"\n") > granted // 2
    except (OSError, ValueError):  # no Linux
        return False


class Programs:
    """A cache of what `make(*key)` compiles; an entry is dropped as soon as one of its owners is collected.

    Args:
      make: a function of hashable arguments that holds no owner strongly.
    """

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        self._entries: OrderedDict[Hashable, tuple[Any, list[Any]]] = OrderedDict()

    def __call__(self, owners: list[Any], *key: Hashable) -> Any:
        if key not in self._entries:
            # The callbacks know the cache weakly and the key: neither keeps an owner alive.
            drop = [weakref.ref(owner, lambda _, key=key: self._entries.pop(key, None)) for owner in owners]
            self._entries[key] = self._make(*key), drop
            for _ in range(len(self._entries) // 2 if is_crowded() else len(self._entries) - _MOST_PROGRAMS):
                self._entries.popitem(last=False)
        self._entries.move_to_end(key)
        return self._entries[key][0]

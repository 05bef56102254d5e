"""Functions and data as bytes, for workers that may not have the modules that they are from."""

import pickle
import sys
import sysconfig
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxmlp.types import PyTree


def packed(argument: str, content: PyTree, by_value: bool = False) -> bytes:
    """Anything as bytes: by cloudpickle if it is installed, otherwise by pickle; JAX arrays become NumPy arrays.

    Args:
      argument: of `train_many`, for the error.
      content: what to pack.
      by_value: whether functions and classes of your own modules travel too, instead of their names.
    """
    content = jax.tree.map(lambda leaf: np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf, content)
    with ExitStack() as stack:
        try:
            import cloudpickle as tool

            already = tool.list_registry_pickle_by_value()
            for module in [one for one in _own_modules() if one.__name__ not in already] if by_value else ():
                tool.register_pickle_by_value(module)
                stack.callback(tool.unregister_pickle_by_value, module)
        except ImportError:
            tool = pickle
        try:
            return tool.dumps(content)
        except Exception as error:  # whatever an object's own pickling raises
            rule = "be importable by workers, or fit for cloudpickle (pip install 'jaxmlp[cluster]')"
            raise TypeError(f"train_many: {argument} must {rule}, got {type(error).__name__}: {error}") from error


def _own_modules() -> list[Any]:
    """The modules that are neither installed nor part of Python or jaxmlp."""
    places = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    foreign = tuple(str(Path(place).resolve()) for place in [*places, Path(__file__).parents[1]])
    files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    own = [name for name, file in files.items() if file and not str(Path(file).resolve()).startswith(foreign)]
    return [sys.modules[name] for name in own if name != "__main__"]  # which always travels by value


# A source that comes again is the same object again: its functions find the program that was compiled for them.
unpacked = lru_cache(maxsize=64)(pickle.loads)

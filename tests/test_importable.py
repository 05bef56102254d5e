"""Functions as JSON: what another process can import comes back equal, everything else is refused in words."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

import jaxmlp
from jaxmlp.importable import as_json, from_json
from jaxmlp.leaves import Static, as_partial, bind
from jaxmlp.programs import weakened


def through_json(function):
    return from_json("load_model", json.loads(json.dumps(as_json("save_model", function))))


@pytest.mark.parametrize(
    "function",
    [
        jaxmlp.relu,
        jnp.tanh,
        jax.nn.relu,
        jax.nn.swish,
        Partial(jaxmlp.leaky_relu, slope=0.25),
        Partial(jnp.clip, -1, max=2.5),
        bind(jaxmlp.apply, activation=as_partial(jaxmlp.tanh), dtype=Static(jnp.bfloat16), key=None),
        bind(jaxmlp.apply, activation=bind(jaxmlp.elu, alpha=np.float32(0.1)), dtype=Static(None)),
    ],
)
def test_what_is_bound_comes_back(function):
    expected, found = as_partial(function), through_json(function)
    assert jax.tree.leaves(found) == jax.tree.leaves(expected)
    structures = [
        re.sub(r"0x\w+|<class '[\w.]*bfloat16'>|dtype\(bfloat16\)", "", str(jax.tree.structure(f)))
        for f in (found, expected)
    ]
    assert structures[0] == structures[1]


def test_arrays_keep_their_bits():
    weights = jnp.array([[0.1, -3.0]], jnp.bfloat16)
    found = through_json(Partial(jaxmlp.relu, weights)).args[0]
    assert found.dtype == jnp.bfloat16 and (found == np.asarray(weights)).all()


def test_a_function_held_weakly_is_that_function():
    held, owners = weakened(as_partial(jaxmlp.relu))
    assert as_json("save_model", held)["function"] == "jaxmlp:relu" and owners


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: x, "save_model: the functions of the network must be importable by another process"),
        (Partial(jaxmlp.relu, jax.random.key(0)), "save_model: what is bound to a function must be numbers, arrays"),
        (Partial(jaxmlp.relu, [1, 2]), "save_model: what is bound to a function must be numbers, arrays"),
    ],
)
def test_anything_else_is_refused(function, text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
        as_json("save_model", function)


def test_a_name_that_is_gone_is_told():
    content = as_json("save_model", jaxmlp.relu)
    with pytest.raises(
        ValueError, match="^load_model: jaxmlp:gone must be a function that can be imported here, got None"
    ):
        from_json("load_model", {**content, "function": "jaxmlp:gone"})

"""checks: what is let through, what is refused, and the exact words of each refusal."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import checks

KEY = jax.random.key(0)
NAN = float("nan")
INF = float("inf")


def refuses(error, text):
    """The block raises `error` with exactly this text (JAX may add a note below it)."""
    return pytest.raises(error, match=rf"^{re.escape(text)}(\n|$)")


def test_require_says_function_argument_rule_and_value():
    checks.require(True, "f", "x", "be one", 2)
    with refuses(ValueError, "f: x must be one, got 'two'"):
        checks.require(False, "f", "x", "be one", "two")
    with refuses(TypeError, "f: x must be one, got 2"):
        checks.require(False, "f", "x", "be one", 2, TypeError)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_floating_dtypes(dtype):
    assert checks.is_floating(jnp.zeros(2, dtype))


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "complex64"])
def test_dtypes_that_are_not_floating(dtype):
    assert not checks.is_floating(jnp.zeros(2, dtype))


@pytest.mark.parametrize("transform", [jax.jit, jax.grad, lambda f: lambda x: jax.vmap(f)(x[None])])
def test_a_traced_value_is_not_concrete(transform):
    seen = []
    transform(lambda x: (seen.append(checks.is_concrete(x)), x)[1])(jnp.float32(1.0))
    assert seen == [False]


@pytest.mark.parametrize("value", [1, 0.5, "x", np.ones(2), jnp.ones(2), None])
def test_everything_else_is_concrete(value):
    assert checks.is_concrete(value)


NUMBERS = [0, 0.5, False, np.float32(0.5), np.float64(0.5), np.int8(0), np.array(0.5), jnp.bfloat16(0.5), jnp.array(0)]


@pytest.mark.parametrize("value", NUMBERS)
def test_numbers_of_every_kind_are_scalars(value):
    checks.check_scalar("f", x=value)


@pytest.mark.parametrize(
    "value", ["0.5", None, [0.5], 0.5j, np.complex64(1), np.array("a"), np.array(None), np.bytes_()]
)
def test_what_is_no_number_is_refused(value):
    with refuses(TypeError, f"f: x must be a number, got {value!r}"):
        checks.check_scalar("f", x=value)


def test_a_key_is_no_number():
    with pytest.raises(TypeError, match=r"^f: x must be a number, got "):
        checks.check_scalar("f", x=KEY)


@pytest.mark.parametrize("value", [np.ones(3), jnp.ones(3), np.ones(3, bool)])
def test_an_array_is_no_scalar(value):
    with refuses(ValueError, "f: x must be a scalar (for a batch of values use jax.vmap), got (3,)"):
        checks.check_scalar("f", x=value)


def test_a_traced_array_is_no_scalar():
    with refuses(ValueError, "f: x must be a scalar (for a batch of values use jax.vmap), got (2, 3)"):
        jax.jit(lambda x: checks.check_scalar("f", x=x))(jnp.ones((2, 3)))


@pytest.mark.parametrize("value", [1, 1.5, np.float32(1.5), jnp.float32(1.5), 1.999])
def test_check_range_lets_its_range_through(value):
    assert checks.check_range("f", 1.0, 2.0, "fit", x=value) == value


@pytest.mark.parametrize("value", [0.999, 2.0, 2, -1.5, NAN, INF, -INF, np.float64(2.0)])
def test_check_range_refuses_the_rest(value):
    with refuses(ValueError, f"f: x must fit, got {float(value)!r}"):
        checks.check_range("f", 1.0, 2.0, "fit", x=value)


def test_check_range_looks_at_concrete_arrays():
    with refuses(ValueError, "f: x must fit, got 2.0"):
        checks.check_range("f", 1.0, 2.0, "fit", x=jnp.float32(2.0))


def test_check_range_returns_floats_for_numbers_of_python_and_numpy():
    for value in (1, np.float32(1.0), np.array(1)):
        assert type(checks.check_range("f", 0, 2, "fit", x=value)) is float


def test_check_range_returns_arrays_as_they_are():
    value = jnp.int32(1)
    assert checks.check_range("f", 0, 2, "fit", x=value) is value


def test_check_range_checks_the_shape_first():
    with refuses(ValueError, "f: x must be a scalar (for a batch of values use jax.vmap), got (1,)"):
        checks.check_range("f", 0, 1, "fit", x=np.array([0.5]))


@pytest.mark.parametrize(
    "check", [checks.check_rate, checks.check_non_negative, checks.check_positive], ids=lambda f: f.__name__
)
def test_a_traced_value_passes_and_comes_back_as_itself(check):
    assert jax.jit(lambda x: check("f", x=x))(jnp.float32(-3.0)) == -3.0


@pytest.mark.parametrize("value", [0, 0.0, 0.5, 0.999999, jnp.float32(0.3)])
def test_check_rate_accepts(value):
    assert checks.check_rate("f", x=value) == value


@pytest.mark.parametrize("value", [1.0, 1.5, -0.1, -1e-30, NAN, INF])
def test_check_rate_refuses(value):
    with refuses(ValueError, f"f: x must be at least 0 and below 1, got {value!r}"):
        checks.check_rate("f", x=value)


@pytest.mark.parametrize("value", [0, 0.0, 1e-300, 7, 1e300])
def test_check_non_negative_accepts(value):
    assert checks.check_non_negative("f", x=value) == value


@pytest.mark.parametrize("value", [-1e-300, -1.0, INF, -INF, NAN])
def test_check_non_negative_refuses(value):
    with refuses(ValueError, f"f: x must be a finite number of at least 0, got {value!r}"):
        checks.check_non_negative("f", x=value)


@pytest.mark.parametrize("value", [5e-324, 1e-300, 1, 1e300])
def test_check_positive_accepts(value):
    assert checks.check_positive("f", x=value) == value


@pytest.mark.parametrize("value", [0.0, -1e-300, -1.0, INF, NAN])
def test_check_positive_refuses(value):
    with refuses(ValueError, f"f: x must be a finite number above 0, got {value!r}"):
        checks.check_positive("f", x=value)


@pytest.mark.parametrize("value", [1, 2, 10**12, np.int64(3), np.uint8(1)])
def test_check_count_accepts(value):
    checks.check_count("f", x=value)


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "1", None, np.float32(2.0), np.int64(0)])
def test_check_count_refuses(value):
    with refuses(ValueError, f"f: x must be a whole number of at least 1, got {value!r}"):
        checks.check_count("f", x=value)


def test_check_choice():
    checks.check_choice("f", {"a": 1, "b": 2}, x="b")
    for value in ("c", "", 1, None, ["a"]):
        with refuses(ValueError, f"f: x must be one of a, b, got {value!r}"):
            checks.check_choice("f", {"a": 1, "b": 2}, x=value)


def test_check_key_accepts_one_threefry_key():
    checks.check_key("f", key=KEY)
    jax.jit(lambda key: checks.check_key("f", key=key))(KEY)
    jax.vmap(lambda key: (checks.check_key("f", key=key), 0)[1])(jax.random.split(KEY, 2))


@pytest.mark.parametrize(
    ("key", "got"),
    [
        (0, "0"),
        (None, "None"),
        ("key", "'key'"),
        (jax.random.PRNGKey(0), "'uint32[2]'"),
        (np.zeros(2, np.uint32), "'uint32[2]'"),
    ],
)
def test_check_key_refuses_what_is_no_typed_key(key, got):
    with refuses(TypeError, f"f: key must be a typed key, as from jax.random.key(0), got {got}"):
        checks.check_key("f", key=key)


@pytest.mark.parametrize(("impl", "got"), [("rbg", "'key<rbg>'"), ("unsafe_rbg", "'key<urbg>'")])
def test_check_key_refuses_other_generators(impl, got):
    with refuses(ValueError, f"f: key must be a threefry key (rbg repeats its first key under vmap), got {got}"):
        checks.check_key("f", key=jax.random.key(0, impl=impl))


def test_check_key_refuses_a_batch_of_keys():
    with refuses(ValueError, "f: key must be one key (for a batch of keys use jax.vmap), got (3,)"):
        checks.check_key("f", key=jax.random.split(KEY, 3))


def test_check_fraction_is_above_0_and_below_1():
    assert checks.check_fraction("f", x=0.5) == 0.5
    for value in (0.0, 1.0, -0.5, NAN):
        with refuses(ValueError, f"f: x must be above 0 and below 1, got {value!r}"):
            checks.check_fraction("f", x=value)


@pytest.mark.parametrize("name", ["function", "value", "argument", "low"])
def test_an_argument_of_any_name_can_be_checked(name):
    with refuses(ValueError, f"f: {name} must be a finite number above 0, got -1.0"):
        checks.check_positive("f", **{name: -1})


def test_checks_return_the_value():
    assert checks.check_scalar("f", x=3) == 3
    assert checks.check_count("f", x=3) == 3
    assert checks.check_choice("f", ("a", "b"), x="b") == "b"
    assert checks.check_key("f", key=KEY) is KEY


@pytest.mark.parametrize("labels", [[0, 2], np.array([2], np.uint8), jnp.array([[0], [1]]), np.array([], int)])
def test_check_labels_accepts(labels):
    assert checks.check_labels("f", 3, x=labels) is labels


@pytest.mark.parametrize(("labels", "wrong"), [([0, 3], 3), ([-1, 5], -1), ([-2], -2), (jnp.array([7]), 7)])
def test_check_labels_refuses(labels, wrong):
    with refuses(ValueError, f"f: data.train.targets must be at least 0 and below 3 (the classes), got {wrong}"):
        checks.check_labels("f", 3, **{"data.train.targets": labels})


def test_traced_labels_pass():
    assert jax.jit(lambda labels: checks.check_labels("f", 3, x=labels))(7) == 7

"""Files of a study: what was written comes back to the bit, and nothing else is ever read."""

import json
import re

import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.storage import (
    DamagedFileError,
    flat,
    identity_of,
    nested,
    read_arrays,
    read_json,
    remove_old_temporaries,
    unique,
    write_arrays,
    write_json,
)

ARRAYS = {
    "bfloat16": np.asarray(jnp.array([1.5, jnp.nan, -jnp.inf], jnp.bfloat16)),
    "float8": np.asarray(jnp.array([0.5, 2.0], jnp.float8_e4m3fn)),
    "float64": np.array([1 / 3]),
    "complex": np.array([1 + 2j], np.complex64),
    "scalar": np.asarray(jnp.bfloat16(3.0)),
    "bool": np.array([True, False]),
    "words": np.array([2**32 - 1], np.uint32),
    "a/b": np.zeros((0, 3), np.int32),
    "strided": np.arange(6, dtype=np.int64).reshape(2, 3).T,
}


def test_every_dtype_survives_the_disk(tmp_path):
    write_arrays(tmp_path / "x", ARRAYS, "study")
    back = read_arrays(tmp_path / "x", "study", "")
    assert list(back) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        assert back[name].tobytes() == array.tobytes()


def test_the_format_is_that_of_safetensors(tmp_path):
    """A header length in eight little-endian bytes, a JSON header, then the values at their offsets."""
    write_arrays(tmp_path / "x", {"w": np.array([[1.0, 2.0]], np.float32), "n": np.array([7], np.int32)}, "study")
    content = (tmp_path / "x").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    assert header["w"] == {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}
    assert header["n"] == {"dtype": "I32", "shape": [1], "data_offsets": [8, 12]}
    assert np.frombuffer(content[8 + size :][8:12], np.int32) == [7]


CODES = {
    "bool": "BOOL", "float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64", "complex64": "C64",
    "complex128": "C128", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "int8": "I8", "int16": "I16", "int32": "I32",
    "int64": "I64", "uint8": "U8", "uint16": "U16", "uint32": "U32", "uint64": "U64",
}  # fmt: skip


@pytest.mark.parametrize("name", CODES)
def test_dtypes_have_the_names_that_safetensors_gives_them(tmp_path, name):
    write_arrays(tmp_path / "x", {"a": np.ones(2, jnp.dtype(name))}, "study")
    content = (tmp_path / "x").read_bytes()
    assert json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["a"]["dtype"] == CODES[name]
    back = read_arrays(tmp_path / "x", "study", "")["a"]
    assert (back.dtype, back.tolist()) == (jnp.dtype(name), [1, 1])


def test_no_flipped_bit_is_read(tmp_path):
    write_arrays(tmp_path / "x", {"trial": np.arange(3), "w": np.ones((3, 2), np.float32)}, "study")
    content = (tmp_path / "x").read_bytes()
    for place in range(len(content)):
        for bit in (0, 3, 6):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            (tmp_path / "y").write_bytes(bytes(damaged))
            with pytest.raises(DamagedFileError, match=f"load_study: {tmp_path / 'y'} must be an undamaged file"):
                read_arrays(tmp_path / "y", "study", "delete it")


@pytest.mark.parametrize("size", [0, 4, 8, 100, -1])
def test_no_truncated_file_is_read(tmp_path, size):
    write_arrays(tmp_path / "x", {"trial": np.arange(3)}, "study")
    (tmp_path / "x").write_bytes((tmp_path / "x").read_bytes()[:size])
    with pytest.raises(DamagedFileError, match="got damage; delete it"):
        read_arrays(tmp_path / "x", "study", "delete it")


def test_a_missing_or_unreadable_file_is_named(tmp_path):
    with pytest.raises(DamagedFileError, match="got No such file or directory; restore it"):
        read_arrays(tmp_path / "x", "study", "restore it")


def test_a_file_of_another_study_is_refused(tmp_path):
    write_arrays(tmp_path / "x", {"trial": np.arange(3)}, "one study")
    with pytest.raises(DamagedFileError, match="got a file of another study; delete it"):
        read_arrays(tmp_path / "x", "another study", "delete it")


def test_json_with_another_digit_is_refused(tmp_path):
    content = {"trials": [{"rate": 0.125, "seed": 3}], "nan": float("nan")}
    write_json(tmp_path / "study.json", content)
    assert str(read_json(tmp_path / "study.json", "")) == str(content)
    text = (tmp_path / "study.json").read_text()
    digits = [i for i, character in enumerate(text) if character.isdigit()]
    assert len(digits) > 40
    for i in digits:
        (tmp_path / "study.json").write_text(text[:i] + str((int(text[i]) + 1) % 10) + text[i + 1 :])
        with pytest.raises(DamagedFileError, match="study.json must be an undamaged file of this study, got damage"):
            read_json(tmp_path / "study.json", "restore it")


def test_trees_are_taken_apart_and_put_together_again():
    tree = {"layers": [{"w": np.ones(2)}, {"w": np.zeros(3)}], "scale": (np.array(1.0),)}
    arrays = flat("params", tree)
    assert list(arrays) == ["params/layers/0/w", "params/layers/1/w", "params/scale/0"]
    plain = nested("params", arrays | {"other/0": np.ones(1)})
    assert plain["layers"][1]["w"] is arrays["params/layers/1/w"]
    assert isinstance(plain["scale"], list) and set(plain) == {"layers", "scale"}
    assert nested("par", arrays) == nested("more", arrays) == {}  # a prefix is a whole name
    assert isinstance(flat("x", jnp.ones(2))["x/"], np.ndarray)
    assert isinstance(nested("params", arrays, tree)["scale"], tuple)
    with pytest.raises(KeyError):
        nested("params", arrays, {"more": 0})


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["0", "1"], list),
        (["1", "0"], list),
        (["0", "2"], dict),
        (["1", "2"], dict),
        (["0", "a"], dict),
        (["00", "1"], dict),
    ],
)
def test_names_that_count_from_zero_are_places_of_a_list(names, kind):
    found = nested("p", {f"p/{name}/w": np.full(1, i) for i, name in enumerate(names)})
    assert type(found) is kind
    assert [int(found[int(name) if kind is list else name]["w"][0]) for name in names] == [0, 1]


def test_an_identity_is_a_short_name_of_a_description():
    one, same, other = (
        {"a": float("nan"), "b": [1, 2]},
        {"b": [1, 2], "a": float("nan")},
        {"a": float("nan"), "b": [2, 1]},
    )
    assert identity_of(one) == identity_of(same) != identity_of(other)
    assert len(identity_of(one)) == 64 and set(identity_of(one)) <= set("0123456789abcdef")


def test_no_two_names_are_the_same():
    names = {unique("trials") for _ in range(100)}
    assert len(names) == 100 and all(re.fullmatch("trials-[0-9a-f]{32}", name) for name in names)


def test_half_written_files_of_the_living_are_left_alone(tmp_path):
    import os

    old, fresh = tmp_path / ".trials-1.part", tmp_path / ".trials-2.part"
    for path in (old, fresh):
        path.write_bytes(b"")
    os.utime(old, (0, 0))
    remove_old_temporaries(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [fresh.name]

"""How many lanes there are: halved with rounding up, never more than fit into memory, and counted in bytes."""

import os
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.population import placement
from jaxmlp.population.lanes import lane_bytes
from jaxmlp.population.placement import lanes_per_half, use_cpu_devices


def gpus(count, free):
    """That many accelerators with so many free bytes each."""
    stats = {"bytes_limit": 1000 + free, "bytes_in_use": 1000}
    return [SimpleNamespace(platform="gpu", memory_stats=lambda: stats)] * count


@pytest.fixture
def cpus(monkeypatch):
    """`cpus(count, free)`: that many CPU devices on a machine with so many free bytes."""

    def make(count, free):
        monkeypatch.setattr(os, "sysconf", {"SC_AVPHYS_PAGES": free // 10, "SC_PAGE_SIZE": 10}.__getitem__)
        return [SimpleNamespace(platform="cpu")] * count

    return make


@pytest.mark.parametrize(
    ("wanted", "devices", "each"),
    [(1, 1, 1), (2, 1, 1), (3, 1, 2), (7, 1, 4), (8, 1, 4), (7, 2, 2), (9, 2, 3), (12, 3, 2), (13, 3, 3)],
)
def test_wanted_lanes_are_halved_and_spread_with_rounding_up(wanted, devices, each):
    assert lanes_per_half(wanted, gpus(devices, 10**9), 100, 1) == each


@pytest.mark.parametrize(("wanted", "each"), [(1, 2), (2, 2), (4, 2), (5, 3)])
def test_a_cpu_device_has_two_lanes_or_more_in_each_half(cpus, wanted, each):
    assert lanes_per_half(wanted, cpus(1, 10**9), 100, 1) == each


@pytest.mark.parametrize(
    ("trials", "devices", "each"), [(1, 1, 1), (7, 1, 4), (8, 1, 4), (9, 1, 5), (7, 2, 2), (13, 3, 3), (10**6, 1, 1024)]
)
def test_an_accelerator_has_a_lane_for_each_trial_up_to_1024(trials, devices, each):
    assert lanes_per_half(None, gpus(devices, 10**12), trials, 1) == each


@pytest.mark.parametrize(("free", "each"), [(600, 5), (599, 4), (120, 1)])
def test_lanes_of_both_halves_with_three_copies_of_each_fill_half_of_the_free_memory(free, each):
    """10 bytes, times 2 halves, times 3 copies: 60 bytes for each lane of a half, out of half of what is free."""
    assert lanes_per_half(None, gpus(1, free), 10**6, 10) == each
    assert lanes_per_half(2 * each, gpus(1, free), 10**6, 10) == each


def test_networks_of_any_small_size_fit(cpus):
    assert [lanes_per_half(None, gpus(1, 18), 9, size) for size in (0, 1)] == [3, 1]  # by 1 byte a lane at least
    assert type(lanes_per_half(None, cpus(1, 10**9), 9, 10**7)) is int


def test_what_does_not_fit_is_refused_with_numbers():
    with pytest.raises(ValueError, match=r"train_many: lanes must be at most 20, as each needs 30\.0 MB, got 22"):
        lanes_per_half(22, gpus(2, 600 * 10**6), 100, 10**7)
    with pytest.raises(
        ValueError, match=r"the network must fit into memory \(60\.0 MB for each lane\), got 'room for 0'"
    ):
        lanes_per_half(None, gpus(1, 119 * 10**6), 100, 10**7)
    with pytest.raises(ValueError, match="train_many: lanes must be a whole number of at least 1, got 0"):
        lanes_per_half(0, gpus(1, 10**9), 100, 1)


@pytest.mark.parametrize(
    ("bytes_per_lane", "each"), [(1, 16), (4_000_000, 16), (4_200_000, 15), (8_000_000, 8), (32_000_000, 2), (10**9, 2)]
)
def test_a_cpu_device_has_sixteen_lanes_or_as_many_as_stay_in_its_caches(cpus, bytes_per_lane, each):
    for trials in (1, 10**6):  # whatever their number: a second study of the same shapes is not compiled again
        assert lanes_per_half(None, cpus(1, 10**13), trials, bytes_per_lane) == each


def test_cpu_devices_share_the_memory_of_the_machine(cpus):
    """7000 bytes, half of them for lanes of 600 bytes: 5 on one device, 2 on each of two."""
    assert lanes_per_half(None, cpus(1, 7000), 10, 100) == 5
    assert lanes_per_half(None, cpus(2, 7000), 10, 100) == 2


def test_a_platform_that_does_not_tell_its_memory_is_given_a_share_of_the_machines(monkeypatch, cpus):
    cpus(1, 7000)
    silent = [SimpleNamespace(platform="gpu", memory_stats=lambda: None)]
    assert lanes_per_half(None, silent, 100, 100) == 5
    monkeypatch.setattr(os, "sysconf_names", {})
    monkeypatch.setattr(os, "sysconf", lambda name: 6)  # a page; of which 2**20 are assumed
    assert lanes_per_half(None, silent, 10**6, 2**10) == 2**9


def test_the_bytes_of_a_lane_are_items_times_their_size():
    shapes = [((3, 2), jnp.float32), ((5,), jnp.bfloat16), ((), jnp.int8), ((0, 7), jnp.float32), ((2,), jnp.uint16)]
    assert lane_bytes({str(i): jax.ShapeDtypeStruct(*shape) for i, shape in enumerate(shapes)}) == 24 + 10 + 1 + 0 + 4


@pytest.fixture
def settings(monkeypatch):
    """What is set in the configuration of JAX, none of which reaches JAX."""
    found = {}
    monkeypatch.setattr(jax.config, "update", found.__setitem__)
    return found


def test_cpu_devices_are_as_many_as_the_cores_of_this_process(settings, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 4, 6} if pid == 0 else {}, raising=False)
    assert use_cpu_devices() == 3
    assert use_cpu_devices(5) == 5
    assert settings == {"jax_num_cpu_devices": 5}
    monkeypatch.delattr(os, "sched_getaffinity")
    for cores, count in ((7, 7), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        assert use_cpu_devices() == count == settings["jax_num_cpu_devices"]


def test_once_jax_has_started_only_the_number_that_there_is_can_be_asked_for(monkeypatch):
    def refuse(name, value):
        assert type(value) is int
        raise RuntimeError("too late")

    monkeypatch.setattr(jax.config, "update", refuse)
    monkeypatch.setattr(jax, "local_device_count", {"cpu": 4}.__getitem__)
    count = use_cpu_devices(np.int64(4))
    assert type(count) is int and count == 4
    with pytest.raises(
        RuntimeError, match="use_cpu_devices: must be called before JAX starts: put it right after the imports$"
    ):
        use_cpu_devices(5)


def test_the_number_of_cpu_devices_is_checked():
    with pytest.raises(ValueError, match="use_cpu_devices: count must be a whole number of at least 1, got 0"):
        use_cpu_devices(0)


def test_there_are_two_halves():
    assert placement.HALVES == 2


def test_the_error_shows_the_number_of_lanes_that_was_given():
    with pytest.raises(ValueError, match=r"train_many: lanes must be at most \d+, as each needs .* MB, got 21$"):
        lanes_per_half(21, gpus(1, 600), 100, 10)

"""IDX files: reading, finding, downloading; all on small ones made here."""

import functools
import gzip
import hashlib
import http.server
import re
import sys
import threading

import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.data import load, mnist
from jaxmlp.data.idx import read_idx

CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx_bytes(array):
    """An array in the IDX format."""
    header = bytes([0, 0, CODES[array.dtype.str[1:]], array.ndim])
    return header + np.array(array.shape, ">u4").tobytes() + array.astype(array.dtype.newbyteorder(">")).tobytes()


def small_set(offset=0):
    """{file name: array}: 40 training images of 2 by 3 pixels in two classes, and 6 test images."""
    images = (np.arange(46 * 6).reshape(46, 2, 3) % 200 + offset).astype(np.uint8)
    labels = (np.arange(46) % 2).astype(np.uint8)
    return dict(zip(mnist.FILES, (images[:40], labels[:40], images[40:], labels[40:]), strict=True))


def write_set(folder, arrays=None, plain=False):
    folder.mkdir(parents=True, exist_ok=True)
    for file, array in (arrays or small_set()).items():
        content = array if isinstance(array, bytes) else idx_bytes(array)
        if plain:
            (folder / file.removesuffix(".gz")).write_bytes(content)
        else:
            (folder / file).write_bytes(gzip.compress(content))
    return folder


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch):
    """As on a machine with no copy of either set, whatever this one has."""
    monkeypatch.setattr(mnist, "DEBIAN", {})
    monkeypatch.delenv("JAXMLP_DATA", raising=False)


def first_pixel(data):
    return int(min(float(batch.inputs.min()) for batch in data))


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_every_idx_type(tmp_path, dtype, name):
    array = np.array([[1, 2, 3], [100, 5, 6]], dtype)
    content = idx_bytes(array)
    (tmp_path / name).write_bytes(gzip.compress(content) if name == "a.gz" else content)
    found = read_idx(tmp_path / name)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype and found.dtype.isnative


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_folder(tmp_path, name, plain):
    data = load(name, folder=write_set(tmp_path, plain=plain), scale=None)
    assert [batch.inputs.shape for batch in data] == [(34, 6), (6, 6), (6, 6)]
    assert data.train.inputs.dtype == jnp.float32 and data.train.targets.dtype == jnp.int32
    assert [np.bincount(batch.targets).tolist() for batch in data] == [[17, 17], [3, 3], [3, 3]]
    arrays = small_set()
    np.testing.assert_array_equal(data.test.inputs, arrays["t10k-images-idx3-ubyte.gz"].reshape(6, 6))
    np.testing.assert_array_equal(data.test.targets, arrays["t10k-labels-idx1-ubyte.gz"])
    rows = np.concatenate([data.train.inputs, data.validation.inputs])
    known = arrays["train-images-idx3-ubyte.gz"].reshape(40, 6)
    np.testing.assert_array_equal(rows[np.lexsort(rows.T)], known[np.lexsort(known.T)])


def test_scale_seed_and_fractions(tmp_path):
    folder = str(write_set(tmp_path))
    data = load("mnist", folder=folder)
    assert float(data.train.inputs.min()) == 0 and float(data.train.inputs.max()) == 1
    assert not np.array_equal(load("mnist", folder=folder, seed=1).train.inputs, data.train.inputs)
    # Fractions are of the training rows, and test has no say: 0.9 + 0.15 is no fault here.
    for test in (0.15, 0.5):
        sizes = [len(batch.targets) for batch in load("mnist", folder=folder, validation=0.9, test=test)]
        assert sizes == [4, 36, 6]


def test_order_of_folders(tmp_path, monkeypatch):
    def found(name):
        return first_pixel(load(name, scale=None))

    debian = write_set(tmp_path / "debian", small_set(1))
    monkeypatch.setattr(mnist, "DEBIAN", {"fashion_mnist": debian})
    assert found("fashion_mnist") == 1
    monkeypatch.setenv("JAXMLP_DATA", str(tmp_path / "own"))
    assert found("fashion_mnist") == 1
    write_set(tmp_path / "own", small_set(2))
    assert found("fashion_mnist") == found("mnist") == 2
    write_set(tmp_path / "own" / "fashion_mnist", small_set(3))
    assert found("fashion_mnist") == 3 and found("mnist") == 2
    write_set(tmp_path / "own" / "fashion-mnist", small_set(4))
    assert found("fashion_mnist") == 4
    (tmp_path / "own" / "fashion-mnist" / mnist.FILES[3]).unlink()
    assert found("fashion_mnist") == 3
    given = write_set(tmp_path / "given", small_set(5))
    assert first_pixel(load("fashion_mnist", folder=given, scale=None)) == 5


def test_known_places():
    assert mnist.URLS.keys() == mnist.SHA256.keys() == {"mnist", "fashion_mnist"}
    digests = [digest for name in mnist.SHA256 for digest in mnist.SHA256[name]]
    assert len(set(digests)) == 8 and {len(digest) for digest in digests} == {64}
    assert hashlib.sha256("".join(digests).encode()).hexdigest() == ALL_DIGESTS
    assert all(url.endswith("/") for url in mnist.URLS.values())


ALL_DIGESTS = "f82eaee048e5bb65e4a7e4e158131fab7db4e5b0d837fc99fb18e4d282bc37f3"


def test_folder_that_lacks_a_file(tmp_path):
    write_set(tmp_path)
    (tmp_path / mnist.FILES[1]).unlink()
    (tmp_path / mnist.FILES[2]).unlink()
    text = f"load: folder must hold {mnist.FILES[1]}, {mnist.FILES[2]}, got {str(tmp_path)!r}"
    with pytest.raises(FileNotFoundError, match=re.escape(text) + "$"):
        load("mnist", folder=tmp_path)


GOOD = idx_bytes(np.zeros(40, np.uint8))
LABELS, IMAGES = "train-labels-idx1-ubyte.gz", "train-images-idx3-ubyte.gz"


@pytest.mark.parametrize(
    ("file", "content", "text"),
    [
        (LABELS, b"\1" + GOOD[1:], r"start as an IDX file does, got b'\x01\x00\x08\x01'"),
        (LABELS, b"\0\1" + GOOD[2:], r"start as an IDX file does, got b'\x00\x01\x08\x01'"),
        (LABELS, b"\0\0\10", r"start as an IDX file does, got b'\x00\x00\x08'"),
        (LABELS, b"", "start as an IDX file does, got b''"),
        (LABELS, b"\0\0\12" + GOOD[3:], "have a type code of an IDX file, got '0xa'"),
        (LABELS, GOOD[:6], "hold a header of 8 bytes, got 6"),
        (LABELS, GOOD[:-1], "hold 40 bytes of values, as its header says, got 39"),
        (LABELS, GOOD + b"\0", "hold 40 bytes of values, as its header says, got 41"),
        (LABELS, idx_bytes(np.zeros(39, np.uint8)), "hold a label for each of the 40 images, got 39"),
        (LABELS, idx_bytes(np.zeros((40, 1), np.uint8)), "hold one byte per label, got ((40, 1), 'uint8')"),
        (LABELS, idx_bytes(np.zeros(40, np.int16)), "hold one byte per label, got ((40,), 'int16')"),
        (IMAGES, idx_bytes(np.zeros((40, 6), np.uint8)), "hold images (n, rows, columns), got (40, 6)"),
        (IMAGES, idx_bytes(np.zeros((0, 2, 3), np.uint8)), "hold at least one pixel, got (0, 2, 3)"),
        (
            "t10k-images-idx3-ubyte.gz",
            idx_bytes(np.zeros((6, 2, 2), np.uint8)),
            "hold images of 6 pixels, as the training images do, got 4",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            idx_bytes(np.full(6, 2, np.uint8)),
            "hold labels below 2, as in training, got 2",
        ),
    ],
)
def test_faulty_idx_files(tmp_path, file, content, text):
    folder = write_set(tmp_path, {**small_set(), file: content})
    with pytest.raises(ValueError, match=re.escape(f"load: {file} must {text}") + "$"):
        load("mnist", folder=folder)


def test_labels_with_gaps_are_renumbered(tmp_path):
    gap = {name: np.repeat([0, 2], count).astype(np.uint8) for name, count in ((LABELS, 20), (mnist.FILES[3], 3))}
    data = load("mnist", folder=write_set(tmp_path, {**small_set(), **gap}))
    assert data.preparation.classes == (0, 2) and data.test.targets.tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b"no" + b[2:], lambda b: b[:12] + b"\xff\xff" + b[14:]])
def test_damaged_gzip(tmp_path, damage):
    path = write_set(tmp_path) / IMAGES
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=re.escape(f"load: {IMAGES} must be an uncorrupted gzip file, got ")):
        load("mnist", folder=tmp_path)


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder served on this machine in the place of the public one, and an empty cache."""
    import pooch

    folder = write_set(tmp_path / "served", small_set(7))
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    digests = tuple(hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in mnist.FILES)
    monkeypatch.setattr(mnist, "URLS", {"mnist": f"http://127.0.0.1:{server.server_port}/"})
    monkeypatch.setattr(mnist, "SHA256", {"mnist": digests})
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield folder, asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_download_once(served, tmp_path):
    _, asked = served
    for _ in range(2):
        assert first_pixel(load("mnist", scale=None)) == 7
    assert sorted(path.name for path in (tmp_path / "cache" / "jaxmlp" / "mnist").iterdir()) == sorted(mnist.FILES)
    assert len(asked) == 4


WAYS = (
    "load: source 'mnist' must be on this machine or downloaded: give folder=..., or set JAXMLP_DATA to a folder that "
    f"holds {', '.join(mnist.FILES)}; got "
)


def test_download_of_other_content(served):
    folder, _ = served
    (folder / mnist.FILES[2]).write_bytes(b"something else")
    with pytest.raises(OSError, match=re.escape(WAYS) + ".*hash.*does not match"):
        load("mnist")


def test_download_that_fails(served, monkeypatch):
    folder, _ = served
    (folder / mnist.FILES[0]).unlink()
    with pytest.raises(OSError, match=re.escape(WAYS) + "404"):
        load("mnist")
    monkeypatch.setattr(mnist, "DEBIAN", {"mnist": folder})
    with pytest.raises(OSError, match=re.escape(", or install Debian's dataset-fashion-mnist; got ")):
        load("mnist")


def test_pooch_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    text = "load: source 'mnist' needs pooch to download: pip install 'jaxmlp[data]'"
    with pytest.raises(ImportError, match=re.escape(text)):
        load("mnist")

"""MNIST and Fashion-MNIST: where their four files are, and what they hold.

Described at http://yann.lecun.com/exdb/mnist/ and https://github.com/zalandoresearch/fashion-mnist
"""

import os
from pathlib import Path

import numpy as np

from jaxmlp.checks import require
from jaxmlp.data.idx import read_idx
from jaxmlp.data.types import Batch

__all__ = ["DEBIAN", "FILES", "SHA256", "URLS", "read_mnist"]

FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)

URLS = {
    "mnist": "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "fashion_mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
}

SHA256 = {
    "mnist": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    "fashion_mnist": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
}
"""The checksums of the files at those addresses, in the order of FILES."""

DEBIAN = {"fashion_mnist": Path("/usr/share/datasets/fashion-mnist")}
"""Where Debian's package dataset-fashion-mnist installs the same images, compressed differently."""


def read_mnist(name: str, folder: str | Path | None) -> tuple[Batch, Batch]:
    """(training rows, official test rows), two Batches: images (n, pixels) float32, labels (n,) int32."""
    paths = _idx_files(name, folder)
    train, test = _labeled_images(*paths[:2]), _labeled_images(*paths[2:])
    pixels, classes = train.inputs.shape[1], int(train.targets.max()) + 1
    rule = f"hold images of {pixels} pixels, as the training images do"
    require(test.inputs.shape[1] == pixels, "load", paths[2].name, rule, test.inputs.shape[1])
    highest = int(test.targets.max())
    require(highest < classes, "load", paths[3].name, f"hold labels below {classes}, as in training", highest)
    return train, test


def _labeled_images(images_path: Path, labels_path: Path) -> Batch:
    """A Batch of flattened images and their labels."""
    images, labels = read_idx(images_path), read_idx(labels_path)
    require(images.ndim == 3, "load", images_path.name, "hold images (n, rows, columns)", images.shape)
    is_labels = labels.ndim == 1 and labels.dtype == np.uint8
    require(is_labels, "load", labels_path.name, "hold one byte per label", (labels.shape, str(labels.dtype)))
    require(images.size > 0, "load", images_path.name, "hold at least one pixel", images.shape)
    rule = f"hold a label for each of the {len(images)} images"
    require(len(labels) == len(images), "load", labels_path.name, rule, len(labels))
    return Batch(images.reshape(len(images), -1).astype(np.float32), labels.astype(np.int32))


def _idx_files(name: str, folder: str | Path | None) -> list[Path]:
    """The paths of the four files: in `folder`, or the first known folder that has all of them, or downloaded."""
    if folder is not None:
        found = _files_in(folder)
        missing = [file for file in FILES if file not in found]
        require(not missing, "load", "folder", f"hold {', '.join(missing)}", str(folder), FileNotFoundError)
        return list(found.values())
    for known in _known_folders(name):
        found = _files_in(known)
        if len(found) == len(FILES):
            return list(found.values())
    return _download(name)


def _known_folders(name: str) -> list[Path]:
    """Folders to search if none is given, the most specific first."""
    named = os.environ.get("JAXMLP_DATA")
    own = [Path(named, name.replace("_", "-")), Path(named, name), Path(named)] if named else []
    return own + ([DEBIAN[name]] if name in DEBIAN else [])


def _files_in(folder: str | Path) -> dict[str, Path]:
    """{file: its path, compressed or plain} for those of the four files that a folder holds, in order."""
    forms = {file: (Path(folder, file), Path(folder, file.removesuffix(".gz"))) for file in FILES}
    present = {file: [path for path in paths if path.is_file()] for file, paths in forms.items()}
    return {file: paths[0] for file, paths in present.items() if paths}


def _download(name: str) -> list[Path]:
    """The paths of the four files in the user's cache; a missing one is downloaded and checked by SHA-256."""
    try:
        import pooch
    except ImportError as error:
        raise ImportError(f"load: source {name!r} needs pooch to download: pip install 'jaxmlp[data]'") from error
    cache = Path(pooch.os_cache("jaxmlp"), name)
    try:
        return [
            Path(pooch.retrieve(URLS[name] + file, f"sha256:{digest}", file, cache))
            for file, digest in zip(FILES, SHA256[name], strict=True)
        ]
    except (OSError, ValueError) as error:
        ways = f"give folder=..., or set JAXMLP_DATA to a folder that holds {', '.join(FILES)}"
        if name in DEBIAN:
            ways += ", or install Debian's dataset-fashion-mnist"
        raise OSError(f"load: source {name!r} must be on this machine or downloaded: {ways}; got {error}") from error

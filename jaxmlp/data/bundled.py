"""The small data sets that scikit-learn ships: nothing to download."""

import importlib.util
from pathlib import Path

import numpy as np

__all__ = ["BUNDLED", "TABLES", "read_bundled"]

TABLES = {
    "digits": ("digits.csv.gz", 0),
    "breast_cancer": ("breast_cancer.csv", 1),
    "iris": ("iris.csv", 1),
    "wine": ("wine_data.csv", 1),
}
"""The sets that scikit-learn stores as a table of numbers, target last: the file, and the lines before the numbers."""

BUNDLED = (*TABLES, "diabetes")


def read_bundled(name: str) -> tuple[np.ndarray, np.ndarray]:
    """(inputs, targets) of one of scikit-learn's data sets, in its own units."""
    found = importlib.util.find_spec("sklearn")
    if found is None or not found.submodule_search_locations:
        raise ImportError(f"load: source {name!r} needs scikit-learn: pip install 'jaxmlp[data]'")
    file, header = TABLES.get(name, ("", 0))
    path = Path(found.submodule_search_locations[0], "datasets", "data", file)
    # Importing scikit-learn takes longer than training on these sets, so the file is read directly if it exists.
    return _numbers(path, header) if path.is_file() else _by_scikit_learn(name)


def _numbers(path: Path, header: int) -> tuple[np.ndarray, np.ndarray]:
    """(inputs, labels) of a file of numbers whose last column is the label."""
    rows = np.loadtxt(path, delimiter=",", skiprows=header)
    return rows[:, :-1], rows[:, -1].astype(int)


def _by_scikit_learn(name: str) -> tuple[np.ndarray, np.ndarray]:
    from sklearn import datasets

    # By default it scales diabetes by all rows; `load` scales by the training rows.
    options = {"scaled": False} if name == "diabetes" else {}
    return getattr(datasets, f"load_{name}")(return_X_y=True, **options)

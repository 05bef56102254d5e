"""The small sets that scikit-learn carries: nothing to download."""

import importlib.util
from pathlib import Path

import numpy as np

# Where scikit-learn has a set as a table of numbers, the target last: its file, and the lines before the numbers.
TABLES = {
    "digits": ("digits.csv.gz", 0),
    "breast_cancer": ("breast_cancer.csv", 1),
    "iris": ("iris.csv", 1),
    "wine": ("wine_data.csv", 1),
}
BUNDLED = (*TABLES, "diabetes")


def bundled(name):
    """(inputs, targets) of one of scikit-learn's sets, in its own units."""
    found = importlib.util.find_spec("sklearn")
    if found is None or not found.submodule_search_locations:
        raise ImportError(f"load: source {name!r} needs scikit-learn: pip install 'jaxmlp[data]'")
    file, header = TABLES.get(name, ("", 0))
    path = Path(found.submodule_search_locations[0], "datasets", "data", file)
    # To import scikit-learn takes longer than to train on what it carries: its file is enough, where it is there.
    return table(path, header) if path.is_file() else _by_scikit_learn(name)


def table(path, header):
    """(inputs, labels) of a file of numbers whose last column is the label."""
    rows = np.loadtxt(path, delimiter=",", skiprows=header)
    return rows[:, :-1], rows[:, -1].astype(int)


def _by_scikit_learn(name):
    from sklearn import datasets

    # It would scale diabetes by all of its rows; ours are scaled by the training rows.
    options = {"scaled": False} if name == "diabetes" else {}
    return getattr(datasets, f"load_{name}")(return_X_y=True, **options)

"""The small sets that scikit-learn carries: nothing to download."""

BUNDLED = ("digits", "breast_cancer", "iris", "wine", "diabetes")


def bundled(name):
    """(inputs, targets) of one of scikit-learn's sets, in its own units."""
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError(f"load: source {name!r} needs scikit-learn: pip install 'jaxmlp[data]'") from error
    # scikit-learn would scale diabetes by all of its rows; ours are scaled by the training rows.
    options = {"scaled": False} if name == "diabetes" else {}
    return getattr(datasets, f"load_{name}")(return_X_y=True, **options)

"""The goals on two cores: ratios of medians, and shares."""

from benchmarks.tasks import NETWORKS

NAMES = [task.name for task in NETWORKS]


def each(*goals):
    """Goals by network."""
    return dict(zip(NAMES, goals, strict=True))


ANY, LOOP, OTHERS = "fastest peer", "fastest loop", "PyTorch and scikit-learn"
GOALS = {
    "step": {ANY: each(1.0, 1.0, 1.0, 1.0)},
    "run": {LOOP: each(0.5, 0.5, 0.75, 1.0), OTHERS: each(0.1, 0.12, 0.4, 0.6)},
    "64 seeds": {ANY: each(0.5, 0.5, 0.65, 1.0), OTHERS: each(0.1, 0.15, 0.35, 0.6)},
    "dropout": each(0.40, 0.15, 0.03, 0.04),
    "shuffling": each(0.03, 0.03, 0.02, 0.01),
}

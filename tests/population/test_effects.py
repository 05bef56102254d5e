"""Which hyperparameters are best, and the figure of their effects."""

import numpy as np
import pytest

from jaxmlp import Result
from jaxmlp.population.ended import Ended
from jaxmlp.population.study import Study

ROWS = [
    {"rate": rate, "hidden": hidden, "fold": fold, "seed": seed}
    for rate, hidden in ((0.01, "(4,)"), (0.1, None), (1.0, "(4,)"))
    for fold in (0, 1)
    for seed in (5, 6)
]
LOSSES = [4, 4, 4, 4, 1, 2, 3, 4, 1, 1, 1, 1]


@pytest.fixture
def study():
    """The third combination has the least loss, but one of its trials diverged."""
    losses = np.array(LOSSES, np.float32)[:, None]
    zeros = np.zeros(12, np.int32)
    status = np.array([1] * 11 + [3], np.int32)
    history = {"validation_loss": losses, "validation_accuracy": 1 / losses}
    result = Result({"w": losses}, history, zeros, zeros, zeros + 1, zeros + 9, status, zeros, {})
    return Study({"trials": ROWS}, [Ended(np.arange(12), result, {"loss": losses[:, 0]})])


def test_the_best_have_the_best_mean_and_none_that_diverged(study):
    assert study.table()["status"].iloc[-1] == "diverged"
    assert study.best() == [4, 5, 6, 7] == study.best("validation_accuracy")
    assert study.best("test_loss", mode="max") == [0, 1, 2, 3]


def test_the_monitored_metric_is_the_default(study):
    study.description["settings"] = {"monitor": "accuracy", "mode": "max"}
    assert study.best() == [4, 5, 6, 7]
    assert study.plot().axes[0].get_ylabel() == "validation_accuracy"


def test_a_figure_shows_every_trial_and_means_with_intervals(study):
    rate, hidden = study.plot("validation_loss").axes
    assert (rate.get_xlabel(), rate.get_ylabel(), rate.get_xscale()) == ("rate", "validation_loss", "log")
    assert rate.lines[0].get_xdata().tolist() == [row["rate"] for row in ROWS]
    assert rate.lines[0].get_ydata().tolist() == LOSSES
    assert rate.lines[1].get_ydata().tolist() == [4.0, 2.5, 1.0]
    assert [label.get_text() for label in hidden.get_xticklabels()] == ["(4,)", "None"]
    assert hidden.lines[1].get_ydata().tolist() == [2.5, 2.5]


def test_wrong_questions_are_refused(study):
    for call, text in (
        (lambda: study.best("f1"), "Study.best: metric must be one of .*validation_loss.*, got 'f1'"),
        (lambda: study.best("hidden"), "Study.best: metric must be one of"),
        (lambda: study.best(mode="least"), "Study.best: mode must be one of min, max, got 'least'"),
        (lambda: study.plot("f1"), "Study.plot: metric must be one of"),
    ):
        with pytest.raises(ValueError, match=text):
            call()

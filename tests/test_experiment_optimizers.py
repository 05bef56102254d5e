"""The main job, as from the shell, at its smallest."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]


def run(*arguments):
    command = [sys.executable, "-m", "experiments.optimizers", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(("data", "metric"), [("iris", "accuracy"), ("diabetes", "r2")])
def test_the_main_job_writes_table_figure_and_raw_results(tmp_path, data, metric):
    small = ("--seeds", 3, "--tuning-seeds", 2, "--rates", 3, "--epochs", 4, "--hidden", "8,4")
    done = run("--data", data, "--optimizers", "gd,adam", *small, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 fresh seeds" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {
        "curves.csv", "figures", "pairs.csv", "protocol.json", "report.html", "report.md", "studies", "summary.csv", "trials.csv",
    }  # fmt: skip
    summary, trials = pd.read_csv(tmp_path / "summary.csv"), pd.read_csv(tmp_path / "trials.csv")
    fresh, tuning = trials[trials["stage"] == "fresh"], trials[trials["stage"] == "tuning"]
    assert (len(fresh), len(tuning)) == (2 * 3, 2 * 3 * 2)
    assert set(fresh["seed"]).isdisjoint(tuning["seed"])
    for row in summary.to_dict("records"):
        mine = tuning[tuning["optimizer"] == row["optimizer"]]
        scores = {
            rate: mine["validation_loss"][mine["learning_rate"] == rate].mean() for rate in set(mine["learning_rate"])
        }
        assert row["learning_rate"] == pytest.approx(min(scores, key=scores.__getitem__))
        expected = fresh[fresh["optimizer"] == row["optimizer"]][f"test_{metric}"].mean()
        assert (row["metric"], row["mean"]) == (metric, pytest.approx(expected))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--optimizers", "adamm"), "unknown optimizer 'adamm': must be one of gd, momentum, "),
        (("--seeds", 1), "seeds must be at least 2, got 1"),
        (("--data", "digitz"), "unknown problem 'digitz': not one of digits, .* source must be one of"),
    ],
)
def test_wrong_arguments_get_clear_words_and_no_traceback(arguments, text):
    done = run(*arguments)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert re.search(text, done.stderr, flags=re.DOTALL), done.stderr

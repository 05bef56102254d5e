"""The main job, as from the shell: what it writes, what it says, and that it goes on where it was."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import jaxmlp
from jaxmlp.compare import UserError, command
from jaxmlp.compare.cluster import client_of

ROOT = Path(__file__).parents[2]
SMALL = ("--repetitions", 3, "--tuning-seeds", 2, "--rates", 3, "--choice", "best", "--epochs", 4, "--hidden", "none")
JOB = ("--data", "diabetes,two_wells", "--optimizers")
OWN = "import jaxmlp\n\ndef own(learning_rate):\n    return jaxmlp.adam(learning_rate)\n"


def run(*arguments):
    line = [sys.executable, "-m", "jaxmlp", "compare", *map(str, arguments)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=900)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """One run from the shell that the tests below look at."""
    out = tmp_path_factory.mktemp("out")
    (out.parent / "own.py").write_text(OWN)
    return run(*JOB, f"gd,adam={out.parent}/own.py:own", *SMALL, "--out", out), out


@pytest.mark.slow
def test_the_main_job_says_its_rules_first_and_its_verdict_last(done):
    process, out = done
    assert process.returncode == 0, process.stderr
    said = " ".join(process.stdout.split())
    assert said.index("Then each optimizer runs with 2 fresh seeds") < said.index("has the best mean")
    assert "for gd, adam:" in said and "diabetes:" in said
    assert str(out / "report.html") in "".join(process.stdout.split())


@pytest.mark.slow
def test_the_main_job_writes_report_tables_figures_and_raw_data(done):
    out = done[1]
    assert {path.name for path in out.iterdir()} == {
        "budget.csv", "curves.csv", "figures", "overall.csv", "pairs.csv", "protocol.json", "report.html", "report.md", "studies", "summary.csv", "trials.csv",
    }  # fmt: skip
    figures = {path.name for path in (out / "figures").iterdir()}
    assert {"two_wells-ranking.svg", "two_wells-ranking.png", "diabetes-metric_curves.svg", "profile.png"} <= figures
    curves = pd.read_csv(out / "curves.csv")
    assert len(curves) == 2 * 6 * (3 + 2) and {"1", "4"} <= set(curves.columns)


@pytest.mark.slow
def test_rates_are_chosen_on_validation_data_and_scores_come_from_fresh_seeds(done):
    summary, trials = pd.read_csv(done[1] / "summary.csv"), pd.read_csv(done[1] / "trials.csv")
    stages: Any = dict(iter(trials.groupby("stage")))
    assert (len(stages["fresh"]), len(stages["tuning"])) == (2 * 2 * 6, 2 * 2 * 3 * 3 * 2)
    assert len(stages["crossed"]) == 2 * 2 * 4
    assert set(stages["fresh"]["seed"]).isdisjoint(stages["tuning"]["seed"])
    for row in summary.to_dict("records"):
        where = "optimizer == @row['optimizer'] and problem == @row['problem']"
        fresh = stages["fresh"].query(where)
        for repetition, tuned in stages["tuning"].query(where).groupby("repetition"):
            losses = tuned.groupby("learning_rate")["validation_loss"].mean()
            rates = fresh[fresh["repetition"] == repetition]["learning_rate"].to_numpy()
            assert rates == pytest.approx(np.full(2, losses.idxmin()))
        assert row["mean"] == pytest.approx(fresh[f"test_{row['metric']}"].mean())
        assert row["learning_rate"] == pytest.approx(fresh["learning_rate"].median())


@pytest.mark.slow
def test_on_a_cluster_the_tables_are_the_same_to_the_bit(done, tmp_path):
    job = ("--data", "diabetes", "--optimizers", f"gd,adam={done[1].parent}/own.py:own", *SMALL)
    process = run(*job, "--out", tmp_path, "--cluster", "local")
    assert process.returncode == 0, process.stderr
    for name in ("trials.csv", "curves.csv"):
        ours, theirs = (pd.read_csv(out / name) for out in (tmp_path, done[1]))
        theirs = theirs.query("problem == 'diabetes'")[ours.columns].reset_index(drop=True)
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True, check_dtype=False)
    assert not process.stderr


def test_a_cluster_that_is_missing_gets_clear_words(monkeypatch):
    with pytest.raises(UserError, match=r"--cluster: no Dask scheduler answers at 'nowhere': .*"), client_of("nowhere"):
        pass
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"install it with: pip install 'jaxmlp\[cluster\]'"), client_of("local"):
        pass


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--optimizers", "adamm"), "unknown optimizer 'adamm': must be one of gd, momentum, .*my_file.py:name"),
        (("--optimizers", "nowhere.py:mine"), "nowhere.py must be a file that exists"),
        (("--optimizers", "adam,adam"), "two optimizers are called 'adam': .*other=adam"),
        (("--seeds", "1", "--repetitions", "1"), "seeds must be at least 2 if there is one repetition, got 1"),
        (("--trials", "1"), "trials must be at least 2, got 1"),
        (("--low", "1", "--high", "0.1"), "learning rates must rise from low to high, got 1 to 0.1"),
        (("--protocol", "mine"), "unknown protocol 'mine': must be one of standard, deepobs, algoperf"),
        (("--problems", "digitz"), "unknown problem 'digitz': must be one of digits, .*my_file.py:name"),
        (("--problems", "nowhere.csv"), "problem 'nowhere.csv' cannot be created: .*a file that exists"),
        (("--problems", "mnist_mlp", "--folder", "."), "problem 'mnist_mlp' cannot be created: .*folder must hold"),
        (
            ("--problems", "iris", "--batch-size", "1000"),
            "problem 'iris' cannot be trained: .*batch_size must be at most",
        ),
        (
            ("--problems", "iris", "--hidden", "wide"),
            "--hidden must be whole numbers such as 128,64, or none, got 'wide'",
        ),
    ],
)
def test_wrong_arguments_get_clear_words_and_no_traceback(arguments, text, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(jaxmlp, "use_cpu_devices", lambda: None)
    with pytest.raises(SystemExit) as left:
        command.main([*arguments, "--out", str(tmp_path / "out")])
    assert re.search(text, str(left.value), flags=re.DOTALL)
    assert not (tmp_path / "out").exists()


def test_what_can_be_named_is_listed(capsys):
    command.main(["--list"])
    said = capsys.readouterr().out
    assert "adam" in said and "quadratic_deep" in said and "algoperf" in said


def test_ctrl_c_leaves_with_a_sentence(monkeypatch):
    def interrupted(options, screen):
        raise KeyboardInterrupt

    monkeypatch.setattr(jaxmlp, "use_cpu_devices", lambda: None)
    monkeypatch.setattr(command, "run", interrupted)
    with pytest.raises(SystemExit, match="run the same command again to resume"):
        command.main([])

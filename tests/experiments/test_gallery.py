"""`python -m experiments`: the list, one experiment, wrong names, seeds, and the gallery from the results."""

import json
import re

import matplotlib.pyplot as plt
import pytest

import experiments.__main__ as command
import experiments.experiment as experiment
import experiments.gallery as gallery
import experiments.verdicts as verdicts
from experiments.experiment import Finding
from experiments.textbook import NAMES


class Coins:
    """Do coins fall on their edge?

    This line is not part of the question.
    """

    @staticmethod
    def run(seeds=3, full=False):
        figure, axis = plt.subplots(figsize=(1, 1))
        axis.plot([0, seeds])
        figure.suptitle("Sides")
        figure.supxlabel("A dot for each seed.")
        judged = [
            verdicts.share("they do", [False] * seeds, at_least=0.9),
            verdicts.mean("their sides are alike", [0.4, 0.6], at_least=0.5),
        ]
        figures = {"coins": figure, "coins.gif": b"GIF89a", "coins.mp4": b"film"}
        timings = [verdicts.mean("a toss is quick", [0.1, 0.2, 0.1], at_most=1, unit=" s", samples="rounds")]
        return Finding(judged, {"seeds": seeds, "full": full}, figures, timings)


@pytest.fixture(autouse=True)
def coins(monkeypatch):
    """One quick experiment in place of all of them."""
    for module in (command, experiment, gallery):
        monkeypatch.setattr(module, "NAMES", ("coins",))
    monkeypatch.setattr(experiment, "module", {"coins": Coins}.__getitem__)
    monkeypatch.setattr(command.jaxmlp, "use_cpu_devices", lambda: None)


def words(text):
    return " ".join(text.split())


def refused(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    assert stopped.value.code == 2
    return words(capsys.readouterr().err)


def test_without_a_name_it_lists_names_and_questions(capsys):
    command.main([])
    assert re.search(r"coins +Do coins fall on their edge\?\s*$", capsys.readouterr().out)


def test_every_experiment_asks_a_question(monkeypatch):
    monkeypatch.undo()
    for name in NAMES:
        assert experiment.question(name).endswith("?")
        assert callable(experiment.module(name).run)


def test_one_name_runs_and_writes_figures_and_numbers(tmp_path, capsys):
    command.main(["coins", "--out", str(tmp_path)])
    out = words(capsys.readouterr().out)
    assert "NO they do (0 of 3 seeds" in out
    assert "cannot tell their sides are alike" in out
    assert {path.name for path in tmp_path.iterdir()} == {"coins.json", "coins.png", "coins.gif", "coins.mp4"}
    record = json.loads((tmp_path / "coins.json").read_text())
    assert record["question"] == "Do coins fall on their edge?"
    assert record["options"] == "defaults"
    assert record["numbers"] == {"seeds": 3, "full": False}
    assert [row["holds"] for row in record["verdicts"]] == [False, None]
    assert [row["holds"] for row in record["timings"]] == [True]
    where = record["environment"]
    assert set(where) == {"processor", "cores", "python", "jax", "numpy"} and all(where.values())


def test_seeds_and_full_size_reach_the_experiment(tmp_path):
    command.main(["coins", "--seeds", "7", "--full", "--out", str(tmp_path)])
    record = json.loads((tmp_path / "coins.json").read_text())
    assert record["options"] == record["numbers"] == {"seeds": 7, "full": True}
    assert "0 of 7 seeds" in record["verdicts"][0]["evidence"]


def test_wrong_arguments_say_what_is_right(capsys):
    assert "NAME must be one of coins, got dice, cards" in refused(["coins", "dice", "cards"], capsys)
    assert "--seeds must be at least 2, got 1" in refused(["coins", "--seeds", "1"], capsys)
    assert "invalid int value: 'many'" in refused(["coins", "--seeds", "many"], capsys)


def test_running_all_writes_the_gallery(tmp_path):
    page = tmp_path / "pages" / "README.md"
    page.parent.mkdir()
    command.main(["--all", "--out", str(tmp_path / "results"), "--gallery", str(page)])
    text = page.read_text()
    assert text.startswith("# What the textbook says, measured\n")
    where = experiment.environment()
    machine = f"{where['processor']}, {where['cores']} cores, JAX {where['jax']}"
    assert f"## coins\n\nDo coins fall on their edge? *(0 s of processor time on {machine})*" in text
    assert (
        f"Run times on {machine}, which differ on other processors:\n\n- **yes**: a toss is quick (mean 0.133 s" in text
    )
    assert "- **no**: they do (0 of 3 seeds" in text
    assert "- **cannot tell**: their sides are alike" in text
    shown = dict(re.findall(r'<img src="(.*?)" alt="(.*?)" width="400">', text))
    said = ("coins: Sides. A dot for each seed.", "coins: Do coins fall on their edge?")
    assert shown == dict(zip(("../results/coins.png", "../results/coins.gif"), said, strict=True))
    assert all((page.parent / place).exists() for place in shown)


def test_the_gallery_is_written_beside_the_files_by_default(tmp_path):
    command.main(["--all", "--out", str(tmp_path)])
    assert 'src="./coins.png"' in (tmp_path / "README.md").read_text()


def test_results_from_before_the_environment_was_recorded_are_shown_without_it(tmp_path):
    experiment.run("coins", tmp_path)
    record = json.loads((tmp_path / "coins.json").read_text())
    del record["environment"], record["timings"]
    (tmp_path / "coins.json").write_text(json.dumps(record))
    gallery.write_gallery(tmp_path, tmp_path / "README.md")
    assert "Do coins fall on their edge? *(0 s of processor time)*" in (tmp_path / "README.md").read_text()


def test_the_gallery_leaves_out_what_has_not_run(tmp_path):
    gallery.write_gallery(tmp_path, tmp_path / "README.md")
    assert "##" not in (tmp_path / "README.md").read_text()

"""`python -m experiments`: the list, one experiment, wrong names, seeds, and the gallery page from the results."""

import json
import re

import matplotlib.pyplot as plt
import pytest

import experiments.__main__ as command
from experiments import experiment, gallery, verdicts
from experiments.experiment import Finding
from experiments.textbook import NAMES


class Coins:
    """Do coins fall on their edge?

    Only this line is no part of the question.
    """

    @staticmethod
    def run(seeds=3, full=False):
        figure, axis = plt.subplots(figsize=(1, 1))
        axis.plot([0, seeds])
        judged = [
            verdicts.share("they do", [False] * seeds, at_least=0.9),
            verdicts.mean("their sides are alike", [0.4, 0.6], at_least=0.5),
        ]
        figures = {"coins": figure, "coins.gif": b"GIF89a", "coins.mp4": b"film"}
        return Finding(judged, {"seeds": seeds, "full": full}, figures)


@pytest.fixture(autouse=True)
def coins(monkeypatch):
    """One quick experiment in the place of all."""
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


def test_seeds_and_full_size_reach_the_experiment(tmp_path):
    command.main(["coins", "--seeds", "7", "--full", "--out", str(tmp_path)])
    record = json.loads((tmp_path / "coins.json").read_text())
    assert record["options"] == record["numbers"] == {"seeds": 7, "full": True}
    assert "0 of 7 seeds" in record["verdicts"][0]["evidence"]


def test_wrong_arguments_say_what_is_right(capsys):
    assert "NAME must be of coins, got dice, cards" in refused(["coins", "dice", "cards"], capsys)
    assert "--seeds must be at least 2, got 1" in refused(["coins", "--seeds", "1"], capsys)
    assert "invalid int value: 'many'" in refused(["coins", "--seeds", "many"], capsys)


def test_all_of_them_make_the_gallery(tmp_path):
    page = tmp_path / "pages" / "README.md"
    page.parent.mkdir()
    command.main(["--all", "--out", str(tmp_path / "results"), "--gallery", str(page)])
    text = page.read_text()
    assert text.startswith("# What the textbook says, measured\n")
    assert "## coins\n\nDo coins fall on their edge? *(0 s)*" in text
    assert "- **no**: they do (0 of 3 seeds" in text
    assert "- **cannot tell**: their sides are alike" in text
    shown = re.findall(r"!\[coins: Do coins fall on their edge\?\]\((.*?)\)", text)
    assert shown == ["../results/coins.png", "../results/coins.gif"]
    assert all((page.parent / place).exists() for place in shown)


def test_the_gallery_lies_beside_the_files_by_default(tmp_path):
    command.main(["--all", "--out", str(tmp_path)])
    assert "(./coins.png)" in (tmp_path / "README.md").read_text()


def test_the_gallery_leaves_out_what_has_not_run(tmp_path):
    gallery.write_gallery(tmp_path, tmp_path / "README.md")
    assert "##" not in (tmp_path / "README.md").read_text()

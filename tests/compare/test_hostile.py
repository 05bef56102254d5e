"""What a user's names, files, optimizers, environment and screen cannot do to a comparison."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import jaxmlp
from jaxmlp.compare import (
    Comparison,
    Problem,
    Protocol,
    UserError,
    analyze,
    command,
    compare,
    find_problem,
    rules,
    write_report,
)
from jaxmlp.compare.contestants import parse_contestants
from jaxmlp.compare.files import is_in_file
from jaxmlp.compare.terminal import Follower, Screen, show_findings
from tests.compare.test_report import outcome as made_up

TINY = Protocol("tiny", trials=2, low=0.01, high=0.1, repetitions=2, seeds=1)
NAMES = ("[/red] $x^$ | a", "_hidden", "../..", "\x1b[31m\ud800", "大")


def tiny(name="moons"):
    def network(optimizer):
        return jaxmlp.classifier((2, 2), optimizer=optimizer)

    return Problem(name, f"about {name}", jaxmlp.load("moons", rows=60), network, epochs=1, target=0.9)


@pytest.fixture
def hostile():
    """Made-up runs in which every name is hostile."""
    random, problems = np.random.default_rng(0), (tiny("../[/b] $_"), tiny("x\ny"))
    places = [(problem, place, name) for problem in problems for place, name in enumerate(NAMES)]
    outcomes = {(problem.name, name): made_up(problem, place, name, random) for problem, place, name in places}
    contestants = tuple(parse_contestants(dict.fromkeys(NAMES, "gd")))
    return Comparison(Protocol("[/x]", repetitions=1, seeds=8), problems, contestants, outcomes, {"jax": "0"}, 1.0)


def test_hostile_names_reach_a_report_and_an_ascii_screen(hostile, tmp_path, monkeypatch):
    report = write_report(analyze(hostile), tmp_path / "in" / "out")
    assert report.parent == tmp_path / "in" / "out"
    assert {path.name for path in tmp_path.rglob("*") if path.is_dir()} == {"in", "out", "figures"}
    text = report.read_text(encoding="utf-8")
    assert "[/red] $x^$ | a" in text and "\x1b" not in text
    lines = [line for line in (report.parent / "report.md").read_text().splitlines() if line.startswith("| ")]
    assert {line.replace(r"\|", "").count(" | ") for line in lines} == {8, 3}
    assert len(pd.read_csv(report.parent / "summary.csv")) == 2 * len(NAMES)
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    show_findings(Screen(), analyze(hostile))
    sys.stdout.flush()
    assert b"[/red] $x^$ | a" in raw.getvalue() and b"\x1b" not in raw.getvalue()


class Closed(io.StringIO):
    """A screen whose other end is closed."""

    def write(self, s):
        raise BrokenPipeError

    def reconfigure(self, errors):
        pass


def test_the_report_is_written_whatever_the_screen_does(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(jaxmlp, "use_cpu_devices", lambda: None)
    monkeypatch.setattr(sys, "stdout", Closed())
    path = tmp_path / "mine.csv"
    path.write_text("x,y\n" + "\n".join(f"{i % 7},{(i % 7) / 2 + 0.25}" for i in range(60)))
    options = ["--optimizers", "gd@0.1", "--repetitions", "2", "--epochs", "1", "--hidden", "none"]
    command.main(["--problems", str(path), *options, "--out", str(tmp_path / "out")])
    assert (tmp_path / "out" / "report.html").exists()


def test_problems_of_one_name_are_refused_and_can_be_renamed(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "data.csv").write_text("x,y\n" + "\n".join(f"{i},{i}.5" for i in range(40)))
    paths = [str(tmp_path / folder / "data.csv") for folder in ("a", "b")]
    with pytest.raises(UserError, match="two problems are called 'data'"):
        compare("gd@0.1", paths, TINY)
    assert find_problem(f"other={paths[1]}").name == "other"


def test_the_default_folder_is_another_for_other_rules_files_and_budgets(tmp_path, monkeypatch):
    monkeypatch.setattr(jaxmlp, "use_cpu_devices", lambda: None)
    folders = []

    def stop(*arguments, directory, **options):
        folders.append(str(directory))
        raise UserError("stop here")

    monkeypatch.setattr(command, "compare", stop)
    lines = ([], ["--protocol", "deepobs"], ["--seeds", "3"], ["--epochs", "2"], ["--hidden", "none"])
    for line in lines:
        with pytest.raises(SystemExit, match="stop here"):
            command.main(["--problems", "wine", *line])
    assert len(set(folders)) == len(lines) and folders[0] == "results/optimizers-wine-standard/studies"


@pytest.mark.parametrize("path", ["C:\\data.csv", "C:data.csv", "dir:x/data.csv", "C:\\a b\\data", "x:1", "data.csv"])
def test_a_colon_in_a_path_makes_no_module_of_it(path):
    assert not is_in_file(path)
    with pytest.raises(UserError, match="unknown problem|cannot be created"):
        find_problem(path)


@pytest.mark.parametrize("folder", ["a=b", "a (copy)", "a@b", "a:b", "a,b"])
def test_files_in_folders_of_any_name(tmp_path, folder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "mine.py").write_text("from jaxmlp import gd as mine\n")
    (tmp_path / "my:data").touch()
    assert is_in_file("my:other") and not is_in_file("my:data")  # a module, but for a file of that name
    assert is_in_file(f"{folder}/mine.py:mine") and is_in_file("C:\\mine.py:mine") and is_in_file("optax:adam")
    (plain,) = parse_contestants([f"{folder}/mine.py:mine"])
    (fixed,) = parse_contestants([f"x={folder}/mine.py:mine(0.5)@0.1".replace("(0.5)", "")])
    assert (plain.name, plain.rate, fixed.name, fixed.rate) == ("mine", None, "x", 0.1)
    (tmp_path / folder / "data.csv").write_text("x,y\n" + "\n".join(f"{i},{i}.5" for i in range(40)))
    assert find_problem(f"{folder}/data.csv").name == "data"
    with pytest.raises(UserError, match="must be a Problem, or a function that returns one"):
        find_problem(f"{folder}/mine.py:__name__")


@pytest.mark.parametrize("text", ["x" * 5000, "a\0b", "~nobody/data.csv", "", "=", ":"])
def test_texts_that_cannot_be_paths_are_unknown_problems(text):
    with pytest.raises(UserError, match="unknown problem|cannot be created"):
        find_problem(text)


def leaves(learning_rate):
    def update(grads, state, params=None):
        sys.exit(143)

    return (lambda params: (), update)


def test_an_optimizer_that_leaves_the_process_ends_itself_only():
    comparison = compare({"leaves": leaves, "gd": "gd@0.1"}, tiny(), TINY)
    assert [outcome.trouble for outcome in comparison.troubles()] == ["raised SystemExit: 143"]
    assert list(comparison.of(tiny())) == ["gd"]


def test_sigterm_and_ctrl_c_end_the_comparison(monkeypatch):
    stopping = {"__name__": "jaxmlp.population.train", "error": SystemExit(143)}
    exec("def train_many(*a, **b): raise error", stopping)
    monkeypatch.setattr(jaxmlp, "train_many", stopping["train_many"])
    with pytest.raises(SystemExit):
        compare("gd@0.1", tiny(), TINY)
    stopping["error"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        compare("gd@0.1", tiny(), TINY)


def test_an_array_job_does_not_split_a_comparison(monkeypatch):
    for name, value in {"SLURM_ARRAY_TASK_ID": 1, "SLURM_ARRAY_TASK_COUNT": 2, "SLURM_ARRAY_TASK_MIN": 0}.items():
        monkeypatch.setenv(name, str(value))
    comparison = compare("gd@0.1", tiny(), TINY)
    assert len(comparison.of(tiny())["gd@0.1"].fresh) == 2


def test_the_rules_are_those_that_were_applied():
    standard = Protocol("standard")
    fixed, mixed = (rules(standard, parse_contestants(text)) for text in ("adam@0.1,gd@1", "adam@0.1,gd"))
    assert fixed[0] == "adam@0.1 and gd@1 run at their given learning rates, without tuning."
    assert not any("trial" in rule or "tuning seed" in rule for rule in fixed)
    assert mixed[0] == "adam@0.1 runs at its given learning rate, without tuning."
    assert mixed[1].startswith("Every other optimizer gets 11 trials")
    assert rules(standard)[0].startswith("Every optimizer gets 11 trials")


def test_reused_results_are_named(tmp_path):
    first = compare("gd@0.1", tiny(), TINY, directory=tmp_path)
    again = compare("gd@0.1", tiny(), TINY, directory=tmp_path)
    assert [outcome.reused for outcome in first.outcomes.values()] == [0]
    assert [outcome.reused for outcome in again.outcomes.values()] == [2]
    report = write_report(analyze(again), tmp_path / "out")
    assert "reused from an earlier call, tuning included: gd@0.1 (2)." in report.read_text(encoding="utf-8")
    other = compare({"gd@0.1": "gd@0.2"}, tiny(), TINY, directory=tmp_path)
    assert [outcome.reused for outcome in other.outcomes.values()] == [0]


def test_a_redirected_run_prints_a_line_now_and_then(capsys, monkeypatch):
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr("jaxmlp.compare.terminal.time", SimpleNamespace(monotonic=lambda: next(clock)))
    (gd,) = parse_contestants("gd")
    with Follower(Screen()) as follow:
        for done in (1, 2, 3, 4, 5, 6):
            follow(tiny(), gd, f"fresh {done}/6", done, 6)
    assert capsys.readouterr().out.splitlines() == ["moons: gd: fresh 2/6", "moons: gd: fresh 4/6", "moons: gd: 6 runs"]

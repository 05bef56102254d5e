"""The user's own files from the command line: which column is the target, and how the others are read."""

import re

import jax.numpy as jnp
import pytest

import jaxmlp
from jaxmlp.compare import UserError, command, find_problem
from jaxmlp.compare.problems import is_table
from jaxmlp.compare.reading import reading_of

ROWS = [(i, ("red", "white")[i % 2], i % 3, i / 7, 2 * i + 0.5) for i in range(60)]
TABLE = "id,color,region,acidity,price\n" + "\n".join(",".join(map(str, row)) for row in ROWS)


def parsed(*line):
    options = command.make_parser().parse_args([*line])
    return reading_of(options, options.problems.split(","))


@pytest.fixture
def problem_of(tmp_path, monkeypatch):
    """The problem that a command line makes of a file, which is in the current folder as mine.csv."""
    monkeypatch.setattr(jaxmlp, "use_cpu_devices", lambda: None)
    monkeypatch.chdir(tmp_path)
    found = []

    def caught(contestants, problems, protocol, *, directory, follow, executor):
        found.append((problems[-1], directory))
        raise UserError("stop here")

    monkeypatch.setattr(command, "compare", caught)

    def make(text, *line, problems="mine.csv"):
        (tmp_path / "mine.csv").write_text(text)
        with pytest.raises(SystemExit, match="stop here"):
            command.main(["--problems", problems, "--optimizers", "gd@0.1", *line])
        return found[-1]

    return make


def columns(problem):
    return [column.name for column in problem.data.preparation.columns]


def test_the_target_by_name_and_position_and_columns_left_out(problem_of):
    problem, _ = problem_of(TABLE, "--target", "color", "--ignore", "id,-1")
    assert columns(problem) == ["region", "acidity"]
    assert problem.metric == "accuracy" and problem.about == "color in mine.csv; 2-128-2"
    assert problem_of(TABLE, "--target", "1")[0].about.startswith("color in mine.csv")
    assert problem_of(TABLE, "--target", "-2")[0].about.startswith("acidity in mine.csv")
    assert problem_of(TABLE)[0].about.startswith("price in mine.csv")


def test_the_task_and_columns_of_categories(problem_of):
    problem, _ = problem_of(TABLE, "--target", "region", "--task", "regression")
    assert problem.metric == "r2" and problem.data.train.targets.shape[1:] == (1,)
    assert problem_of(TABLE, "--target", "region")[0].metric == "accuracy"
    assert problem_of(TABLE)[0].data.train.inputs.shape[1] == 1 + 2 + 1 + 1
    assert problem_of(TABLE, "--categories", "region")[0].data.train.inputs.shape[1] == 1 + 2 + 3 + 1


def test_missing_values_and_a_file_without_a_header(problem_of):
    holes = TABLE.replace("\n3,white", "\n,white").replace("\n4,red", "\n,red")
    with pytest.raises(AssertionError, match="line 5, column 'id' must have a value"):  # and not at `compare`
        problem_of(holes)
    assert sum(problem_of(holes, "--missing", "drop")[0].rows) == 58
    assert sum(problem_of(holes, "--missing", "impute")[0].rows) == 60
    bare = TABLE.partition("\n")[2]
    assert sum(problem_of(bare, "--no-header")[0].rows) == 60
    assert sum(problem_of(TABLE, "--header")[0].rows) == 60


def test_options_apply_to_files_only_and_are_part_of_the_default_folder(problem_of):
    problem, folder = problem_of(TABLE, "--target", "color", problems="moons,other=mine.csv")
    assert problem.name == "other" and problem.about.startswith("color in mine.csv")
    assert folder != problem_of(TABLE, problems="moons,other=mine.csv")[1]
    assert folder == problem_of(TABLE, "--target", "color", problems="moons,other=mine.csv")[1]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (("--target", "0.9"), "--target must be left out unless a problem is a file such as my_data.csv; the value"),
        (("--task", "regression", "--no-header"), "--task, --header must be left out unless .* my_data.csv$"),
        (("--missing", "drop", "--problems", "moons"), "--missing must be left out unless"),
    ],
)
def test_options_without_a_file_are_refused_in_words(line, text):
    with pytest.raises(UserError, match=text):
        parsed(*line)


def test_columns_that_a_file_does_not_have_are_refused_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(jaxmlp, "use_cpu_devices", lambda: None)
    (tmp_path / "mine.csv").write_text(TABLE)
    words = "problem '.*mine.csv' cannot be created: load: target must be one of the columns id, color, .*, got 'cost'"
    with pytest.raises(SystemExit) as left:
        command.main(["--problems", str(tmp_path / "mine.csv"), "--target", "cost"])
    assert re.search(words, str(left.value))


def test_what_the_command_line_gives():
    line = ("--problems", "a.csv", "--target", "x y", "--ignore", 'id, 3,"a, b"', "--categories", "", "--no-header")
    assert parsed(*line) == {"target": "x y", "ignore": ["id", 3, "a, b"], "categories": [], "header": False}
    assert parsed("--problems", "a.csv", "--target-value", "0.9") == {} == parsed()


def test_what_is_a_table(tmp_path):
    (tmp_path / "folder.of.images").mkdir()
    tables = ("a.csv", "dir/a.tsv.gz", "other=a.csv", "C:\\a.csv")
    others = ("digits", "moons", "mine.py:made", "x=mine.py:made", str(tmp_path / "folder.of.images"), "x=wine")
    assert all(map(is_table, tables)) and not any(map(is_table, others))


def test_small_data_get_small_batches(tmp_path):
    (tmp_path / "mine.csv").write_text(TABLE)
    sizes = {"digits": 64, "breast_cancer": 32, "wine": 8, "diabetes": 16, str(tmp_path / "mine.csv"): 4}
    for source, size in sizes.items():
        problem = find_problem(source)
        assert problem.batch_size == size, source
        assert problem.steps_per_epoch >= 10 and jnp.size(problem.data.train.targets) >= 10 * size


def test_reading_from_python(tmp_path):
    (tmp_path / "mine.csv").write_text(TABLE)
    path = tmp_path / "mine.csv"
    assert find_problem(path, reading={"target": "color"}).metric == "accuracy"
    assert find_problem("moons", reading={"target": "color"}).name == "moons"

"""CSV files: which column is the target, what it becomes, and where a fault is."""

import re
from pathlib import Path

import numpy as np
import pytest

from jaxmlp.data import load


@pytest.fixture
def write(tmp_path):
    def write_text(text, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write_text


def column(cells):
    """A CSV file of a row number and a target column."""
    return "row,target\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells))


def rows_of(data):
    """(inputs, targets) of all splits, in the order of the file, whose first column numbers the rows."""
    inputs, targets = (np.concatenate([batch[i] for batch in data]) for i in range(2))
    order = np.argsort(inputs[:, 0])
    return inputs[order], targets[order]


def targets_of(path, **options):
    return rows_of(load(path, scale=None, **options))[1]


def test_columns_and_target(write):
    text = "a, b ,c\n" + "".join(f"{i},{i % 2},{i / 8}\n" for i in range(20))
    path = write(text)
    for source in (path, str(path)):
        inputs, targets = rows_of(load(source, scale=None))
        np.testing.assert_array_equal(inputs, [[i, i % 2] for i in range(20)])
        np.testing.assert_array_equal(targets, np.arange(20)[:, None] / 8)
    for target in ("b", 1, -2, np.int64(1)):
        inputs, targets = rows_of(load(path, scale=None, target=target))
        np.testing.assert_array_equal(inputs, [[i, i / 8] for i in range(20)])
        np.testing.assert_array_equal(targets, np.arange(20) % 2)
    for target in (0, -3):
        predicted = targets_of(path, target=target, task="regression")
        np.testing.assert_array_equal(np.sort(predicted, axis=0), np.arange(20)[:, None])
    assert abs(float(load(path).train.inputs.mean())) < 1e-6


def test_text_and_whole_numbers_are_labels_in_sorted_order(write):
    assert targets_of(write(column(["pear", "apple ", "fig"] * 7))).tolist() == [2, 0, 1] * 7
    assert targets_of(write(column([10, -1, 9] * 7))).tolist() == [2, 0, 1] * 7
    assert targets_of(write(column(["1.0", "0"] * 7))).tolist() == [1, 0] * 7
    assert targets_of(write(column(["1_0", "1_1"] * 7))).tolist() == [0, 1] * 7
    assert targets_of(write(column(["10", "9", "x"] * 7))).tolist() == [0, 1, 2] * 7


def test_fractions_are_numbers_to_predict(write):
    targets = targets_of(write(column([1, 2, 2.5] * 7)))
    assert targets.dtype == np.float32
    assert targets.ravel().tolist() == [1, 2, 2.5] * 7


def test_task_overrules(write):
    path = write(column([10, -1, 9] * 7))
    assert targets_of(path, task="regression").ravel().tolist() == [10, -1, 9] * 7
    assert targets_of(path, task="classification").tolist() == [2, 0, 1] * 7
    assert targets_of(write(column([0.5, 0.25] * 7)), task="classification").tolist() == [1, 0] * 7


def test_byte_order_mark_blank_lines_quotes_and_line_ends(write):
    body = "\r\n".join(f'{i},"{i % 2}"' for i in range(20))
    path = write("\ufeffrow,target\r\n\r\n" + body + "\r\n\r\n")
    assert targets_of(path, target="target").tolist() == [0, 1] * 10
    assert rows_of(load(path, target="row", task="regression", scale=None))[1].shape == (20, 1)


GOOD = "".join(f"{i},{i % 2}\n" for i in range(20))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "load: t.csv must have a header and at least one row, got '0 lines'"),
        ("a,b\n", {}, "load: t.csv must have a header and at least one row, got '1 lines'"),
        ("a\n1\n", {}, "load: t.csv must have at least 2 columns, got ['a']"),
        ("a,a\n1,2\n", {}, "load: t.csv must have a different name for each column, got ['a', 'a']"),
        ("a,b\n1,2\n3\n", {}, "load: t.csv line 3 must have 2 cells, as most lines have, got 1"),
        ("a,b\n\n1,2,3\n", {}, "load: t.csv line 3 must have 2 cells, as most lines have, got 3"),
        ("a,b\n1,2\nx,2\n", {}, "load: t.csv line 3, column 'a' must be a number, got 'x'"),
        (
            "a,b\n1_0,2\n",
            {},
            "load: t.csv line 2, column 'a' must be a number without thousands separators, percent or currency signs, and with a decimal point, got '1_0'",
        ),
        (
            "a,b\n,2\n",
            {},
            "load: t.csv line 2, column 'a' must have a value (missing='drop' leaves such rows out, missing='impute' fills them in), got ''",
        ),
        (
            "a,b\n1,2\n1, \n",
            {},
            "load: t.csv line 3, column 'b' must have a value (a target cannot be imputed; missing='drop' leaves such rows out), got ''",
        ),
        ("a,b\n1,2\n1,x\n", {"task": "regression"}, "load: t.csv line 3, column 'b' must be a number, got 'x'"),
        ("a,b\n" + GOOD, {"target": "c"}, "load: target must be one of the columns a, b, got 'c'"),
        ("a,b\n" + GOOD, {"target": 2}, "load: target must be a column name or an index below 2, got 2"),
        ("a,b\n" + GOOD, {"target": -3}, "load: target must be a column name or an index below 2, got -3"),
        ("a,b\n" + GOOD, {"target": True}, "load: target must be a column name or an index below 2, got True"),
        ("a,b\n" + GOOD, {"target": 0.5}, "load: target must be a column name or an index below 2, got 0.5"),
        ("a,b\n" + GOOD, {"task": "x"}, "load: task must be one of classification, regression, multi-label, got 'x'"),
        (
            "a,b\nnan,1\n",
            {},
            "load: t.csv line 2, column 'a' must have a value (missing='drop' leaves such rows out, missing='impute' fills them in), got 'nan'",
        ),
        (
            "a,b\n1,1\n1,nan\n",
            {"task": "classification"},
            "load: t.csv line 3, column 'b' must have a value (a target cannot be imputed; missing='drop' leaves such rows out), got 'nan'",
        ),
    ],
)
def test_faults_are_named(write, text, options, message):
    with pytest.raises(ValueError, match=re.escape(message) + "$"):
        load(write(text), **options)


def test_whole_numbers_that_should_be_predicted_say_so(write):
    text = "must be at least 20 rows, one per class (give numbers to predict as floating point, or say task='regression'), got 3"
    with pytest.raises(ValueError, match=re.escape(text)):
        load(write(column(range(20))))


def test_not_a_csv_file(tmp_path, write):
    with pytest.raises(FileNotFoundError, match=r"load: source must be a file that exists, got '.*none\.csv'"):
        load(tmp_path / "none.csv")
    with pytest.raises(ValueError, match=re.escape("load: t.csv must be a table of text, got field larger than")):
        load(write("a,b\n1," + "x" * 200_000 + "\n"))
    assert isinstance(load(Path(write("a,b\n" + GOOD, "t.txt"))), tuple)

"""Text files as people have them: separators, headers, decimal signs, encodings; what is refused says where."""

import gzip
import re
from typing import NamedTuple

import numpy as np
import pytest

from jaxmlp.data import load
from tests.data.test_csv import rows_of

TWENTY = range(20)


def lines(pattern, rows=TWENTY):
    """One line for each row: the pattern with i and a few functions of it filled in."""
    names = {"two": "ab", "three": "xyz"}
    return "".join(
        pattern.format(
            i=i, half=i / 2, parity=i % 2, third=i % 3 + 1, two=names["two"][i % 2], three=names["three"][i % 3]
        )
        + "\n"
        for i in rows
    )


@pytest.fixture
def write(tmp_path):
    def write_bytes(content, name="t.csv", encoding="utf-8"):
        path = tmp_path / name
        content = content if isinstance(content, bytes) else content.encode(encoding)
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write_bytes


class Shape(NamedTuple):
    """A file and what `load` makes of it."""

    text: str
    features: list[str]
    classes: tuple | None = (0, 1)
    target: str = "t"
    name: str = "t.csv"
    encoding: str = "utf-8"
    options: dict | None = None


NUMBER = lines("{i},{parity}")
LAST = ["column 0", "column 1"]

SHAPES = {
    "iris, without a header": Shape(lines("{half},0.2,Iris-{two}"), LAST, ("Iris-a", "Iris-b"), "column 2", "iris.data"),
    "wine, class first": Shape(lines("{third},{half},2.8"), ["column 1", "column 2"], (1, 2, 3), "column 0", options={"target": 0}),
    "adult, blanks after commas": Shape(
        lines("{i}, {two}, {half}, <={parity}0K"), ["column 0", "column 1=a", "column 1=b", "column 2"], ("<=00K", "<=10K"), "column 3", "adult.data"
    ),
    "abalone": Shape(lines("{three},{half},{third}"), ["column 0=x", "column 0=y", "column 0=z", "column 1"], (1, 2, 3), "column 2", "abalone.data"),
    "bank, semicolons and quotes": Shape('"i";"job";"t"\n' + lines('{i};"{two}";"{three}"'), ["i", "job=a", "job=b"], ("x", "y", "z")),
    "wine quality": Shape('"fixed acidity";"t"\n' + lines("7.{i};{third}"), ["fixed acidity"], (1, 2, 3)),
    "housing, aligned by blanks": Shape(lines("  {half}   18.00  {i} 4.{i}"), ["column 0", "column 1", "column 2"], None, "column 3", "housing.data"),
    "auto-mpg, blanks and one tab": Shape(
        lines('{half}   8   {i}.0      3504.\t"ford pinto {two}"'),
        ["column 1", "column 2", "column 3", "column 4=ford pinto a", "column 4=ford pinto b"], None, "column 0", "auto-mpg.data",
        options={"target": 0, "task": "regression"},
    ),
    "mushroom, letters alone": Shape(lines("{two},{three},{two}"), ["column 1=x", "column 1=y", "column 1=z", "column 2=a", "column 2=b"], ("a", "b"), "column 0", options={"target": 0}),
    "decimal commas": Shape("i;h;t\n" + lines("{i},5;0,25;{parity}"), ["i", "h"]),
    "decimal commas between tabs": Shape("i\tt\n" + lines("{i},5\t{parity}"), ["i"], name="t.tsv"),
    "tabs": Shape("i\tt\n" + lines("{i}\t{two}"), ["i"], ("a", "b"), name="t.tsv"),
    "bars": Shape("i|t\n" + lines("{i}|{two}"), ["i"], ("a", "b"), name="t.txt"),
    "Excel's first line": Shape("sep=;\ni;t\n" + lines("{i};{two}"), ["i"], ("a", "b")),
    "commas inside of quotes": Shape("i,name,t\n" + lines('{i},"Smith, {two}",{parity}'), ["i", "name=Smith, a", "name=Smith, b"]),
    "a line break inside of quotes": Shape("i,name,t\n" + lines('{i},"Smith\n{two}",{parity}'), ["i", "name=Smith\na", "name=Smith\nb"]),
    "quotes inside of quotes": Shape("i,name,t\n" + lines('{i},"a ""{two}""",{parity}'), ["i", 'name=a "a"', 'name=a "b"']),
    "CRLF": Shape(("i,t\n" + NUMBER).replace("\n", "\r\n"), ["i"]),
    "CR": Shape(("i,t\n" + NUMBER).replace("\n", "\r"), ["i"]),
    "no line end at the end": Shape(("i,t\n" + NUMBER).rstrip("\n"), ["i"]),
    "blank lines": Shape("\ni,t\n\n" + NUMBER + "\n\n", ["i"]),
    "commas at the ends of rows": Shape("i,t\n" + lines("{i},{parity},"), ["i"]),
    "commas at the ends of all lines": Shape("i,t,\n" + lines("{i},{parity},"), ["i"]),
    "decimal commas and semicolons at the ends of rows": Shape("i;t\n" + lines("{i},5;{half};").replace(".", ","), ["i"], None),
    "comments above the header": Shape("# made by hand\n# 1, 2\ni,t\n" + NUMBER, ["i"]),
    "names in a comment, as numpy.savetxt writes them": Shape("# i,t\n" + NUMBER, ["i"]),
    "numbers alone": Shape(NUMBER, ["column 0"], target="column 1"),
    "byte order mark": Shape("i,t\n" + NUMBER, ["i"], encoding="utf-8-sig"),
    "UTF-16": Shape("größe\tt\n" + lines("{i}\t{two}"), ["größe"], ("a", "b"), encoding="utf-16"),
    "UTF-16 without a mark": Shape("i\tt\n" + lines("{i}\t{two}"), ["i"], ("a", "b"), encoding="utf-16-le"),
    "UTF-16, big-endian, without a mark": Shape("i\tt\n" + lines("{i}\t{two}"), ["i"], ("a", "b"), encoding="utf-16-be"),
    "Windows-1252": Shape("größe,t\n" + lines("{i},€{two}"), ["größe"], ("€a", "€b"), encoding="cp1252"),
    "Latin-1": Shape("i,t\n" + lines("{i},\x81{two}é"), ["i"], ("\x81aé", "\x81bé"), encoding="latin-1"),
    "gzip": Shape("i,t\n" + NUMBER, ["i"], name="t.csv.gz"),
    "row labels, as pandas writes them": Shape(",i,t\n" + lines("{i},{half},{parity}"), ["i"]),
    "row labels, as R writes them": Shape('"","i","t"\n' + lines('"Mazda {i}",{half},{parity}'), ["i"]),
    "bools as text": Shape("i,b,t\n" + lines("{i},True,{parity}").replace("4,True", "4,False"), ["i", "b=False", "b=True"]),
    "yes and no": Shape("i,t\n" + lines("{i},{parity}").replace(",0", ",no").replace(",1", ",yes"), ["i"], ("no", "yes")),
    "classes 1 to 3": Shape("i,t\n" + lines("{i},{third}"), ["i"], (1, 2, 3)),
    "classes 1.0 to 3.0": Shape("i,t\n" + lines("{i},{third}.0"), ["i"], (1, 2, 3)),
    "classes with gaps": Shape("i,t\n" + lines("{i},{parity}0"), ["i"], (0, 10)),
    "names with blanks": Shape(" i , my target \n" + lines("{i},{two}"), ["i"], ("a", "b"), "my target"),
    "scientific notation": Shape("i,t\n" + lines("{i}e-3,{half}E+0"), ["i"], None),
    "a number with a unit in its name": Shape("mass (kg),t\n" + lines("{i},{half}"), ["mass (kg)"], None),
    "a column of years": Shape("country,2019,t\n" + lines("{two},{i},{parity}"), ["country=a", "country=b", "2019"], options={"header": True}),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.filterwarnings("ignore:.*no training row has:UserWarning")
def test_files_as_people_have_them(write, name):
    shape = SHAPES[name]
    data = load(write(shape.text, shape.name, shape.encoding), **(shape.options or {}))
    found = data.preparation
    assert list(found.feature_names) == shape.features
    assert found.classes == shape.classes and found.target == shape.target
    assert [len(batch.targets) for batch in data] == [14, 3, 3]


def test_values_of_decimal_commas_and_of_decimal_points_agree(write):
    points = "i;h;t\n" + lines("{i}.5;0.25;{parity}")
    found, expected = (rows_of(load(write(text), scale=None)) for text in (points.replace(".", ","), points))
    np.testing.assert_array_equal(found[0], expected[0])
    assert found[0].tolist() == [[i + 0.5, 0.25] for i in TWENTY] and found[1].tolist() == [0, 1] * 10


def test_the_first_row_of_a_file_without_header_is_kept(write):
    inputs, targets = rows_of(load(write(NUMBER), scale=None))
    assert inputs.ravel().tolist() == [*TWENTY] and targets.tolist() == [0, 1] * 10
    inputs, _ = rows_of(load(write("7,0\n" + NUMBER), header=False, scale=None))
    assert sorted(inputs.ravel().tolist()) == sorted([7, *TWENTY])
    inputs, _ = rows_of(load(write("7,0\n" + NUMBER), header=True, scale=None))
    assert inputs.ravel().tolist() == [*TWENTY]


def test_the_largest_float32_is_a_number(write):
    largest = float(np.finfo(np.float32).max)
    for text in (f"{largest!r},1\n", f"{largest!r},1\n?,1\n"):
        inputs, _ = rows_of(load(write("i,t\n" + NUMBER + text), missing="drop", scale=None))
        assert inputs.max() == largest


def test_columns_are_left_out_by_name_or_position(write):
    path = write("id,i,note,t\n" + lines("r{i},{half},text {i},{parity}"))
    for ignore in (["id", "note"], ("note", 0), [-2, -4]):
        assert load(path, ignore=ignore).preparation.feature_names == ("i",)
    assert load(write("id,i,t\n" + lines("r{i},{half},{parity}")), ignore="id").train.inputs.shape == (14, 1)


def test_columns_of_categories_may_be_named(write):
    path = write("doors,seats,t\n" + lines("{third},{parity},{two}").replace("3,", "5more,"))
    with pytest.raises(ValueError, match=re.escape("load: t.csv line 4, column 'doors' must be a number, got '5more'")):
        load(path)
    for categories in ("doors", 0, ["doors"], [0, "doors"]):
        data = load(path, categories=categories)
        assert data.preparation.feature_names == ("doors=1", "doors=2", "doors=5more", "seats")
    both = load(path, categories=["doors", "seats"])
    assert both.preparation.feature_names[3:] == ("seats=0", "seats=1")
    with pytest.raises(
        ValueError, match=re.escape("load: categories must be one of the columns doors, seats, t, got 'u'")
    ):
        load(path, categories="u")


HINT = " (missing='drop' leaves such rows out, missing='impute' fills them in)"
AMOUNT = "be a number without thousands separators, percent or currency signs, and with a decimal point"
DATE = "be a number or a category, not a date or time (replace it by numbers, or leave it out with ignore=)"
ASK = "say with header=True or header=False if its first line holds column names"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("i,t\n" + NUMBER + "?,1\n", {}, f"t.csv line 22, column 'i' must have a value{HINT}, got '?'"),
        ("i,c,t\n" + lines("{i},{two},0") + "1, - ,1\n", {}, f"t.csv line 22, column 'c' must have a value{HINT}, got '-'"),
        ("# one\n\ni,t\n" + NUMBER + "NULL,1\n", {}, f"t.csv line 24, column 'i' must have a value{HINT}, got 'NULL'"),
        ('i,n,t\n1,"a\nb",0\n' + lines('{i},"a\nb",1') + "?,z,1\n", {}, f"t.csv line 44, column 'i' must have a value{HINT}, got '?'"),
        ("i,t\n" + NUMBER + "1,N/A\n", {}, "t.csv line 22, column 't' must have a value (a target cannot be imputed; missing='drop' leaves such rows out), got 'N/A'"),
        ("i,t\n" + NUMBER + "1,\n", {"missing": "impute"}, "t.csv line 22, column 't' must have a value (a target cannot be imputed; missing='drop' leaves such rows out), got ''"),
        ("i,t\n" + NUMBER + "x,1\n", {}, "t.csv line 22, column 'i' must be a number, got 'x'"),
        ("i,t\n" + NUMBER + "inf,1\n", {}, "t.csv line 22, column 'i' must be a finite float32 number, got 'inf'"),
        ("i,t\n" + NUMBER + "1e39,1\n", {}, "t.csv line 22, column 'i' must be a finite float32 number, got '1e39'"),
        ("i,t\n" + lines('"1,{i:03}",{parity}'), {}, f"t.csv line 2, column 'i' must {AMOUNT}, got '1,000'"),
        ("i\tt\n" + lines("1,{i:03}\t{parity}"), {}, f"t.csv line 2, column 'i' must {AMOUNT}, got '1,000'"),
        ("i;t\n" + lines("1.234,{i};{parity}"), {}, f"t.csv line 2, column 'i' must {AMOUNT}, got '1.234,0'"),
        ("i;h;t\n" + lines("1,{i};{half};{parity}"), {}, "t.csv line 2, column 1 must have the decimal sign of '1,0', got '0.0'"),
        ("i,t\n" + lines("{i}%,{parity}"), {}, f"t.csv line 2, column 'i' must {AMOUNT}, got '0%'"),
        ("i,t\n" + lines("{i},{i} %"), {}, f"t.csv line 2, column 't' must {AMOUNT}, got '0 %'"),
        ("i,t\n" + lines("${i}.50,{parity}"), {}, f"t.csv line 2, column 'i' must {AMOUNT}, got '$0.50'"),
        ("i,t\n" + lines("{half} €,{parity}"), {}, f"t.csv line 2, column 'i' must {AMOUNT}, got '0.0 €'"),
        ("i,t\n" + lines("2020-01-{third},{parity}"), {}, f"t.csv line 2, column 'i' must {DATE}, got '2020-01-1'"),
        ("i,t\n" + lines("{third}/{third}/2020 10:00,{parity}"), {}, f"t.csv line 2, column 'i' must {DATE}, got '1/1/2020 10:00'"),
        ("i,t\n" + lines("{third} Jan 2020,{parity}"), {}, f"t.csv line 2, column 'i' must {DATE}, got '1 Jan 2020'"),
        ("i,t\n" + lines("1{third}:30,{parity}"), {}, f"t.csv line 2, column 'i' must {DATE}, got '11:30'"),
        ("i,t\n" + lines("name {i},{parity}"), {}, "t.csv line 2, column 'i' must be a number or one of at most 10 categories in 20 rows (see ignore= and categories=), got 20 different texts, the first 'name 0'"),
        ("country,2019,2020\n" + lines("c{i},{i},{parity}"), {}, f"t.csv must {ASK}, got ['country', '2019', '2020']"),
        ("a,b,t\n" + lines("{i},5,{parity}").replace("0,5,0\n", "", 1), {"header": False}, "t.csv line 1, column 'column 0' must be a number, got 'a'"),
        ("unknown,a\n" + lines("{i},{two}"), {}, f"t.csv must {ASK}, got ['unknown', 'a']"),
        ("1,t\n" + NUMBER, {}, f"t.csv must {ASK}, got ['1', 't']"),
        ("My export\ni,t\n" + NUMBER, {}, "t.csv line 1 must have 2 cells, as most lines have, got 1"),
        ("i,t\n" + NUMBER + "1\n", {}, "t.csv line 22 must have 2 cells, as most lines have, got 1"),
        ("i,t\n" + NUMBER + "1,2,3\n", {}, "t.csv line 22 must have 2 cells, as most lines have, got 3"),
        ("i,t\n" + lines("{i},{parity}", range(300)) + "1,2,3\n", {}, "t.csv line 302 must have 2 cells, as most lines have, got 3"),
        ("i,t\n" + lines("{i},{parity}", range(300)) + "1\n", {}, "t.csv line 302 must have 2 cells, as most lines have, got 1"),
        ("i t\n" + lines("r{i} {half} {parity}"), {}, "t.csv line 1 must have 3 cells, as most lines have, got 2"),
        ("i,i,t\n" + lines("{i},1,{parity}"), {}, "t.csv must have a different name for each column, got ['i', 'i', 't']"),
        ("i,,t\n" + lines("{i},1,{parity}"), {}, "t.csv must have a name for each column, got ['i', '', 't']"),
        (",i,t\n" + lines("{parity},{i},{parity}"), {}, "t.csv must have a name for each column, got ['', 'i', 't']"),
        ('i,t\n1,"x\n2,3\n', {}, "t.csv must be a table of text, got Error tokenizing data. C error: EOF inside string starting at row 1"),
        (b"PK\x03\x04", {}, r"t.csv must be a text file (read spreadsheets and binary formats with pandas, and pass the DataFrame), got b'PK\x03\x04'"),
        ("i,t\n" + NUMBER, {"ignore": "u"}, "ignore must be one of the columns i, t, got 'u'"),
        ("i,t\n" + NUMBER, {"ignore": "i"}, "ignore must leave at least one input column, got ['i']"),
        ("i,t\n" + NUMBER, {"missing": "skip"}, "missing must be one of refuse, drop, impute, got 'skip'"),
        ("i,t\n" + NUMBER, {"header": 0.5}, "header must be True, False or None, got 0.5"),
        ("i,t\n" + lines("{i},{third}") + "1,4\n", {"validation": 0.25, "test": 0.25}, "targets must have rows of class 4 for each of train, validation, test, got 1"),
    ],
)  # fmt: skip
def test_what_is_refused_says_where(write, text, options, message):
    with pytest.raises(ValueError, match="^" + re.escape(f"load: {message}") + "$"):
        load(write(text), **options)


@pytest.mark.parametrize(
    "cell",
    [
        "",
        " ",
        "NA",
        "N/A",
        "n/a",
        "#N/A",
        "?",
        "-",
        "--",
        ".",
        "nan",
        "NaN",
        "null",
        "NULL",
        "None",
        "<NA>",
        "n.a.",
        "\\N",
        "#DIV/0!",
        "\u2014",
        "missing",
    ],
)
def test_every_spelling_of_a_missing_value(write, cell):
    numbers, words = (
        "i,c,t\n" + lines(pattern) + f"1,{cell},0\n" for pattern in ("{i},{half},{parity}", "{i},{two},{parity}")
    )
    for text in (numbers, words):
        with pytest.raises(ValueError, match=re.escape("load: t.csv line 22, column 'c' must have a value")):
            load(write(text))
        assert load(write(text), missing="drop").preparation.dropped == 1
    with pytest.raises(
        ValueError, match=re.escape("load: t.csv line 22, column 'c' must have a value (a target cannot")
    ):
        load(write(words), target="c")
    assert load(write(words), target="c", missing="drop").preparation.classes == ("a", "b")


def test_pandas_is_imported_for_files_alone(write):
    import subprocess
    import sys

    path = str(write("i,t\n" + NUMBER))
    code = f"import sys, jaxmlp; jaxmlp.load('moons'); print('pandas' in sys.modules); jaxmlp.load({path!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_pandas_missing(write, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=re.escape("load: t.csv needs pandas: pip install 'jaxmlp[data]'")):
        load(write("i,t\n" + NUMBER))

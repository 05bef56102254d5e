"""User text in the terminal, in figures, file names, JSON, CSV and Markdown."""

import io
import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from jaxmlp.compare.escape import (
    for_figure,
    for_file_name,
    for_markdown,
    for_terminal,
    printable,
    write_csv,
    write_json,
)

HOSTILE = ("[/bold]", "[red]x", "$x^$", "a|b", "_hidden", "\x1b[31mred", "a\nb", "\ud800", "C:\\x", "*a*", "größer")


def test_text_is_one_line_of_printable_characters():
    assert printable("a\n\tb\x1b[31m\ud800\u202e") == "a b\ufffd[31m\ufffd\ufffd"
    assert printable("größer 大") == "größer 大"


@pytest.mark.parametrize("text", HOSTILE)
def test_the_terminal_shows_markup_as_it_is(text):
    out = io.StringIO()
    Console(file=out, width=200).print(for_terminal(text))
    assert out.getvalue() == f"{printable(text)}\n"


@pytest.mark.parametrize("text", [*HOSTILE, "a $ b $ c", r"\$"])
def test_a_figure_shows_dollars_as_they_are_and_every_label(text):
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], label=for_figure(text))
    (handle, *_), (label, *_) = axes.get_legend_handles_labels()
    figure.legend([handle], [label])
    axes.set_xlabel(for_figure(text))
    svg = io.StringIO()
    figure.savefig(svg, format="svg")
    assert svg.getvalue()


def test_dollars_do_not_start_a_formula():
    figure = Figure()
    figure.text(0.5, 0.5, for_figure("$x^2$"))
    svg = io.StringIO()
    figure.savefig(svg, format="svg", metadata={"Date": None})
    assert "<!-- $x^2$ -->" in svg.getvalue() or "$x^2$" in svg.getvalue()


def test_file_names_stay_in_their_folder_and_differ_wherever_texts_differ():
    names = ["adam", "Adam", "adam(b1=0.8)", "adam[b1=0.8]", "a/b", "a_b", "adam@1e-3", "größer", "", ".", "..", "nul"]
    names += ["con.txt", "x" * 300, "x" * 301, "\ud800", "../../etc", "a.", "a\\b"]
    folders = [for_file_name(name) for name in names]
    assert len({folder.lower() for folder in folders}) == len(names)
    assert folders[0] == "adam" and folders[6] == "adam@1e-3"
    for folder in folders:
        assert Path("x", folder).resolve().parent == Path("x").resolve() and len(folder) < 120
        assert not set(folder) & set('/\\:*?"<>| ') and folder.isascii()
    assert for_file_name("nul") != "nul" and not for_file_name("con.txt").startswith("con.")


def test_json_holds_numpy_scalars_and_no_nan(tmp_path):
    value = {"a": np.float32(0.5), "b": jnp.arange(2), "c": (np.nan, np.inf, 1.0), 3: Path("x"), "d": np.bool_(True)}
    write_json(value, tmp_path / "x.json")
    found = json.loads((tmp_path / "x.json").read_text(), parse_constant=pytest.fail)
    assert found == {"a": 0.5, "b": [0, 1], "c": [None, None, 1.0], "3": "x", "d": True}


def test_csv_holds_any_text_and_numbers_of_any_kind(tmp_path):
    table = pd.DataFrame(
        {"name": [*HOSTILE, "NA"], "x": [np.float32(0.5), jnp.float32(0.25), *range(10)]}, dtype=object
    )
    write_csv(table, tmp_path / "x.csv")
    found = pd.read_csv(tmp_path / "x.csv", keep_default_na=False)
    assert found["name"].tolist() == [*map(printable, HOSTILE), "NA"]
    assert found["x"].tolist() == [0.5, 0.25, *range(10)]


def test_markdown_holds_no_markup_of_a_user():
    assert for_markdown("a|b *c* <d> [e](f) `g` $h$") == r"a\|b \*c\* \<d\> \[e\](f) \`g\` \$h\$"
    assert for_markdown("breast_cancer _x_") == r"breast_cancer \_x\_"
    assert "\n" not in for_markdown("a\n# b")

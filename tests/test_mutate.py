"""`python -m tests.mutate`: small breaks of a source, and nothing else."""

import ast

import pytest

from tests import mutate


@pytest.mark.parametrize(
    ("source", "broken"),
    [
        ("y = a + b", ["y = (a - b)"]),
        ("y = a < b", ["y = (a <= b)"]),
        ("y = a and b", ["y = (a or b)"]),
        ("y = not a", ["y = (a)"]),
        ("y = -a", ["y = (a)"]),
        ("y = 0.5", ["y = 1.5"]),
        ("y = True", ["y = False"]),
        ("y = 'min'", ["y = 'min?'"]),
        ("y = f(a, b=c)", ["y = (a)"]),
        ("f(a)", ["pass", "(a)"]),
        ("y = a if b else c", ["y = (a)", "y = (c)"]),
        ("def f(a: 'int' = 3) -> 'int':\n  'Text.'\n  return f'{a + 1}'", None),
        ("µ = 'é' + a", ["µ = ('é' - a)", "µ = 'é?' + a"]),
    ],
)
def test_breaks_of_a_line(source, broken):
    found = [mutant.source for mutant in mutate.mutants(source)]
    assert found == ([source.replace("3", "4")] if broken is None else broken)


def test_breaks_keep_the_other_lines():
    source = "a = 1\nb = (a +\n     2)\nc = b\n"
    found = mutate.mutants(source)
    assert [(mutant.line, mutant.before) for mutant in found] == [(1, "1"), (2, "a +\n     2"), (3, "2")]
    assert all(mutant.source.endswith("c = b\n") and ast.parse(mutant.source) for mutant in found)


def test_a_break_that_no_test_notices_is_printed(tmp_path, monkeypatch, capsys):
    def copied(folder):
        (folder / "double.py").write_text("def double(x):\n    return x * 2\n")
        (folder / "test_double.py").write_text("from double import double\n\ndef test():\n    assert double(0) == 0\n")

    monkeypatch.setattr(mutate, "copied", copied)
    every = mutate.mutants("def double(x):\n    return x * 2\n")
    assert mutate.surviving(tmp_path, "double.py", ["test_double.py"], every) == len(every) == 2
    assert capsys.readouterr().out.splitlines()[0] == "double.py:2: x * 2  ->  (x / 2)"

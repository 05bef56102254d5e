"""Breaks a file in every small way, one at a time in a copy of the tree, and lists the breaks that no test notices.

    python -m tests.mutate jaxmlp/losses.py tests/test_losses.py
    python -m tests.mutate jaxmlp/losses.py tests/test_losses.py jaxmlp/losses.py --sample 40

The second line runs the file's own examples too, and tries 40 breaks chosen at random. Text in f-strings, docstrings
and annotations is left alone. A test run that takes five times as long as without a break counts as noticed.
"""

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.And: ast.Or, ast.Or: ast.And, ast.Lt: ast.LtE, ast.LtE: ast.Lt,
    ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip


class Mutant(NamedTuple):
    """A broken source: the line, the text there before and after, and the whole text."""

    line: int
    before: str
    after: str
    source: str


def mutants(source: str) -> list[Mutant]:
    """All small breaks of a source, from top to bottom."""
    lines = source.encode().splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines))]
    found = []
    for node in _mutable(ast.parse(source)):
        first = starts[node.lineno - 1] + node.col_offset
        last = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        before = source.encode()[first:last].decode()
        for after in _changes(node):
            text = source.encode()[:first] + after.encode() + source.encode()[last:]
            found.append(Mutant(node.lineno, before, after, text.decode()))
    return sorted(found, key=lambda mutant: mutant.line)


def _mutable(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """The nodes below that may be changed: not docstrings, annotations or f-strings."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            is_text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr) or is_text:
                continue
            if isinstance(child, (ast.expr, ast.stmt)):
                yield child
            yield from _mutable(child)


def _changes(node: ast.expr | ast.stmt) -> Iterator[str]:
    """The texts that may replace a node."""
    match node:
        case ast.Expr(value=ast.Call()):
            yield "pass"
        case ast.Constant(value=bool(value)):
            yield str(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield repr(value + 1)
        case ast.Constant(value=str(value)):
            yield repr(value + "?")
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield f"({ast.unparse(operand)})"
        case ast.BinOp(op=op) | ast.BoolOp(op=op):
            yield _with(node, op=OPERATORS[type(op)]())
        case ast.Compare(ops=[op, *rest]):
            yield _with(node, ops=[OPERATORS[type(op)](), *rest])
        case ast.IfExp(body=body, orelse=orelse):
            yield f"({ast.unparse(body)})"
            yield f"({ast.unparse(orelse)})"
        case ast.Call(args=[first, *_]) if not isinstance(first, (ast.Starred, ast.Constant)):
            yield f"({ast.unparse(first)})"


def _with(node: ast.expr, **changed: object) -> str:
    """A node's text with some of its fields changed."""
    fields = {**dict(ast.iter_fields(node)), **changed}
    return f"({ast.unparse(type(node)(**fields))})"


def copied(folder: Path) -> None:
    """Copies the tree as it stands, without what git ignores."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def noticed(folder: Path, tests: list[str], limit: float | None) -> bool:
    """Whether the tests fail in the copy, or take longer than the limit."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}  # a stale file of bytecode would hide a break
    try:
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=limit).returncode != 0
    except subprocess.TimeoutExpired:
        return True


def main() -> None:
    """Runs the command; it fails if a break survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", help="the file to break")
    parser.add_argument("tests", nargs="+", help="the tests that should notice, as pytest takes them")
    parser.add_argument("--sample", type=int, metavar="N", help="try only N breaks, chosen at random (default: all)")
    options = parser.parse_args()
    source = (ROOT / options.file).read_text(encoding="utf-8")
    every = mutants(source)
    if options.sample is not None and options.sample < len(every):
        every = sorted(random.Random(0).sample(every, options.sample), key=lambda mutant: mutant.line)
    with tempfile.TemporaryDirectory() as name:
        survived = surviving(Path(name), options.file, options.tests, every)
    print(f"{len(every) - survived} of {len(every)} breaks were noticed")
    sys.exit(survived > 0)


def surviving(folder: Path, file: str, tests: list[str], every: list[Mutant]) -> int:
    """Tries the mutants in a copy of the tree, prints those that no test notices, and counts them."""
    copied(folder)
    began = time.monotonic()
    if noticed(folder, tests, None):
        sys.exit("the tests fail without any break")
    limit, survived = 20 + 5 * (time.monotonic() - began), 0
    for mutant in every:
        (folder / file).write_text(mutant.source, encoding="utf-8")
        if not noticed(folder, tests, limit):
            survived += 1
            print(f"{file}:{mutant.line}: {mutant.before}  ->  {mutant.after}", flush=True)
    return survived


if __name__ == "__main__":
    main()

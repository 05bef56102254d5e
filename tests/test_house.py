"""The habits of CONTRIBUTING.md that the sources themselves can show: one-way imports, short bodies, one template."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "jaxmlp"
FILES = sorted(PACKAGE.rglob("*.py"))
HEADINGS = {"Args", "Returns", "Raises", "Example", "References", "Attributes", "Yields"}
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def module_of(path):
    """The name inside of jaxmlp: `mlp`, `data.types`; a package is its `__init__`."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


MODULES = {module_of(path) for path in FILES}


def imports(path):
    """The modules of jaxmlp that a file imports at its top level."""
    for node in parsed(path).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "jaxmlp":
            module = ".".join(node.module.split(".")[1:])
            for alias in node.names:
                options = (f"{module}.{alias.name}".lstrip("."), module, f"{module}.__init__".lstrip("."))
                yield next(option for option in options if option in MODULES)


def floors():
    """{module or package: its line} of the map in CONTRIBUTING.md; modules of a package are indented below it."""
    block = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## The house")[1].split("```")[1]
    found, package = {}, ""
    for number, line in enumerate(block.strip("\n").splitlines()):
        names = re.split(r" {3,}", line.strip())[0].split()
        inside = line.startswith(" ")
        found |= {(package if inside else "") + name.rstrip("/"): number for name in names}
        package = package if inside else names[0].rstrip("/") + "."
    return found


FLOORS = floors()


def floor(module):
    """A module's own line on the map, otherwise that of its package."""
    return FLOORS[module] if module in FLOORS else FLOORS[module.split(".")[0]]


def test_every_module_is_on_the_map_and_all_that_is_on_the_map_exists():
    listed = {module.removesuffix(".__init__") for module in MODULES} - {"__init__"}
    with_own_map = ("data.", "compare.")  # in their docstrings
    assert {name for name in listed if not name.startswith(with_own_map)} == set(FLOORS)


@every_file
def test_imports_run_one_way(path):
    module = module_of(path)
    if path.name == "__init__.py" or module.startswith("compare."):
        return
    for imported in imports(path):
        same_package = imported.split(".")[0] == module.split(".")[0] and module not in FLOORS
        assert same_package or floor(imported.removesuffix(".__init__")) < floor(module), imported


def test_no_imports_run_in_a_circle():
    graph = {module_of(path): set(imports(path)) for path in FILES if path.name != "__init__.py"}
    while free := [module for module, needs in graph.items() if not needs & graph.keys()]:
        for module in free:
            del graph[module]
    assert graph == {}


@every_file
def test_no_file_is_longer_than_300_lines_and_no_body_than_30(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 300
    for node in ast.walk(parsed(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert length <= 30, f"{node.name} has {length} lines"


def documented(path):
    """(name, docstring) of a file and of everything documented in it."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            yield getattr(node, "name", "the module"), ast.get_docstring(node)


@every_file
def test_docstrings_follow_one_template(path):
    for name, text in documented(path):
        lines = text.splitlines()
        assert re.search(r"[.:`?]$", lines[0]), f"{name}: the first line is a sentence: {lines[0]}"
        for heading, after in zip(lines, [*lines[1:], ""], strict=True):
            if found := re.fullmatch(r"([A-Z]\w+):", heading):
                assert found[1] in HEADINGS, f"{name}: {heading}"
                assert re.match(r"  \S", after), f"{name}: two spaces below {heading}"


@pytest.mark.parametrize("folder", [".ci", ".github", "jaxmlp", "tests", "docs", "experiments", "benchmarks", "."])
def test_no_file_names_a_place_on_a_machine(folder):
    kinds = {".py", ".md", ".toml", ".json", ".yml", ".yaml", ".cff", ".jinja"}
    every = (ROOT / folder).rglob("*") if folder != "." else ROOT.glob("*")
    for path in every:
        if path.suffix in kinds and path != Path(__file__):
            places = re.findall(r"(?<![\w.:/])/(?:home|Users|root|work|opt)/\w+", path.read_text(encoding="utf-8"))
            assert places == [], path

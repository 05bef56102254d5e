"""What importing does and does not do, and what is public."""

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import jaxmlp

ROOMS = {"jaxmlp": jaxmlp, "jaxmlp.statistics": jaxmlp.statistics, "jaxmlp.diagnostics": jaxmlp.diagnostics}
PUBLIC = {
    f"{room}.{name}": getattr(module, name)
    for room, module in ROOMS.items()
    for name in module.__all__
    if not isinstance(getattr(module, name), ModuleType)
}
PACKAGE = Path(jaxmlp.__file__).parent
# All modules but those of the comparison, which needs an extra and has its own tests.
PATHS = [path for path in sorted(PACKAGE.rglob("[a-z]*.py")) if "compare" not in path.parts]
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_changes_no_configuration_and_starts_no_backend():
    code = """
import jax
before = dict(jax.config.values)
import jaxmlp
from jax._src import xla_bridge
print(dict(jax.config.values) == before, xla_bridge.backends_are_initialized())
"""
    assert run(code).split() == ["True", "False"]


def test_importing_needs_jax_and_numpy_only():
    code = """
import sys, jax, numpy
before = set(sys.modules)
import jaxmlp
found = {name.split(".")[0] for name in set(sys.modules) - before} - {"jax", "jaxlib", "numpy", *sys.stdlib_module_names}
found.discard("__mp_main__")  # what multiprocessing calls the main module
print(sorted(found), [name for name in sys.modules if name.startswith("jaxmlp.compare")])
"""
    assert run(code).strip() == "['jaxmlp'] []"


def test_changelog_and_citation_name_the_version():
    root = Path(__file__).parents[1]
    assert f"\nversion: {jaxmlp.__version__}\n" in (root / "CITATION.cff").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest and newest[1] == jaxmlp.__version__


def test_public_names_are_sorted_and_exist():
    for module in ROOMS.values():
        assert sorted(module.__all__) == list(module.__all__)
        assert all(hasattr(module, name) for name in module.__all__)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_no_module_is_shadowed_by_something_of_its_name(path):
    package = ".".join(["jaxmlp", *path.relative_to(PACKAGE).parts[:-1]])
    importlib.import_module(f"{package}.{path.stem}")
    assert isinstance(getattr(importlib.import_module(package), path.stem), ModuleType)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_documented(name):
    assert (PUBLIC[name].__doc__ or "").strip()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_has_an_example_that_shows_a_result(name):
    lines = [line.strip() for line in (inspect.getdoc(FUNCTIONS[name]) or "").splitlines()]
    assert "Example:" in lines
    example = lines[lines.index("Example:") + 1 :]
    calls = [i for i, line in enumerate(example) if line.startswith((">>>", "..."))]
    assert any(i + 1 < len(example) and example[i + 1] and i + 1 not in calls for i in calls)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_documents_all_of_its_arguments(name):
    signature, doc = inspect.signature(FUNCTIONS[name]), inspect.getdoc(FUNCTIONS[name]) or ""
    for parameter in signature.parameters.values():
        assert re.search(rf"^ +\**{parameter.name}:", doc, re.MULTILINE), parameter
        assert parameter.annotation is not parameter.empty, parameter
    assert signature.return_annotation is not signature.empty

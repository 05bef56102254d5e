"""What the comparison imports, and what the package that users install holds."""

import ast
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

import jaxmlp
import jaxmlp.compare
from jaxmlp.__main__ import main
from jaxmlp.compare.command import make_parser

PACKAGE = Path(jaxmlp.compare.__file__).parent
ROOT = Path(__file__).parents[2]


def imported(path):
    """(module, name) of each import; the name is None for `import module`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_the_comparison_imports_public_names_of_the_core_only(path):
    for module, name in imported(path):
        if module.split(".")[0] != "jaxmlp" or module.startswith("jaxmlp.compare"):
            continue
        assert module == "jaxmlp" and (name is None or name in (*jaxmlp.__all__, "compare")), (module, name)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "jaxmlp":
            assert node.attr in (*jaxmlp.__all__, "__version__", "compare"), node.attr


def test_no_module_is_shadowed_by_a_function_of_its_name():
    for path in PACKAGE.rglob("*.py"):
        names = {
            node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)
        }
        assert path.stem not in names, path
    assert all(isinstance(getattr(jaxmlp.compare, path.stem), ModuleType) for path in PACKAGE.glob("[a-z]*.py"))


def test_importing_the_core_imports_no_comparison():
    code = "import sys, jaxmlp; print([name for name in sys.modules if name.startswith('jaxmlp.compare')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


WITHOUT = """
import sys
from importlib import util
found = util.find_spec
util.find_spec = lambda name, *rest: None if name in ("rich", "optax") else found(name, *rest)
from jaxmlp.__main__ import main
"""


def test_without_the_extra_the_command_says_what_to_install_and_the_version_works():
    def run(call):
        return subprocess.run([sys.executable, "-c", WITHOUT + call], capture_output=True, text=True)

    assert run("main(['--version'])").stdout == f"jaxmlp {jaxmlp.__version__}\n"
    asked = run("main(['compare', '--list'])")
    assert asked.returncode == 1 and asked.stderr.count("\n") == 1
    assert asked.stderr == "jaxmlp.compare needs optax, rich; install them with: pip install 'jaxmlp[compare]'\n"


def test_help_at_every_level_names_defaults_optimizers_problems_and_protocols(capsys):
    main([])
    assert "compare" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for name in (
        *jaxmlp.compare.OPTIMIZERS,
        *jaxmlp.compare.PROBLEMS,
        *jaxmlp.compare.PROTOCOLS,
        "default: 11; 36 in deepobs; 5 in algoperf; 25 in valley_small",
    ):
        assert name in said
    assert all(len(line) <= 80 for line in make_parser().epilog.splitlines())  # pyright: ignore
    for action in make_parser()._actions:
        assert "default: " in str(action.help) or action.dest in ("help", "list"), action.dest


def test_the_alias_is_the_same_command():
    line = [sys.executable, "-m", "experiments.optimizers", "--list"]
    assert "quadratic_deep" in subprocess.run(line, cwd=ROOT, capture_output=True, text=True).stdout


@pytest.mark.slow
def test_the_wheel_holds_the_package_only_and_the_sdist_no_images(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "-o", tmp_path, ROOT], check=True, capture_output=True
    )
    (wheel,), (sdist,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    held = zipfile.ZipFile(wheel).namelist()
    package = {name for name in held if ".dist-info/" not in name}
    assert {"jaxmlp/py.typed", "jaxmlp/compare/report.html.jinja", "jaxmlp/__main__.py"} <= package
    assert all(name.startswith("jaxmlp/") and Path(name).suffix in (".py", ".typed", ".jinja") for name in package)
    images = (".png", ".svg", ".gif", ".mp4", ".html")
    with tarfile.open(sdist) as archive:
        assert not [name for name in archive.getnames() if name.endswith(images)]

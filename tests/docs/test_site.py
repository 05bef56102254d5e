"""The site without building it: every public name has its place, every page can be reached, every link leads somewhere."""

import ast
import importlib
import re
from pathlib import Path
from types import ModuleType

import jax.numpy as jnp
import pytest

import jaxmlp
from experiments.textbook import NAMES

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
RESULTS = DOCS.parent / "experiments" / "results"
ROOMS = ("jaxmlp", "jaxmlp.statistics", "jaxmlp.diagnostics", "jaxmlp.data", "jaxmlp.optimizers", "jaxmlp.compare")
every_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(DOCS).as_posix())


def text_of(path):
    return path.read_text(encoding="utf-8")


def documented():
    """{full name: object} of everything on the API pages."""
    found = {}
    for page in sorted((DOCS / "api").glob("*.md")):
        room = "jaxmlp"
        for word, name in re.findall(
            r"^\.\. (currentmodule|autofunction|autoclass|data):: (\S+)$", text_of(page), re.M
        ):
            room = name if word == "currentmodule" else room
            if word != "currentmodule":
                assert f"{room}.{name}" not in found, f"{room}.{name} is documented twice"
                found[f"{room}.{name}"] = getattr(importlib.import_module(room), name)
    return found


def targets(path):
    """The files that a page links to or shows, and that its toctrees name."""
    text = text_of(path)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", without_code(text)) if "://" not in link]
    links += re.findall(r"^```\{(?:figure|image|include|literalinclude)\} (\S+)", text, re.M)
    files = [path.parent / link.split("#")[0] for link in links if not link.startswith(("#", "mailto:"))]
    return files + [RESULTS / f"{name}.json" for name in measured(path)]


def measured(path):
    return re.findall(r"^```\{measured\} (\w+)$", text_of(path), re.M)


def entries(path):
    """What the toctrees of a page name, glob patterns included."""
    lines = [
        line
        for tree in re.findall(r"^```\{toctree\}\n(.*?)^```", text_of(path), re.M | re.S)
        for line in tree.split("\n")
    ]
    names = [re.sub(r".*<(.*)>", r"\1", line) for line in lines if line and not line.startswith(":")]
    pages = [page for name in names for page in sorted(path.parent.glob(f"{name}.md")) or [path.parent / f"{name}.md"]]
    return [page for page in pages if page != path]


def without_code(text):
    return re.sub(r"^(`{3,}|:{3,}).*?^\1", "", text, flags=re.M | re.S)


def test_every_public_name_is_on_an_api_page():
    known = {id(value) for value in documented().values()}
    for room in ROOMS:
        module = importlib.import_module(room)
        values = {name: getattr(module, name) for name in module.__all__}
        assert [
            name for name, value in values.items() if id(value) not in known and not isinstance(value, ModuleType)
        ] == []


def test_every_page_is_in_exactly_one_toctree():
    reached = [page.resolve() for path in PAGES for page in entries(path)]
    assert sorted(reached) == sorted(set(reached))
    assert {*reached, DOCS / "index.md"} == set(PAGES)


def test_the_course_shows_every_experiment_once():
    shown = [name for path in PAGES for name in measured(path)]
    assert sorted(shown) == sorted(NAMES)


@every_page
def test_links_and_figures_lead_to_files(path):
    assert [target for target in targets(path) if not target.exists()] == []


@every_page
def test_a_page_has_one_title_and_its_code_parses(path):
    text = text_of(path)
    assert len(re.findall(r"^# ", without_code(text), re.M)) == 1 or path.name == "changelog.md"  # another file's
    for block in re.findall(r"^```(?:python|\{code-cell\}(?: ipython3)?)\n((?:(?!```).*\n)*?)^```", text, re.M):
        ast.parse("\n".join(line for line in block.split("\n") if not line.startswith((":", "%", "!"))))


def test_the_readmes_code_runs_as_it_is_pasted(tmp_path, monkeypatch):
    (code,) = re.findall(r"^```python\n(.*?)^```", text_of(DOCS.parent / "README.md"), re.M | re.S)
    monkeypatch.chdir(tmp_path)
    exec(code.replace("epochs=30", "epochs=2, progress=False"), {})
    assert jaxmlp.load_model("best_model").predict(jnp.zeros((3, 64))).shape == (3,)

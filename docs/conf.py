"""The site: Sphinx, the book theme, and pages whose code runs when the site is built.

python -m sphinx -W docs docs/_build      builds it; nothing is downloaded, and the pages need no network
"""

import os
import re
import sys
from pathlib import Path

import jaxmlp

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))
os.environ["MATPLOTLIBRC"] = str(HERE / "matplotlibrc")  # of the figures on pages

project = "jaxmlp"
author = "The jaxmlp authors"
copyright = "the jaxmlp authors, Apache 2.0"
version = release = jaxmlp.__version__

extensions = [
    "measured",
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
default_role = "py:obj"  # docstrings write `fit`, in single backticks: a link if it is public, else code

# Pages
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE / "_build" / ".jupyter_cache")
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_in_temp = True
nb_merge_streams = True
nb_ipywidgets_js = {}  # no scripts from other hosts

# API
autodoc_member_order = "bysource"
autodoc_typehints = (
    "none"  # the docstrings say it in words; the signatures stay readable
)
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]
napoleon_use_rtype = False
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"
add_module_names = False

# Theme
html_theme = "sphinx_book_theme"
html_title = "jaxmlp"
html_static_path = ["_static"]
html_extra_path = ["llms.txt"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "home_page_in_toc": True,
    "navbar_persistent": [],  # one search field, that of the sidebar
}


def mark_formulas(app, what, name, obj, options, lines):
    """A docstring's formula, indented by four spaces, is shown as it is written; bars are those of absolute values."""
    marked: list[str] = []
    in_prose = True
    for before, line in zip(["", *lines], lines, strict=False):
        in_prose = in_prose and not re.fullmatch(r"[A-Z]\w+:", line)
        if in_prose and line.startswith("    ") and not before.strip():
            marked += [".. code-block:: text", ""]
        is_code = line.lstrip().startswith((">>>", "...")) or (
            line.startswith("    ") and in_prose
        )
        marked.append(
            line
            if is_code
            else re.sub(r"(`[^`]+`)(?=\w)", r"\1\\ ", line.replace("|", r"\|"))
        )
    lines[:] = marked


def setup(app):
    app.connect(
        "autodoc-process-docstring", mark_formulas, priority=400
    )  # before napoleon's, at 500

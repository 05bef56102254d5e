"""The report: one HTML file that contains its figures and needs no network, and the same content as files beside it."""

import io
import re
import warnings
from html import escape
from pathlib import Path
from typing import Any

import matplotlib
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from jaxmlp.compare.escape import for_file_name, printable
from jaxmlp.compare.figures import draw_figures
from jaxmlp.compare.findings import Findings
from jaxmlp.compare.rulebook import compared, rules
from jaxmlp.compare.style import IN_THE_DARK, INK, STYLE, Look, looks_of
from jaxmlp.compare.tables import notes, overall_rows, problem_rows, write_tables

_FILES = {
    "summary.csv": "one row per optimizer and problem; here and in the other tables accuracies are fractions",
    "pairs.csv": "every pair: difference, p-value, effect size, wins",
    "budget.csv": "how much seeds, tuning and split contribute to the spread",
    "trials.csv": "every trial, tuning included",
    "curves.csv": "every learning curve",
    "protocol.json": "rules, problems and environment",
    "report.md": "these tables in Markdown",
    "figures/": "the figures as SVG and PNG",
}


def write_report(found: Findings, folder: str | Path) -> Path:
    """Writes report.html, report.md, the tables and the figures into a folder.

    Args:
      found: from `analyze`.
      folder: created if it does not exist; files of an earlier report are overwritten.

    Returns:
      The path of report.html.
    """
    folder = Path(folder)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    write_tables(found, folder)
    inline = {}
    for place, ((problem, name), drawn) in enumerate(draw_figures(found).items()):
        stem = f"{for_file_name(problem)}-{name}" if (problem, name) != ("", "profile") else name
        svg = _inline_svg(_save(drawn.figure, folder / "figures" / stem), f"fig{place}", drawn.title, drawn.caption)
        inline[problem, name] = {"svg": svg, "caption": drawn.caption}
    path = folder / "report.html"
    path.write_text(_html(found, inline), encoding="utf-8")
    return path


def _save(figure: Figure, stem: Path) -> str:
    """Writes a figure as PNG and SVG, and returns the SVG text, which is the same for the same figure."""
    text = io.StringIO()
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # names may be in any script
        figure.savefig(f"{stem}.png", dpi=200)
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    Path(f"{stem}.svg").write_text(text.getvalue(), encoding="utf-8")
    return text.getvalue()


def _html(found: Findings, inline: dict[tuple[str, str], dict[str, str]]) -> str:
    """The report as text; `inline` holds svg and caption for each (problem, name)."""
    comparison, sections = found.comparison, []
    for problem in comparison.problems:
        headings, rows = problem_rows(found, problem)
        sections.append(
            {
                "problem": problem,
                "verdict": found.verdicts[problem.name],
                "scope": found.scopes[problem.name],
                "headings": headings,
                "rows": rows,
                "notes": notes(found, problem),
                "figures": [f for (name, kind), f in inline.items() if name == problem.name and kind != "profile"],
                "pairs": found.sentences(problem),
            }
        )
    headings, rows = overall_rows(found)
    over_all = [figure for (_, kind), figure in inline.items() if kind == "profile"]
    return _template().render(
        comparison=comparison,
        sections=sections,
        swatches={name: _swatch(look) for name, look in looks_of(comparison.names).items()},
        in_the_dark=IN_THE_DARK,
        rules=rules(comparison.protocol, comparison.contestants),
        overall={"headings": headings, "rows": rows, "figures": over_all},
        compared=compared(comparison.protocol) if found.pairs else "",
        any_decades=bool("decades" in found.summary and found.summary["decades"].notna().any()),
        inclusions=found.inclusions,
        troubles=comparison.troubles(),
        files={name: what for name, what in _FILES.items() if name != "budget.csv" or len(found.budget)},
    )


def _template() -> Any:
    """The page: user text is escaped by Jinja, and unprintable characters are replaced."""
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    return environment.get_template("report.html.jinja")


def _of_the_page(color: str) -> str:
    """The color of a figure as one that the page changes in the dark."""
    return "currentColor" if color == INK else f"var(--c{color[1:]})" if color in IN_THE_DARK else color


def _swatch(look: Look) -> str:
    """A piece of an optimizer's line as an SVG element, for tables."""
    dashes = {"-": "none", "--": "6 3", "-.": "7 3 2 3", ":": "2 3"}.get(str(look["linestyle"]), "5 2 2 2 2 2")
    stroke = f"stroke: {_of_the_page(look['color'])}; stroke-width: 3; stroke-dasharray: {dashes}"
    return f'<svg class="swatch" viewBox="0 0 24 8" aria-hidden="true"><path d="M 0 4 H 24" style="{stroke}"/></svg>'


def _inline_svg(svg: str, prefix: str, title: str, description: str) -> str:
    """A figure as an SVG element of a page, with the page's text color and with its own ids."""
    svg = re.sub("|".join((INK, *IN_THE_DARK)), lambda color: _of_the_page(color[0]), svg)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'\b(id="|xlink:href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    svg = re.sub(r'\b(d|x|y)="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg)  # two digits suffice
    opening, rest = svg.split(">", 1)
    opening = re.sub(r'\s(xmlns(:xlink)?|version|width|height)="[^"]*"', "", opening)
    named = f'role="img" aria-labelledby="{prefix}-title" aria-describedby="{prefix}-desc"'
    words = (
        f'<title id="{prefix}-title">{escape(printable(title))}</title>'
        f'<desc id="{prefix}-desc">{escape(printable(description))}</desc>'
    )
    return f"{opening} {named}>{words}{rest}"

"""The report: one HTML file with its figures inside, which opens without a network, and the same as files beside it."""

import io
import re
from html import escape
from pathlib import Path

import matplotlib
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from experiments.optimizers import tables
from experiments.optimizers.figures import INK, STYLE, figures
from experiments.optimizers.protocols import rules

TITLES = {
    "ranking": "Who is best",
    "loss_curves": "Loss by epoch",
    "metric_curves": "The metric by epoch",
    "sensitivity": "Which learning rates work",
    "targets": "How soon the target is reached",
    "profile": "Performance profiles",
}
FILES = {
    "summary.csv": "a row for each optimizer and problem",
    "pairs.csv": "every pair: difference, p-value, effect size, wins",
    "trials.csv": "every trial, tuning included",
    "curves.csv": "every learning curve",
    "protocol.json": "rules, problems and environment",
    "report.md": "these tables in Markdown",
    "figures/": "the figures as SVG and PNG",
}


def write_report(found, folder):
    """Writes report.html, the tables and the figures into a folder, and returns the path of the report."""
    folder = Path(folder)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    tables.write_tables(found, folder)
    drawn = figures(found.comparison)
    inline = {}
    for place, ((problem, name), (figure, caption)) in enumerate(drawn.items()):
        stem = "-".join(filter(None, (problem, name)))
        title = f"{TITLES[name]}{': ' + problem if problem else ''}"
        svg = save(figure, folder / "figures" / stem)
        inline[problem, name] = {
            "title": TITLES[name],
            "svg": inline_svg(svg, f"fig{place}", title, caption),
            "caption": caption,
        }
    path = folder / "report.html"
    path.write_text(html(found, inline), encoding="utf-8")
    return path


def save(figure, stem):
    """Writes a figure as PNG and SVG, and returns the SVG's text; the same figure twice is the same text."""
    text = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(f"{stem}.png", dpi=140)
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    Path(f"{stem}.svg").write_text(text.getvalue(), encoding="utf-8")
    return text.getvalue()


def html(found, inline):
    """The report as text; `inline` is a dict from (problem, name) to title, svg and caption."""
    loader = FileSystemLoader(Path(__file__).parent)
    template = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    comparison, sections = found.comparison, []
    for problem in comparison.problems:
        headings, rows = tables.problem_rows(found, problem)
        sections.append(
            {
                "problem": problem,
                "verdict": found.verdicts[problem.name],
                "headings": headings,
                "rows": rows,
                "notes": tables.notes(found, problem),
                "figures": [figure for (name, _), figure in inline.items() if name == problem.name],
                "pairs": found.sentences(problem),
            }
        )
    headings, rows = tables.overall_rows(found)
    return template.get_template("report.html.jinja").render(
        comparison=comparison,
        sections=sections,
        rules=rules(comparison.protocol),
        overall={"headings": headings, "rows": rows, "figures": [f for (name, _), f in inline.items() if not name]},
        inclusions=found.inclusions,
        troubles=comparison.troubles(),
        files=FILES,
    )


def inline_svg(svg, prefix, title, description):
    """A figure as an SVG element of a page: it takes the page's ink, and its ids are its own."""
    svg = svg.replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'\b(id="|xlink:href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    svg = re.sub(r'\bd="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg)  # a hundredth is enough
    opening, rest = svg.split(">", 1)
    opening = re.sub(r'\s(xmlns(:xlink)?|version|width|height)="[^"]*"', "", opening)
    named = f'role="img" aria-labelledby="{prefix}-title" aria-describedby="{prefix}-desc"'
    words = f'<title id="{prefix}-title">{escape(title)}</title><desc id="{prefix}-desc">{escape(description)}</desc>'
    return f"{opening} {named}>{words}{rest}"

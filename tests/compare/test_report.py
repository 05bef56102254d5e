"""The report: one file that needs nothing else, well formed, readable in light and dark and on a phone."""

import html
import json
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import jaxmlp
from jaxmlp.compare import Comparison, Problem, Protocol
from jaxmlp.compare.contestants import parse_contestants
from jaxmlp.compare.findings import analyze
from jaxmlp.compare.outcomes import Outcome
from jaxmlp.compare.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NAMES = ("adam", "gd", "rmsprop<b>", "a rather long name of an optimizer", "broken")
VOID = {"meta", "br", "hr", "img", "link", "input", "path", "use", "circle", "line", "rect"}


def outcome(problem, place, name, random):
    """Made-up runs: what the report shows does not depend on how they came about."""
    if name == "broken":
        return Outcome(problem.name, name, "raised ValueError: updates < params & so on")
    losses = np.exp(-np.arange(1, 6) * (1 + 0.2 * place)) + 0.01 * random.random((8, 5))
    fresh = pd.DataFrame({"seed": range(8), "status": ["finished"] * 8, "learning_rate": 0.1, "study": 0})
    fresh = fresh.assign(score=0.9 + 0.02 * place + 0.01 * random.normal(size=8), time=[1.0, 2.0, 3.0, np.inf] * 2)
    rates = np.repeat([0.01, 0.1, 1.0], 2)
    tuned = np.where(rates == 1.0, -np.inf if place == 1 else -2.0, -np.abs(np.log10(rates) + 1) - 0.1)
    tuning = pd.DataFrame(
        {"seed": [0, 1] * 3, "learning_rate": rates, "tuned": tuned, "status": "finished", "study": 0}
    )
    curves = {"train_loss": pd.DataFrame(losses), "validation_loss": pd.DataFrame(losses)}
    curves["validation_accuracy"] = pd.DataFrame(1 - losses)
    return Outcome(problem.name, name, None, ({"learning_rate": 0.1},), tuning, fresh, curves, 0.5)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The path of a report on two problems, with names and troubles that want escaping."""
    random = np.random.default_rng(0)

    def learner(optimizer):
        return jaxmlp.classifier((2, 2), optimizer=optimizer)

    data = jaxmlp.load("moons", rows=100)
    problems = tuple(Problem(name, f"about {name} & co", data, learner, 5, 0.8) for name in ("moons", "suns"))
    contestants = parse_contestants(dict.fromkeys(NAMES, jaxmlp.gd))
    outcomes = {
        (problem.name, name): outcome(problem, place, name, random)
        for problem in problems
        for place, name in enumerate(NAMES)
    }
    comparison = Comparison(
        Protocol("made up", repetitions=1, seeds=8), problems, tuple(contestants), outcomes, {"jax": "0"}, 1.0
    )
    folder = tmp_path_factory.mktemp("report")
    return write_report(analyze(comparison), folder)


class Page(HTMLParser):
    """What a page is made of; fails on a tag that is not closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.sources, self.tags, self.rows = [], [], [], Counter(), []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags[tag] += 1
        self.ids += [found["id"]] if "id" in found else []
        self.sources += [found[name] for name in ("src", "href", "xlink:href", "data", "action") if name in found]
        if tag == "tr":
            self.rows.append(0)
        if tag in ("td", "th"):
            self.rows[-1] += int(found.get("colspan") or 1)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open and self.open.pop() == tag, tag


def test_the_report_is_well_formed_and_needs_nothing_but_itself(report):
    text = report.read_text(encoding="utf-8")
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    links = [source for source in page.sources if not source.startswith("#")]
    assert all((report.parent / link).exists() for link in links), links
    assert {source[1:] for source in page.sources if source.startswith("#")} <= set(page.ids)
    assert "http:" not in text and "https:" not in text and "@import" not in text
    assert page.tags["script"] == page.tags["link"] == page.tags["img"] == 0
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(page.ids)


def test_every_figure_is_named_and_takes_the_ink_of_the_page(report):
    text = report.read_text(encoding="utf-8")
    figures = re.findall(r"<figure>(<svg.*?</svg>)", text, flags=re.DOTALL)
    assert len(figures) == 2 * 6 + 1
    for figure in figures:
        assert re.search(
            r'role="img" aria-labelledby="(\S+)-title"[^>]*><title id="\1-title">\w+.*?</title><desc', figure
        )
        assert "viewBox" in figure and " width=" not in figure.split(">", 1)[0]
        assert "currentColor" in figure and "#1c1e21" not in figure and "#000000" not in figure
        (width,) = re.findall(r'viewBox="0 0 (\S+)', figure)
        assert float(width) < 311  # points: about a pixel each on a phone
    assert "prefers-color-scheme: dark" in text and 'name="viewport"' in text


def test_tables_have_as_many_cells_as_headings_and_text_is_escaped(report):
    text = report.read_text(encoding="utf-8")
    rows = Page(text).rows
    assert rows == [9] * 6 + [9] * 6 + [4] * 6
    assert "rmsprop&lt;b&gt;" in text and "updates &lt; params &amp; so on" in text and "<b>" not in text
    assert "about moons &amp; co" in text


def test_an_optimizer_has_its_color_in_tables_too_and_dark_variants_of_dark_colors(report):
    text = report.read_text(encoding="utf-8")
    assert text.count('class="swatch"') == 2 * 5 + 5
    adam = re.findall(r'<td>(<svg class="swatch".*?</svg>)adam</td>', text)[0]
    assert "stroke: var(--c0072b2)" in adam and text.count("stroke: var(--c0072b2)") > 2 * 6
    assert text.count("--c0072b2: #0072b2;") == 1 and text.count("--c0072b2: #3a9bdc;") == 1


def test_verdicts_protocol_and_troubles_are_told(report):
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", report.read_text(encoding="utf-8"))).split())
    for part in (
        "moons. a rather long name of an optimizer has the best mean; it is better than",
        "Could not be compared",
        "broken on moons: raised ValueError",
        "Then each optimizer runs with 8 fresh seeds, the same for all optimizers",
        "Every pair in words (6)",
        "Over all problems",
        "This holds for one split and one tuning",
        "epochs to 80 %",
    ):
        assert part in text, part


def test_the_same_tables_are_beside_it(report):
    folder = report.parent
    lines = (folder / "report.md").read_text(encoding="utf-8").splitlines()
    widths = {line.count(" | ") for line in lines if line.startswith("| ")}
    assert widths == {8, 3}
    assert len(pd.read_csv(folder / "summary.csv")) == 2 * 5 and len(pd.read_csv(folder / "pairs.csv")) == 2 * 6
    assert len(pd.read_csv(folder / "trials.csv")) == 2 * 4 * (8 + 6)
    assert len(pd.read_csv(folder / "curves.csv")) == 2 * 4 * 8 * 3
    protocol = json.loads((folder / "protocol.json").read_text())
    assert protocol["protocol"]["seeds"] == 8 and protocol["problems"]["moons"]["rows"] == [70, 15, 15]
    pictures = {path.suffix for path in (folder / "figures").iterdir()}
    assert pictures == {".svg", ".png"} and len(list((folder / "figures").iterdir())) == 2 * 13
    assert all(path.stat().st_size < 300_000 for path in (folder / "figures").iterdir())


def browse(folder, page, width, dark):
    """What a headless browser makes of a page: its title, which a script of ours has filled, and its complaints."""
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        scheme,
        "--window-size=1400,900",
    ]
    # In a frame: a window of its own would not become as narrow as a phone.
    frame = f'<iframe style="width: {width}px; height: 900px; border: 0" srcdoc="{html.escape(page)}"></iframe>'
    folder.joinpath("frame.html").write_text(f'<html style="color-scheme: light dark">{frame}</html>', encoding="utf-8")
    line = [CHROMIUM, *options, "--dump-dom", folder.joinpath("frame.html").as_uri()]
    done = subprocess.run(line, capture_output=True, text=True, timeout=180)
    complaints = [text for text in done.stderr.splitlines() if ":CONSOLE" in text]
    title = re.search(r"<title>(\{.*?\})</title>", done.stdout)
    assert title, done.stderr[-2000:]
    return json.loads(html.unescape(title[1])), complaints


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
@pytest.mark.parametrize(("width", "dark"), [(360, True), (1280, False)])
def test_in_a_real_browser_nothing_overflows_is_fetched_or_complains(report, tmp_path, width, dark):
    look = """<script>
      const ink = getComputedStyle(document.querySelector("figure svg text")).fill;
      document.querySelectorAll("details").forEach(one => one.open = true);
      window.parent.document.title = JSON.stringify({
        page: document.documentElement.scrollWidth, window: window.innerWidth, ink: ink,
        paper: getComputedStyle(document.body).backgroundColor,
        fetched: performance.getEntriesByType("resource").length,
        figure: document.querySelector("figure svg").getBoundingClientRect().width,
      });</script>"""
    page = report.read_text(encoding="utf-8").replace("</body>", f"{look}</body>")
    seen, complaints = browse(tmp_path, page, width, dark)
    assert seen["page"] <= seen["window"] == width and seen["fetched"] == 0 and not complaints
    light = [sum(map(int, re.findall(r"\d+", seen[name])[:3])) > 3 * 128 for name in ("ink", "paper")]
    assert light == [dark, not dark], seen
    assert 11.5 * seen["figure"] / 309.6 >= 11  # pixels of the smallest text

"""What the figures show: the numbers of the findings, in the look of each optimizer's name."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import jaxmlp
from jaxmlp.compare import OPTIMIZERS, Comparison, Problem, Protocol
from jaxmlp.compare.contestants import parse_contestants
from jaxmlp.compare.curves import band, draw_loss_curves, draw_metric_curves, draw_sensitivity, missing_to_perfect
from jaxmlp.compare.drawing import shortened, spread
from jaxmlp.compare.figures import draw_figures, draw_ranking, draw_targets
from jaxmlp.compare.findings import analyze
from jaxmlp.compare.forest import draw_budget, draw_forest
from jaxmlp.compare.outcomes import Outcome
from jaxmlp.compare.style import COLORS, INK, looks_of

RATES = [0.01, 0.1, 1.0]
PROTOCOL = Protocol("made up", trials=3, low=0.01, high=1.0, repetitions=6, seeds=2)


def outcome(place, name, random):
    """Made-up runs, six repetitions of two seeds: the first optimizer is clearly better than the last."""
    level = 0.95 - 0.04 * place
    fresh = pd.DataFrame({"repetition": np.repeat(range(6), 2), "study": 0, "seed": range(12), "status": "finished"})
    fresh = fresh.assign(learning_rate=0.1, score=level + 0.005 * random.normal(size=12), time=[2.0, 3.0] * 6)
    tuning = pd.DataFrame({"repetition": np.repeat(range(6), 3), "study": 0, "learning_rate": RATES * 6})
    tuning = tuning.assign(seed=0, point=[0, 1, 2] * 6, tuned=[-0.5, -0.1, -np.inf] * 6, status="finished")
    errors = (1 - level) * (1 + np.exp(-np.arange(5))) * np.linspace(0.9, 1.1, 12)[:, None]
    curves = {"validation_loss": pd.DataFrame(errors), "validation_accuracy": pd.DataFrame(1 - errors)}
    crossed = fresh.assign(score=fresh["score"] - 0.001)
    chosen = tuple({"learning_rate": rate} for rate in [0.1] * 4 + [0.01] * 2)
    return Outcome("moons", name, None, chosen, tuning, fresh, curves, 0.5, crossed=crossed)


def findings(names, protocol=PROTOCOL):
    random = np.random.default_rng(0)

    def learner(optimizer):
        return jaxmlp.classifier((2, 2), optimizer=optimizer)

    problem = Problem("moons", "two half-moons", jaxmlp.load("moons", rows=100), learner, 5, 0.9)
    outcomes = {("moons", name): outcome(place, name, random) for place, name in enumerate(names)}
    contestants = parse_contestants(dict.fromkeys(names, jaxmlp.gd))
    return analyze(Comparison(protocol, (problem,), tuple(contestants), outcomes, {"jax": "0"}, 1.0)), problem


@pytest.fixture(scope="module")
def found():
    return findings(["adam", "gd", "mine"])


def words(figure):
    """All texts of a figure."""
    return [text.get_text() for text in figure.findobj(lambda one: hasattr(one, "get_text")) if text.get_text()]


def segments(axes, color):
    """The ends of the horizontal error bars of a color."""
    bars = [bar for bar in axes.containers if bar[0].get_color() == color]
    return [bar[2][0].get_segments()[0][:, 0] for bar in bars]


def test_every_optimizer_of_the_package_has_a_look_of_its_own_and_the_first_eight_a_color():
    looks = looks_of(OPTIMIZERS)
    kinds = {(look["color"], str(look["linestyle"])) for look in looks.values()}
    assert len(kinds) == len(OPTIMIZERS)
    eight = looks_of(["adam", "momentum", "rmsprop", "adagrad", "lion", "adamw", "gd", "muon"])
    assert [look["color"] for look in eight.values()] == list(COLORS)


def test_a_look_depends_on_the_name_alone_unless_an_unknown_name_would_share_a_color():
    alone = {name: looks_of([name])[name] for name in (*OPTIMIZERS, "mine")}
    for names in (OPTIMIZERS, OPTIMIZERS[::-1], ("mine", "adam", "gd"), ("adam", "yours", "gd")):
        looks = looks_of(names)
        assert all(looks[name] == alone[name] for name in names if name in OPTIMIZERS)
    strangers = [f"mine {number}" for number in range(7)]
    colors = {look["color"] for look in looks_of(["adam", "momentum", "rmsprop", *strangers]).values()}
    assert len(colors) == 10
    many = looks_of([f"mine {number}" for number in range(30)])
    assert len({(look["color"], str(look["linestyle"])) for look in many.values()}) == 30
    assert looks_of(strangers) == looks_of(strangers[::-1])


def test_the_forest_shows_the_intervals_verdicts_and_tallies_of_the_pairs(found):
    figure, title, caption = draw_forest(*found)
    pairs = found[0].pairs
    assert title == "Which optimizer is better on moons?" and len(pairs) == 3
    drawn = sorted(tuple(ends) for ends in segments(figure.axes[0], "#0b7a3e"))
    expected = sorted((100 * pair.difference.low, 100 * pair.difference.high) for pair in pairs)
    assert all(pair.verdict == "better" for pair in pairs)
    np.testing.assert_allclose(drawn, expected, rtol=1e-12)
    texts = words(figure)
    assert texts.count("6\N{EN DASH}0\N{EN DASH}0") == 3 and texts.count("better") == 3 and "adam vs gd" in texts
    assert "how much better the first is:\ntest accuracy, percentage points" in texts
    margins = sorted(patch.get_width() for patch in figure.axes[0].patches)
    np.testing.assert_allclose(margins, sorted(200 * pair.margin for pair in pairs))
    assert "an interval" not in title and "(95 to 98.3 %, by Holm's correction)" in caption


def test_a_forest_of_many_has_the_leader_against_each_and_says_what_is_missing():
    found, problem = findings(["adam", "gd", "lion", "muon", "mine", "yours"])
    one, two, *others = found.pairs
    same = [one._replace(verdict="cannot tell", more=234.0), two._replace(verdict="sooner", sooner="lion", more=79.0)]
    figure, _, caption = draw_forest(found._replace(pairs=[*same, *others]), problem)
    assert len(figure.axes[0].containers) == 5 and len(found.pairs) == 15
    assert {"cannot tell, ~230 more", "lion sooner, ~79 more"} <= set(words(figure))
    assert "about how many more repetitions would settle the order. The best mean against each" in caption


def test_no_forest_for_a_single_optimizer():
    assert draw_forest(*findings(["adam"])) is None


def test_the_budget_shows_standard_deviations_and_their_intervals(found):
    figure, title, _ = draw_budget(*found)
    assert title == "Where does the spread on moons come from?"
    row = found[0].budget.set_index("optimizer").loc["adam"]
    drawn = segments(figure.axes[0], COLORS[0])
    for ends, source in zip(drawn, ("seeds", "tuning", "split"), strict=True):
        np.testing.assert_allclose(ends, [100 * row[f"{source}_low"], 100 * row[f"{source}_high"]], atol=1e-12)
    assert "standard deviation of one score:\npercentage points" in words(figure)


def test_learning_curves_are_errors_on_a_log_axis_labeled_at_their_ends(found):
    figure, _, caption = draw_metric_curves(*found)
    axes = figure.axes[0]
    assert axes.get_yscale() == "log" and axes.get_ylabel() == "validation error, %"
    assert "The thin line is the target, 90 %." in caption
    adam = next(line for line in axes.lines if line.get_color() == COLORS[0])
    values = found[0].comparison.outcomes["moons", "adam"].curves["validation_accuracy"].to_numpy()
    np.testing.assert_allclose(adam.get_ydata(), 100 * (1 - values).mean(axis=0))
    assert {"adam", "gd", "mine"} <= set(words(figure))


def test_losses_are_medians(found):
    figure, _, caption = draw_loss_curves(*found)
    adam = next(line for line in figure.axes[0].lines if line.get_color() == COLORS[0])
    values = found[0].comparison.outcomes["moons", "adam"].curves["validation_loss"].to_numpy()
    means = values.reshape(6, 2, 5).mean(axis=1)
    np.testing.assert_allclose(adam.get_ydata(), np.median(means, axis=0))
    assert caption == "Medians over repetitions; bands contain half of them."
    outcomes = found[0].comparison.outcomes
    outcome = outcomes["moons", "adam"]
    early = outcome._replace(fresh=outcome.fresh.assign(status=["diverged"] * 2 + ["finished"] * 10))
    made = found[0].comparison._replace(outcomes=outcomes | {("moons", "adam"): early})
    _, _, caption = draw_loss_curves(found[0]._replace(comparison=made), found[1])
    assert caption.endswith("half of them. 2 runs ended early: the curves keep the last value before.")


def test_a_band_is_the_interval_of_students_t():
    values = np.array([[1.0, 2.0], [2.0, np.nan], [4.0, 3.0]])
    low, middle, high = band(values)
    expected = stats.t.interval(0.95, 2, loc=7 / 3, scale=stats.sem(values[:, 0]))
    np.testing.assert_allclose((low[0], high[0]), expected)
    assert middle.tolist() == [pytest.approx(7 / 3), 2.5]
    assert [line.tolist() for line in band(values[:1])] == [[1.0, 2.0]] * 3


def test_what_is_missing_to_a_perfect_metric():
    shown = {name: missing_to_perfect(name) for name in ("accuracy", "balanced_accuracy", "r2", "loss")}
    values = [float(function(np.asarray(0.75))) for function, _ in shown.values()]
    assert values == [25.0, 25.0, 0.25, 0.75]
    labels = [label.format("test") for _, label in shown.values()]
    minus = "\N{MINUS SIGN}"
    assert labels == ["test error, %", f"100 % {minus} test balanced accuracy", f"1 {minus} test R²", "test loss"]


def test_sensitivity_shows_every_run_and_every_choice(found):
    figure, _, _ = draw_sensitivity(*found)
    upper, lower = figure.axes
    points = [line for line in upper.lines if line.get_marker() == "."]
    crosses = [line for line in upper.lines if line.get_marker() == "x"]
    assert [len(line.get_xdata()) for line in points] == [12] * 3  # those at the highest rate diverged
    assert [len(line.get_xdata()) for line in crosses] == [6] * 3
    assert sorted(set(points[0].get_ydata())) == [0.1, 0.5]
    low, high = upper.get_xlim()
    assert low < 0.01 and high > 1.0 and lower.get_xscale() == "log"
    rates, sizes = np.asarray(lower.collections[0].get_offsets())[:, 0], lower.collections[0].get_sizes()
    assert rates.tolist() == [0.01, 0.1] and sizes[1] > sizes[0]


def test_the_ranking_and_the_targets_are_in_percent(found):
    figure = draw_ranking(*found).figure
    assert figure.axes[0].get_xlabel() == "test accuracy, %"
    means = [float(bar[0].get_path().vertices[0, 0]) for bar in figure.axes[0].containers]
    np.testing.assert_allclose(means, 100 * found[0].summary["mean"])
    drawn = draw_targets(*found)
    assert drawn.title == "When do runs reach accuracy 90 % on moons?"
    assert drawn.figure.axes[0].get_ylabel() == "runs that have reached it, %"


def test_all_figures_give_an_optimizer_the_same_color_and_fit_a_phone(found):
    made = draw_figures(found[0])
    names = ("pairs", "ranking", "metric_curves", "loss_curves", "sensitivity", "targets", "budget")
    assert list(made) == [("moons", name) for name in names]
    for drawn in made.values():
        assert drawn.figure.get_figwidth() <= 4.31
        sizes = [text.get_fontsize() for text in drawn.figure.findobj(lambda one: hasattr(one, "get_fontsize"))]
        assert min(sizes) >= 11
    mine = looks_of(["adam", "gd", "mine"])["mine"]["color"]
    known = {COLORS[0], INK, mine}
    for name in names[1:]:
        colors = {line.get_color() for axes in made["moons", name].figure.axes for line in axes.lines}
        assert known <= colors, name


def test_long_names_lose_their_middle_and_labels_make_way():
    assert shortened("adam") == "adam"
    assert shortened("averaged(adam, decay=0.99)") == "averaged\N{HORIZONTAL ELLIPSIS}ay=0.99)"
    assert len(shortened("a" * 99)) == 17
    places = spread([0.5, 0.5, 0.52, 0.0], 0.1)
    np.testing.assert_allclose(places, [0.406667, 0.506667, 0.606667, 0.0], atol=1e-6)
    assert all(high - low >= 0.1 - 1e-6 for low, high in itertools.pairwise(sorted(places)))
    assert max(spread([1.0, 1.0, 1.0], 0.1)) == pytest.approx(1.0)

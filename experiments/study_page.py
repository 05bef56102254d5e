"""The page of the study of new optimizers: its numbers as the results section of a paper, written from the results."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

MARKS = {"better": "+", "worse": "\N{MINUS SIGN}", "sooner": "\N{RIGHTWARDS ARROW}", "later": "\N{LEFTWARDS ARROW}"}
_ALL_MARKS = {**MARKS, "no difference": "=", "cannot tell": "?"}


def page(results: dict[str, Any], baseline: str, discussion: str = "") -> str:
    """The page in Markdown.

    Args:
      results: for each schedule what `new_optimizers.results_of` found.
      baseline: the optimizer that the others are tested against.
      discussion: what somebody wrote about these results, with its heading.
    """
    parts = [
        "# Which of the new optimizers' advantages survive on small networks?\n",
        _opening(results, baseline),
        "![Mean differences from the baseline on each problem](advantages.png)\n",
        discussion,
        *(_schedule(name, found, baseline) for name, found in results.items()),
        "## Ranks\n",
        _ranks(results),
        "![Mean ranks over problems with their intervals](ranks.png)\n",
        "## What a step costs\n",
        _costs(results, baseline),
        "## What the scores vary with\n",
        _budget(results),
        "## Rules\n",
        "\n".join(f"- {rule}" for rule in next(iter(results.values()))["rules"]) + "\n",
        _limits(results),
    ]
    return "\n".join(parts)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown: the first column on the left, the others on the right."""
    lines = ["| " + " | ".join(headings) + " |", "|---" + "|---:" * (len(headings) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def tally(found: dict[str, Any]) -> dict[str, Counter[str]]:
    """For each optimizer the number of problems with each verdict, those ahead most often first."""
    counts: dict[str, Counter[str]] = {}
    for test in found["against"]:
        counts.setdefault(test["optimizer"], Counter())[test["verdict"]] += 1

    def place(count: Counter[str]) -> tuple[int, ...]:
        return count["worse"] - count["better"], count["later"] - count["sooner"], -count["better"]

    return dict(sorted(counts.items(), key=lambda item: place(item[1])))


def _names(chosen: Sequence[str]) -> str:
    return chosen[0] if len(chosen) == 1 else f"{', '.join(chosen[:-1])} and {chosen[-1]}"


def _opening(results: dict[str, Any], baseline: str) -> str:
    optimizers = len(tally(next(iter(results.values()))))
    setting = (
        f"{optimizers} optimizers against {baseline}: each is tuned as long as {baseline} is, learning rate and weight "
        "decay, on the same splits with the same seeds, and all of it is repeated.\n"
    )
    return "\n".join([setting, *(f"- {_said(name, found, baseline)}" for name, found in results.items())]) + "\n"


def _said(name: str, found: dict[str, Any], baseline: str) -> str:
    """The verdicts of a schedule, counted, and where which optimizer is ahead or behind."""
    tests = found["against"]
    counts = Counter(test["verdict"] for test in tests)
    problems = len({test["problem"] for test in tests})
    where = {word: _where([test for test in tests if test["verdict"] == word]) for word in MARKS}
    return (
        f"**With a {name} learning rate**, of {len(tests)} comparisons on {problems} problems {counts['better']} found "
        f"the other optimizer better than {baseline}{where['better']} and {counts['worse']} worse{where['worse']}. In "
        f"{counts['sooner']} the scores did not decide, but it reached the target sooner{where['sooner']}, in "
        f"{counts['later']} later{where['later']}. No difference that matters: {counts['no difference']}. Cannot tell: "
        f"{counts['cannot tell']}."
    )


def _where(tests: list[dict[str, Any]]) -> str:
    """For each problem the optimizers with a verdict, in brackets."""
    names: dict[str, list[str]] = {}
    for test in tests:
        names.setdefault(test["problem"], []).append(test["optimizer"])
    told = "; ".join(f"{problem.replace('_', ' ')}: {_names(some)}" for problem, some in names.items())
    return f" ({told})" if told else ""


def _schedule(name: str, found: dict[str, Any], baseline: str) -> str:
    problems = list(dict.fromkeys(test["problem"] for test in found["against"]))
    tests = {(test["optimizer"], test["problem"]): test for test in found["against"]}
    headings = [
        "against " + baseline,
        *(problem.replace("_", " ") for problem in problems),
        " / ".join(_ALL_MARKS.values()),
    ]
    rows = []
    for optimizer, count in tally(found).items():
        cells = [_cell(tests.get((optimizer, problem))) for problem in problems]
        rows.append([optimizer, *cells, " / ".join(str(count[word]) for word in _ALL_MARKS)])
    return (
        f"## {'A constant learning rate' if name == 'constant' else f'A {name} schedule'}\n\n"
        f"{table(headings, rows)}\n"
        f"**+** better, **\N{MINUS SIGN}** worse, **{MARKS['sooner']}** sooner at the target or **{MARKS['later']}** "
        f"later, where the scores do not decide (p < 0.05 after Holm's correction for the {2 * len(rows)} tests of a "
        "problem), = no difference that matters, ? cannot tell. The number is the mean difference of the scores in "
        "standard deviations of the paired differences.\n"
    )


def _cell(test: dict[str, Any] | None) -> str:
    if test is None:
        return ""
    mark = _ALL_MARKS[test["verdict"]]
    return f"{f'**{mark}**' if test['verdict'] in MARKS else mark} {test['effect_size']:+.1f}"


def _spelled(row: dict[str, Any]) -> str:
    if row["low"] is None:  # the same rank every time
        return f"{row['estimate']:.1f}"
    return f"{row['estimate']:.1f} ({row['low']:.1f} to {row['high']:.1f})"


def _ranks(results: dict[str, Any]) -> str:
    """Mean ranks with their intervals, one column for each schedule."""
    columns = {name: {row["optimizer"]: _spelled(row) for row in found["ranks"]} for name, found in results.items()}
    order = [row["optimizer"] for row in next(iter(results.values()))["ranks"]]
    profile = {
        name: {row["optimizer"]: f"{row['profile_score']:.2f}" for row in found["overall"]}
        for name, found in results.items()
    }
    headings = ["optimizer", *(f"rank, {name}" for name in columns), *(f"profile, {name}" for name in profile)]
    rows = [[one, *(every.get(one, "") for every in (*columns.values(), *profile.values()))] for one in order]
    return (
        f"{table(headings, rows)}\nMean ranks over the problems, 1 being the best, with 95 % intervals over "
        "repetitions. "
        "The profile score is the area under the performance profile of Dolan & Moré 2002 by epochs to the target: 1 "
        "for the fastest on every problem.\n"
    )


def _costs(results: dict[str, Any], baseline: str) -> str:
    """The time of a run of each optimizer over that of the baseline, one column for each schedule."""
    columns = {}
    for name, found in results.items():
        seconds = {(row["problem"], row["optimizer"]): row["seconds_a_run"] for row in found["summary"]}
        ratios: dict[str, list[float]] = {}
        for (problem, optimizer), value in seconds.items():
            if value and seconds.get((problem, baseline)):
                ratios.setdefault(optimizer, []).append(value / seconds[problem, baseline])
        columns[name] = {one: f"{median(some):.1f}" for one, some in ratios.items()}
    order = [row["optimizer"] for row in next(iter(results.values()))["ranks"]]
    rows = [[one, *(column.get(one, "") for column in columns.values())] for one in order]
    return (
        f"{table(['optimizer', *columns], rows)}\nThe time of a run over that of {baseline}, medians over the "
        "problems; beside other work on the machine, so only large differences mean anything.\n"
    )


def _budget(results: dict[str, Any]) -> str:
    """Mean shares of the variance over optimizers, for each problem."""
    rows = []
    for name, found in results.items():
        shares: dict[str, list[list[float]]] = {}
        for row in found["budget"]:
            values = [row[f"{source}_share"] for source in ("seeds", "tuning", "split")]
            if None not in values:
                shares.setdefault(row["problem"], []).append(values)
        for problem, values in shares.items():
            means = [f"{100 * sum(column) / len(values):.0f} %" for column in zip(*values, strict=True)]
            rows.append([problem, name, *means])
    return (
        f"{table(['problem', 'schedule', 'seeds', 'tuning', 'split'], rows)}\nShares of the variance of a single "
        "score, means over the optimizers. An interval over seeds alone would leave out all but the first column.\n"
    )


def _limits(results: dict[str, Any]) -> str:
    found = next(iter(results.values()))
    machine = ", ".join(f"{name} {value}" for name, value in found["environment"].items())
    troubles = [line for every in results.values() for line in every["troubles"]]
    return (
        "## Limits\n\n"
        "- Networks of two to eleven layers and at most some hundred units, data of some hundred to four thousand "
        "rows, runs of 10 to 30 epochs: what is true of transformers is not asked here.\n"
        "- Twelve trials are few for two hyperparameters. Other numbers (decays, eps) have their defaults; an "
        "optimizer with more of them might gain more from tuning.\n"
        "- Repetitions share the rows of one data set: a difference on new data from the same source is less certain "
        "than its interval.\n"
        "- Scores count epochs, not seconds; see what a step costs.\n"
        "- Ten repetitions find differences of about 1.4 standard deviations, corrected for 26 tests; “cannot tell” is "
        "not “equal”.\n"
        + "".join(f"- Without a score: {line}.\n" for line in troubles)
        + f"\nMeasured on: {machine}.\n"
    )

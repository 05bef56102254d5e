"""Which of the new optimizers' advantages survive on small networks?

    python -m experiments.new_optimizers                    an hour and a half on two busy cores; resumes
    python -m experiments.new_optimizers --problems wine,digits --repetitions 4

Fourteen optimizers on nine problems, learning rate and weight decay tuned with equal budgets, with a constant learning
rate and with a cosine schedule; each on ten repetitions of split, tuning and fresh seeds. AdamW is what the new ones
promise to beat: each is tested against it. More repetitions, or other problems, in the same folder
add to what is there.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

import jaxmlp
from experiments.figures import save
from experiments.study_figures import draw_advantages, draw_ranks
from experiments.study_page import page
from jaxmlp import statistics
from jaxmlp.compare import Findings, analyze, compare, rules
from jaxmlp.compare.observations import oriented
from jaxmlp.compare.pairs import BETTER, SOONER, Pair

BASELINE = "adamw"
SCHEDULES = ("constant", "cosine")
# Three decades of learning rates each, about those that are in use.
OPTIMIZERS = ",".join(
    (
        "momentum@1e-2..10",
        "adamw@3e-4..3e-1",
        "nadam@3e-4..3e-1",
        "radam@3e-4..3e-1",
        "lion@3e-5..3e-2",
        "adan@3e-4..3e-1",
        "ademamix@3e-4..3e-1",
        "prodigy@1e-2..10",
        "schedule_free_sgd@1e-2..10",
        "schedule_free_adamw@1e-3..1",
        "muon@1e-3..1",
        'shampoo=shampoo(momentum=0.9, b2=0.99, precondition_frequency=10, grafting="adagrad")@3e-4..3e-1',
        "soap@3e-4..3e-1",
        "cautious(adamw)@3e-4..3e-1",
    )
)
PROBLEMS = (
    *("breast_cancer", "wine", "diabetes", "digits", "wrong_labels", "spirals", "rare_classes", "iris"),
    "deep_narrow",
)
PROTOCOL = {"tune": "learning_rate,weight_decay", "trials": 12, "repetitions": 10, "seeds": 2, "baseline": BASELINE}


class Against(NamedTuple):
    """An optimizer against the baseline on a problem.

    Attributes:
      problem: the problem's name.
      optimizer: the optimizer's name.
      difference: of the scores, above 0 if the optimizer is better, with the interval that belongs to the test.
      p_value: of the paired test, after Holm's correction for the tests of scores and times on the problem.
      effect_size: of the paired differences.
      verdict: `better`, `worse`, `sooner`, `later`, `no difference` or `cannot tell`.
    """

    problem: str
    optimizer: str
    difference: statistics.Interval
    p_value: float
    effect_size: float
    verdict: str


def against(found: Findings) -> list[Against]:
    """Every other optimizer against the baseline, on every problem."""
    return [_turned(pair, found.comparison.protocol.baseline) for pair in found.pairs]


def _turned(pair: Pair, baseline: str) -> Against:
    """A pair from the point of view of the optimizer that is not the baseline."""
    word, difference, effect = pair.verdict, pair.difference, pair.effect_size
    if word == SOONER and pair.sooner == baseline:
        word = "later"
    if pair.first != baseline:
        return Against(pair.problem, pair.first, difference, pair.p_value, effect, word)
    difference = statistics.Interval(-difference.estimate, -difference.high, -difference.low)
    word = "worse" if word == BETTER else word
    return Against(pair.problem, pair.second, difference, pair.p_value, -effect, word)


def ranks(found: Findings) -> pd.DataFrame:
    """Mean ranks over problems, 1 being the best, with 95 % intervals over repetitions of the whole study."""
    comparison, tables = found.comparison, []
    for problem in comparison.problems:
        scores = {name: oriented(problem, comparison.protocol, one) for name, one in comparison.of(problem).items()}
        tables.append(pd.DataFrame(scores).rank(axis=1, ascending=False))
    means = sum(tables[1:], start=tables[0]) / len(tables)
    rows = [{"optimizer": name, **statistics.mean(means[name].to_numpy())._asdict()} for name in means]
    return pd.DataFrame(rows).sort_values("estimate", ignore_index=True)


def results_of(found: Findings) -> dict[str, Any]:
    """What the page says about one schedule, as JSON."""
    comparison = found.comparison
    columns = ["problem", "optimizer", "mean", "mean_low", "mean_high", "learning_rate", "decades", "seconds_a_run"]
    return {
        "rules": rules(comparison.protocol, comparison.contestants),
        "against": [{**test._asdict(), "difference": list(test.difference)} for test in against(found)],
        "ranks": _records(ranks(found)),
        "overall": _records(found.overall),
        "summary": _records(found.summary.reindex(columns=columns)),
        "budget": _records(found.budget),
        "troubles": [f"{one.problem}, {one.contestant}: {one.trouble}" for one in comparison.troubles()],
        "environment": comparison.environment,
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, None for a number that is missing."""
    return json.loads(table.to_json(orient="records") or "[]")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m experiments.new_optimizers", description=__doc__, formatter_class=form
    )
    parser.add_argument("--problems", default=",".join(PROBLEMS), help="separated by commas (default: %(default)s)")
    parser.add_argument("--optimizers", default=OPTIMIZERS, help=f"{BASELINE} among them (default: fourteen)")
    parser.add_argument("--repetitions", type=int, default=PROTOCOL["repetitions"], help="(default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("results/new_optimizers"), help="folder (default: %(default)s)"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs what is missing, and writes results.json, README.md and the figures."""
    options, began = parse(arguments), time.perf_counter()
    jaxmlp.use_cpu_devices()
    problems, changes = options.problems.split(","), PROTOCOL | {"repetitions": options.repetitions}
    results: dict[str, Any] = {}
    for schedule in SCHEDULES:
        where = options.out / "studies" / schedule
        found = analyze(compare(options.optimizers, problems, directory=where, schedule=schedule, **changes))
        results[schedule] = results_of(found)
        print(f"{schedule}: {time.perf_counter() - began:.0f} s")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    words = options.out / "discussion.md"
    discussion = words.read_text(encoding="utf-8") if words.exists() else ""
    (options.out / "README.md").write_text(page(results, BASELINE, discussion), encoding="utf-8")
    save(draw_advantages(results, BASELINE), options.out / "advantages.png")
    save(draw_ranks(results), options.out / "ranks.png")


if __name__ == "__main__":
    main()

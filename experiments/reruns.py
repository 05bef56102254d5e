"""Does an answer of `jaxmlp compare` survive a rerun with other splits, tunings and seeds? Simulated from real runs.

    python -m experiments.reruns                     about half an hour on two cores; resumes where it was
    python -m experiments.reruns --problems digits --optimizers adam,rmsprop --splits 20

A pool of runs is drawn once: every learning rate of the grid with several seeds on several splits. Each rerun draws its
repetitions from the pool, with replacement: a split, tuning seeds, by which the protocol's rule chooses a rate, and
fresh seeds at this rate. Its outcomes go through the same `analyze` as those of the command. What all reruns estimate,
the mean over splits, tunings and seeds, is known from the pool.
"""

import argparse
import itertools
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import jaxmlp
from experiments.figures import save
from experiments.rerun_figure import draw
from jaxmlp.compare import (
    PROTOCOLS,
    Comparison,
    Contestant,
    Outcome,
    Protocol,
    analyze,
    chosen_point,
    compare,
    find_problem,
)

STANDARD = PROTOCOLS["standard"]
# What a comparison was before: one split, one tuning, intervals over seeds.
ONE_SPLIT = STANDARD._replace(name="one split", repetitions=1, split="fixed", seeds=5, choice="best")
_TWINS = 5  # for each rerun, because 200 would tell 95 % from 92 % only


class Pool(NamedTuple):
    """The runs of one optimizer on one problem: arrays (splits, points, seeds), and the table that they came from."""

    scores: np.ndarray
    times: np.ndarray
    tuning: list[dict[int, pd.DataFrame]]  # for each split and seed the rows by which a point is chosen
    fixed: int | None = None  # the point, if nothing is tuned


def pools(comparison: Comparison) -> dict[str, Pool]:
    """The pool of each optimizer, from the tuning of a comparison with many tuning seeds."""
    (problem,), found = comparison.problems, {}
    shape = comparison.protocol.repetitions, comparison.protocol.trials, comparison.protocol.tuning_seeds
    for name, outcome in comparison.of(problem).items():
        table = outcome.tuning
        metric = table[f"test_{problem.metric}"]
        scores = metric.where(np.isfinite(metric), problem.untrained()).to_numpy(float).reshape(shape)
        columns = ["point", "learning_rate", "tuned", "excess", "time"]
        seeds = np.arange(len(table)) % shape[2]
        tuning = [
            {seed: table.loc[rows & (seeds == seed), columns] for seed in range(shape[2])}
            for rows in (table["repetition"].to_numpy() == split for split in range(shape[0]))
        ]
        found[name] = Pool(scores, table["time"].to_numpy(float).reshape(shape), tuning)
    # One that is worse, and by how much is known: Adam at the third rate of the grid, 1e-3 on the standard one.
    untuned = {f"{name}@1e-3": found[name]._replace(fixed=2) for name in ("adam",) if name in found}
    return found | untuned


class Simulation:
    """Reruns of a comparison under one protocol."""

    def __init__(self, problem: Any, pool: dict[str, Pool], protocol: Protocol) -> None:
        self.problem, self.pool, self.protocol = problem, pool, protocol
        self.splits, _, self.seeds = next(iter(pool.values())).scores.shape
        self._chosen: dict[tuple[str, int, tuple[int, ...]], int] = {}

    def choice(self, name: str, split: int, seeds: Sequence[int]) -> int:
        """The point that tuning with some seeds chooses on a split."""
        if (fixed := self.pool[name].fixed) is not None:
            return fixed
        key = name, split, tuple(sorted(int(seed) for seed in seeds))
        if key not in self._chosen:
            tuning = self.pool[name].tuning[split]
            self._chosen[key] = chosen_point(self.protocol, pd.concat([tuning[seed] for seed in key[2]]))
        return self._chosen[key]

    def draws(self, random: np.random.Generator, number: int) -> list[tuple[int, np.ndarray]]:
        """For each repetition a split and an order of the seeds, the same for all optimizers."""
        fixed = self.protocol.repetitions == 1
        splits = random.integers(self.splits, size=1 if fixed else number)
        return [(int(split), random.permutation(self.seeds)) for split in splits]

    def runs(self, name: str, drawn: list[tuple[int, np.ndarray]]) -> pd.DataFrame:
        """The fresh runs of an optimizer."""
        tuned, pool, rows = self.protocol.tuning_seeds, self.pool[name], []
        for repetition, (split, order) in enumerate(drawn):
            point = self.choice(name, split, order[:tuned].tolist())
            for seed in order[tuned : tuned + self.protocol.seeds]:
                score, when = pool.scores[split, point, seed], pool.times[split, point, seed]
                rows.append((repetition, 0, int(seed), score, when, "finished"))
        return pd.DataFrame(rows, columns=pd.Index(["repetition", "study", "seed", "score", "time", "status"]))

    def rerun(self, tables: dict[str, pd.DataFrame]) -> Any:
        """What `analyze` finds in some runs."""
        contestants = tuple(Contestant(name, jaxmlp.gd) for name in tables)
        chosen = ({"learning_rate": 0.1},)
        outcomes = {
            (self.problem.name, name): Outcome(self.problem.name, name, None, chosen, pd.DataFrame(), table)
            for name, table in tables.items()
        }
        return analyze(Comparison(self.protocol, (self.problem,), contestants, outcomes, {}, 0.0))

    def truth(self, random: np.random.Generator, number: int = 20_000) -> dict[str, float]:
        """The mean score of each optimizer over splits, tunings and seeds."""
        drawn = [(int(random.integers(self.splits)), random.permutation(self.seeds)) for _ in range(number)]
        tuned = self.protocol.tuning_seeds
        return {
            name: float(
                np.mean(
                    [
                        pool.scores[split, self.choice(name, split, order[:tuned].tolist()), order[tuned]]
                        for split, order in drawn
                    ]
                )
            )
            for name, pool in self.pool.items()
        }


def simulated(problem: Any, pool: dict[str, Pool], protocol: Protocol, reruns: int, seed: int) -> dict[str, Any]:
    """Verdicts of reruns, how often two of them agree, and how often intervals cover the truth."""
    simulation, random = Simulation(problem, pool, protocol), np.random.default_rng(seed)
    truth = simulation.truth(np.random.default_rng(seed + 1))
    sign = 1.0 if problem.mode == "max" else -1.0
    verdicts: dict[tuple[str, str], Counter[str]] = {pair: Counter() for pair in itertools.combinations(pool, 2)}
    covered: Counter[str] = Counter()
    for _ in range(reruns):
        drawn = simulation.draws(random, protocol.repetitions)
        found = simulation.rerun({name: simulation.runs(name, drawn) for name in pool})
        for row in found.summary.to_dict("records"):
            covered["means"] += bool(row["mean_low"] <= truth[row["optimizer"]] <= row["mean_high"])
        for pair in found.pairs:
            gap = sign * (truth[pair.first] - truth[pair.second])
            covered["differences"] += (
                bool(pair.difference.low <= gap <= pair.difference.high) or pair.ties == protocol.units
            )
            verdicts[next(key for key in verdicts if set(key) == {pair.first, pair.second})][told(pair)] += 1
    return {
        "truth": truth,
        "coverage": {
            "means": covered["means"] / reruns / len(pool),
            "differences": covered["differences"] / reruns / len(verdicts),
        },
        "pairs": [pair_of(*names, counts, reruns) for names, counts in verdicts.items()],
        "twins": twins(simulation, random, _TWINS * reruns),
        "agreement": {word: agreement(word, list(verdicts.values()), reruns) for word in ("better", "sooner")},
    }


def told(pair: Any) -> str:
    """A verdict with the name of the winner, if there is one."""
    winner = {"better": pair.first, "sooner": pair.sooner}.get(pair.verdict)
    return f"{pair.verdict}: {winner}" if winner else pair.verdict


def pair_of(first: str, second: str, counts: Counter[str], reruns: int) -> dict[str, Any]:
    """The verdicts on a pair as fractions of the reruns."""
    return {"first": first, "second": second, **{word: count / reruns for word, count in sorted(counts.items())}}


def agreement(word: str, verdicts: list[Counter[str]], reruns: int) -> dict[str, float]:
    """Of two reruns, one of which says `better` (or `sooner`): how often the other confirms or contradicts it.

    Args:
      word: `better` or `sooner`.
      verdicts: for each pair of optimizers how many reruns said what, as `told` puts it.
      reruns: how many there were.

    Returns:
      `claims`, how many pairs of optimizers a rerun calls so in the mean; and of these claims the fractions that
      another rerun confirms, contradicts (the other one wins) and leaves open.
    """
    total: Counter[str] = Counter()
    for counts in verdicts:
        winners = [count for said, count in counts.items() if said.startswith(f"{word}:")]
        total["claims"] += sum(winners)
        total["confirmed"] += sum(count * (count - 1) for count in winners)
        total["contradicted"] += sum(count * (sum(winners) - count) for count in winners)
    every = max(total["claims"] * (reruns - 1), 1)
    parts = {part: total[part] / every for part in ("confirmed", "contradicted")}
    left = 1.0 - sum(parts.values()) if total["claims"] else 0.0
    return {"claims": total["claims"] / reruns, **parts, "left open": left}


def twins(simulation: Simulation, random: np.random.Generator, reruns: int) -> dict[str, float]:
    """Verdicts on an optimizer and itself, tuned and run with other seeds on the same splits, as fractions."""
    counts: Counter[str] = Counter()
    need = simulation.protocol.tuning_seeds + simulation.protocol.seeds
    if 2 * need > simulation.seeds:
        return {}
    for name in itertools.islice(itertools.cycle(simulation.pool), reruns):
        drawn = simulation.draws(random, simulation.protocol.repetitions)
        other = [(split, np.roll(order, -need)) for split, order in drawn]
        found = simulation.rerun({"a": simulation.runs(name, drawn), "b": simulation.runs(name, other)})
        counts[found.pairs[0].verdict] += 1
    return {word: count / counts.total() for word, count in sorted(counts.items())}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m experiments.reruns", description=__doc__, formatter_class=form)
    parser.add_argument("--problems", default="digits,wine", help="separated by commas (default: %(default)s)")
    optimizers = "gd,momentum,adagrad,rmsprop,adam"
    parser.add_argument("--optimizers", default=optimizers, help="separated by commas (default: %(default)s)")
    parser.add_argument("--splits", type=int, default=30, help="splits of the pool (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=6, help="seeds at each rate and split (default: %(default)s)")
    parser.add_argument("--reruns", type=int, default=200, help="simulated reruns (default: %(default)s)")
    parser.add_argument("--repetitions", type=int, default=STANDARD.repetitions, help="in each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the pool and the simulation (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/reruns"), help="folder (default: %(default)s)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draws the pool, simulates, and writes reruns.json and reruns.png."""
    options, began = parse(arguments), time.perf_counter()
    jaxmlp.use_cpu_devices()
    drawing = STANDARD._replace(
        name="pool", repetitions=options.splits, tuning_seeds=options.seeds, seeds=1, seed=options.seed, choice="best"
    )
    results: dict[str, Any] = {"options": {name: str(value) for name, value in vars(options).items() if name != "out"}}
    for name in options.problems.split(","):
        drawn = compare(options.optimizers, find_problem(name), drawing, directory=options.out / "pool")
        pool, problem = pools(drawn), drawn.problems[0]
        results["environment"] = drawn.environment
        protocols = (STANDARD._replace(repetitions=options.repetitions), ONE_SPLIT)
        for protocol in protocols:
            found = simulated(problem, pool, protocol, options.reruns, options.seed)
            results.setdefault("problems", {}).setdefault(problem.name, {})[protocol.name] = found
            print(problem.name, protocol.name, {key: found[key] for key in ("coverage", "twins", "agreement")})
    results["seconds"] = round(time.perf_counter() - began)
    write(results, options.out)


def write(results: dict[str, Any], folder: Path) -> None:
    """Writes reruns.json and reruns.png."""
    (folder / "reruns.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    save(draw(results), folder / "reruns.png")


if __name__ == "__main__":
    main()

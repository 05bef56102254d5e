"""The rules of a comparison in words, and what its verdicts generalize over."""

from collections.abc import Sequence

from jaxmlp.compare.axes import MULTIPLES, SCHEDULES, SIZES
from jaxmlp.compare.contestants import Contestant
from jaxmlp.compare.problems import Problem
from jaxmlp.compare.protocols import Protocol
from jaxmlp.compare.search import Range, spaces


def rules(protocol: Protocol, contestants: Sequence[Contestant] = ()) -> list[str]:
    """The rules that a comparison applies, a sentence each.

    Args:
      protocol: the protocol.
      contestants: the optimizers compared; those with a given learning rate are not tuned, and the rules say so.
    """
    fixed = [one.name for one in contestants if one.rate is not None]
    tuned_ones = [one for one in contestants if one.rate is None]
    tuned, said = bool(tuned_ones) or not contestants, []
    if tuned:
        own_rates = bool(tuned_ones) and all(one.rates for one in tuned_ones)
        said = [_tuning(protocol, "other optimizer" if fixed else "optimizer", own_rates), _choice(protocol)]
    if fixed:
        verb = "run at their given learning rates" if len(fixed) > 1 else "runs at its given learning rate"
        said.insert(0, f"{listed(fixed)} {verb}, without tuning.")
    said += [*_rates(tuned_ones), *_spaces(protocol, tuned_ones), *_schedule(protocol), _fresh(protocol, tuned)]
    said += [_SCORES[protocol.score], *_repeated(protocol), _corrected(protocol)]
    return [*said, "A run that diverged stays in the statistics."]


def scope(problem: Problem, protocol: Protocol) -> str:
    """What a verdict on a problem generalizes over, as a sentence."""
    if protocol.repetitions == 1:
        return (
            "This holds for one split and one tuning: only seeds vary. Another split or another tuning may change the "
            "order."
        )
    if protocol.split == "fixed":
        return "This holds for this one split of the rows only: tuning and seeds vary, the split does not."
    if problem.draw is not None:
        return "This holds for new draws of the data, tunings and seeds."
    if problem.fixed_test:
        return "This holds for the given test rows: the other rows are split anew, tuned on and trained on each time."
    return f"This holds for random splits of these {sum(problem.rows):,} rows, tunings and seeds."


_SCORES = {
    "metric": "The score is the metric on the test data, computed once per run.",
    "time": "The score is the number of epochs to the target; a run that misses it counts as infinite (speed 0).",
}
_CHOICES = {
    ("metric", "smooth"): "with the best mean on validation data, smoothed over neighboring rates",
    ("metric", "best"): "with the best mean on validation data",
    ("time", "smooth"): "that first reaches the target on validation data",
    ("time", "best"): "that first reaches the target on validation data",
}

_FAMILIES = {
    "metric": "the scores and times of {} on a problem: the chance that any “better” or “sooner” among them",
    "time": "{} on a problem: the chance that any “faster” among them",
}


def listed(names: Sequence[str]) -> str:
    """Names as in a sentence: a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def counted(number: int, word: str) -> str:
    """A number and its noun: 1 seed, 2 seeds."""
    return f"{number:,} {word}" + ("" if number == 1 else "s")


def _tuning(protocol: Protocol, who: str, own_rates: bool) -> str:
    points = "on a log grid" if protocol.search == "grid" else "quasi-random"
    rates = "" if own_rates else f", with learning rates from {protocol.low:g} to {protocol.high:g}"
    seeds = counted(protocol.tuning_seeds, "tuning seed")
    return f"Every {who} gets {protocol.trials} trials, {points}{rates}, each with {seeds}."


def _choice(protocol: Protocol) -> str:
    what = "learning rate is" if protocol.tune == "learning_rate" else "hyperparameters are"
    pronoun = "that" if protocol.tune == "learning_rate" else "those"
    smooth = protocol.choice if protocol.search == "grid" else "best"  # random points have no neighbors
    return f"Its {what} {pronoun} of the trial {_CHOICES[protocol.score, smooth]}."


def _rates(contestants: Sequence[Contestant]) -> list[str]:
    """Learning rates of their own, a sentence for each range."""
    families: dict[tuple[float, float], list[str]] = {}
    for one in contestants:
        if one.rates is not None:
            families.setdefault(one.rates, []).append(one.name)
    return [f"The rates of {listed(names)} are from {low:g} to {high:g}." for (low, high), names in families.items()]


def _spaces(protocol: Protocol, contestants: Sequence[Contestant]) -> list[str]:
    """What is searched beside the learning rate, a sentence for each family of optimizers."""
    families: dict[str, list[str]] = {}
    for one in contestants:
        ranges = {name: part for name, part in spaces(protocol, one).items() if name != "learning_rate"}
        if ranges:
            words = ", ".join(_range(name, part) for name, part in ranges.items())
            families.setdefault(words, []).append(one.name)
    return [f"Searched too for {listed(names)}: {words}." for words, names in families.items()]


def _range(name: str, part: Range) -> str:
    if name == "schedule":
        return f"schedule {', '.join(SCHEDULES[:-1])} or {SCHEDULES[-1]}"
    if name in SIZES:
        *others, last = (f"{one:g}" for one in MULTIPLES)
        return f"{name} {', '.join(others)} or {last} times the problem's own"
    return f"{name} {' to '.join(sorted((f'{part.value(end):g}' for end in (part.low, part.high)), key=float))}"


def _schedule(protocol: Protocol) -> list[str]:
    if protocol.schedule == "constant":
        return []
    return [f"Learning rates follow the {protocol.schedule} schedule over the whole run; those named are its peak."]


def _fresh(protocol: Protocol, tuned: bool) -> str:
    if not protocol.seeds:
        return "The score is that of this trial itself; there are no fresh seeds."
    opening = f"{'Then each' if tuned else 'Each'} optimizer runs with {counted(protocol.seeds, 'fresh seed')}"
    return f"{opening}, the same for all optimizers{', none used in tuning' if tuned else ''}."


def _repeated(protocol: Protocol) -> list[str]:
    """How often the procedure is repeated, and with what."""
    said = []
    if protocol.studies > 1:
        said.append(f"These are {protocol.studies} studies with other trials and seeds; their median is the score.")
    if protocol.repetitions > 1:
        split = "another split of the data, the same for all optimizers" if protocol.split == "fresh" else "one split"
        said.append(
            f"All of this is repeated {protocol.repetitions} times with {split}, and with other seeds; intervals and "
            "tests are over these repetitions."
        )
    return said


def _corrected(protocol: Protocol) -> str:
    """The error that the verdicts on a problem control together."""
    return f"Holm's correction is over {_FAMILIES[protocol.score].format(compared(protocol))} is false is at most 5 %."


def compared(protocol: Protocol) -> str:
    """The pairs that are tested, in words."""
    return f"every optimizer with {protocol.baseline}" if protocol.baseline else "all pairs"

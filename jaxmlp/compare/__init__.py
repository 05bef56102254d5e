"""Optimizers compared: is mine better, by how much, and how sure is that?

    from jaxmlp.compare import analyze, compare, write_report

    found = analyze(compare("adam,optax:lion", ["digits", "wine"], repetitions=30))
    found.verdicts["digits"]
    write_report(found, "results/mine")

From the shell: `jaxmlp compare --optimizers adam,my_file.py:my_optimizer,optax:lion --problems digits,wine`.
Either takes workers: `executor=...`, or `--cluster local` and `--cluster ADDRESS` for Dask.
All of this needs more than the core: `pip install 'jaxmlp[compare]'`.

The modules, each importing only those above it:

errors, escape, files      errors for users, text for each output format, objects from users' files
cluster                    a Dask cluster for the command line
machine                    processor and versions
problems/                  data, network, loss, budget, target, metric
contestants, protocols     optimizers, and the rules as data
axes                       schedules and weight decay for every optimizer
search, choice             where tuning searches, and what it chooses
rulebook                   the rules in words
trainer, outcomes          one optimizer on one problem
observations               the observations that statistics are about
comparison                 all of them
summary, pairs             numbers with intervals, and paired tests
verdicts, inclusions       the same in words
findings                   all of these, computed once
style, drawing             the look of the figures, and what they share
forest, curves, figures    the figures
tables                     the tables
report, terminal           the HTML page, the screen
reading, command           how files are read, the command line
suite/                     failure modes: many tiny tasks, and who passes them
"""

from importlib.util import find_spec

_NEEDED = ("jinja2", "matplotlib", "optax", "pandas", "pooch", "rich", "scipy", "sklearn", "threadpoolctl")
_missing = [name for name in _NEEDED if find_spec(name) is None]
if _missing:
    raise ImportError(
        f"jaxmlp.compare needs {', '.join(_missing)}; install them with: pip install 'jaxmlp[compare]'",
        name=_missing[0],
    )

from jaxmlp.compare.choice import chosen_point
from jaxmlp.compare.comparison import Comparison, Follow, compare
from jaxmlp.compare.contestants import OPTIMIZERS, Contestant, Optimizers
from jaxmlp.compare.errors import UserError
from jaxmlp.compare.findings import Findings, analyze
from jaxmlp.compare.outcomes import Outcome
from jaxmlp.compare.pairs import Pair
from jaxmlp.compare.problems import PROBLEMS, Problem, ProblemLike, find_problem, network
from jaxmlp.compare.protocols import PROTOCOLS, Protocol
from jaxmlp.compare.report import write_report
from jaxmlp.compare.rulebook import rules
from jaxmlp.compare.suite import SuiteResult, run_suite, write_suite_report

__all__ = [
    "OPTIMIZERS",
    "PROBLEMS",
    "PROTOCOLS",
    "Comparison",
    "Contestant",
    "Findings",
    "Follow",
    "Optimizers",
    "Outcome",
    "Pair",
    "Problem",
    "ProblemLike",
    "Protocol",
    "SuiteResult",
    "UserError",
    "analyze",
    "chosen_point",
    "compare",
    "find_problem",
    "network",
    "rules",
    "run_suite",
    "write_report",
    "write_suite_report",
]

"""Is my optimizer better, by how much, and is that sure? A benchmark with error bars.

    python -m experiments.optimizers --optimizers adam,my_file.py:my_optimizer,optax:lion --problems digits,wine

Imports run one way:

errors, files              what a user can put right; things of a user's own
problems/                  data, network, loss, budget, target, metric
protocols                  the rules, as data
contestants, search        optimizers and where their tuning looks
outcomes                   one optimizer on one problem
compare                    all of them
summary, verdicts          numbers with intervals, and words
findings                   both, computed once
figures, tables, report    what a reader sees
"""

from experiments.optimizers.compare import Comparison, compare
from experiments.optimizers.contestants import Contestant
from experiments.optimizers.errors import UserError
from experiments.optimizers.problems import PROBLEMS, Problem, network
from experiments.optimizers.protocols import PROTOCOLS, Protocol

__all__ = [
    "PROBLEMS",
    "PROTOCOLS",
    "Comparison",
    "Contestant",
    "Problem",
    "Protocol",
    "UserError",
    "compare",
    "network",
]

"""Statistics over runs: means with intervals, paired comparisons, times to a target, performance profiles.

Everything runs in NumPy and SciPy on the host. SciPy is imported by the functions that need it; install it with
`pip install 'jaxmlp[compare]'`.
"""

from jaxmlp.statistics.aggregates import iqm, mean
from jaxmlp.statistics.comparisons import Paired, holm, holm_confidence, paired, probability_of_improvement
from jaxmlp.statistics.components import VarianceBudget, variance_budget
from jaxmlp.statistics.planning import Sensitivity, seeds_needed, sensitivity
from jaxmlp.statistics.profiles import Profile, performance_profile, profile_score
from jaxmlp.statistics.samples import Interval
from jaxmlp.statistics.times import median_time, time_to_target

__all__ = [
    "Interval",
    "Paired",
    "Profile",
    "Sensitivity",
    "VarianceBudget",
    "holm",
    "holm_confidence",
    "iqm",
    "mean",
    "median_time",
    "paired",
    "performance_profile",
    "probability_of_improvement",
    "profile_score",
    "seeds_needed",
    "sensitivity",
    "time_to_target",
    "variance_budget",
]

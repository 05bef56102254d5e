"""Medians and ratios of times measured in turns."""

import statistics

import numpy as np
from scipy import stats


def spread(values):
    """Median, minimum and maximum."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def ratio(ours, theirs):
    """The median over rounds of (our time / their time), with its 95 % bootstrap interval."""
    rounds = np.asarray(ours) / np.asarray(theirs)
    middle = float(np.median(rounds))
    if len(rounds) < 3 or np.ptp(rounds) == 0:
        return {"median": middle, "low": float(rounds.min()), "high": float(rounds.max())}
    interval = stats.bootstrap((rounds,), np.median, n_resamples=2000, method="percentile", rng=0).confidence_interval
    return {"median": middle, "low": float(interval.low), "high": float(interval.high)}


def fastest(seconds, names):
    """The name with the smallest median, or None."""
    there = [name for name in names if name in seconds]
    return min(there, key=lambda name: statistics.median(seconds[name]), default=None)

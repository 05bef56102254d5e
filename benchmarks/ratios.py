"""Medians and ratios of times that were taken in turns."""

import statistics

import numpy as np
from scipy import stats


def spread(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def ratio(ours, theirs):
    """The median over rounds of our time over theirs, with its 95 % bootstrap interval over rounds."""
    rounds = np.asarray(ours) / np.asarray(theirs)
    if len(rounds) == 1 or np.ptp(rounds) == 0:
        return {"median": float(rounds[0]), "low": float(rounds[0]), "high": float(rounds[0])}
    interval = stats.bootstrap((rounds,), np.median, n_resamples=2000, method="percentile", rng=0).confidence_interval
    return {"median": float(np.median(rounds)), "low": float(interval.low), "high": float(interval.high)}


def fastest(seconds):
    """The name of the one with the least median."""
    return min(seconds, key=lambda name: statistics.median(seconds[name]))

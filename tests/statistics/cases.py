"""Samples and reference intervals that several tests share."""

import numpy as np
from scipy import stats

INF, NAN = np.inf, np.nan
RUNS = [3.1, 0.2, 4.4, 1.9, 7.5, 2.2, 0.9, 5.3, 12.4, 2.8, 3.3]


def student_interval(scores, confidence=0.95):
    """The limits of Student's interval of the mean, by SciPy."""
    interval = stats.ttest_1samp(scores, 0.0).confidence_interval(confidence)
    return interval.low, interval.high

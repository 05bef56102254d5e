"""Data sets as device arrays: read, split, scale, send.

types      Batch and Data, the two pytrees
loading    load: the four steps in order
bundled    the small data sets that scikit-learn ships
synthetic  logic gates, moons, circles and spirals
mnist      MNIST and Fashion-MNIST: finding or downloading their files
idx        the IDX file format
tables     CSV files
arrays     checks of inputs and targets
splits     split: train, validation and test rows
scales     scaled: the statistics of the training rows, applied to all
"""

from jaxmlp.data.loading import load
from jaxmlp.data.scales import scaled
from jaxmlp.data.splits import split
from jaxmlp.data.types import Batch, Data

__all__ = ["Batch", "Data", "load", "scaled", "split"]

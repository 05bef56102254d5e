"""Data sets as device arrays: read, split, encode, scale, send.

types        Batch and Data, the two pytrees
loading      load: what every kind of source goes through

Named sources
bundled      the small data sets that scikit-learn ships
synthetic    logic gates, moons, circles and spirals
mnist        MNIST and Fashion-MNIST: finding or downloading their files
idx          the IDX file format

Tables of your own
dialects     how a text file writes a table: encoding, separator, decimal sign, header
files        text files, read with pandas
tables       tables: named columns of files, DataFrames, dicts and arrays
cells        what a cell is: missing, a number or text; what a column is: numbers or categories
targets      labels and class names, or numbers to predict
rows         inputs and targets of one source; missing values refused or dropped

From rows to splits
stratified   which rows go to which split
columns      an input column: its categories and imputed value, learned from training rows
scalers      the center and width of training rows
preparing    rows split, encoded and scaled
preparation  Preparation: what was learned, to encode new inputs and decode predictions
splits       split: arrays, split and not scaled
scales       scaled: splits of your own, scaled together
resplitting  resplit: the same rows in other splits
resampling   many data sets of the same rows: folds, splits, bootstraps
arrays       checks of arrays of numbers
"""

from jaxmlp.data.loading import load
from jaxmlp.data.preparation import Preparation
from jaxmlp.data.resplitting import resplit
from jaxmlp.data.scales import scaled
from jaxmlp.data.splits import split
from jaxmlp.data.types import Batch, Data

__all__ = ["Batch", "Data", "Preparation", "load", "resplit", "scaled", "split"]

"""What data are, and the words that datasets, features, models and tasks share."""

from dltrain.data.feature import Encoded, Feature, Groups, fitted, statistic
from dltrain.data.outcome import Outcome
from dltrain.data.spec import DataSpec, Features, named, unnamed
from dltrain.data.splits import Examples, Provenance, Split, Splits, split_off
from dltrain.data.statistics import SAMPLE, Pieces, channel_statistics, chunks, spaced, statistics_of

__all__ = [
    "SAMPLE", "DataSpec", "Encoded", "Examples", "Feature", "Features", "Groups", "Outcome", "Pieces", "Provenance",
    "Split", "Splits", "channel_statistics", "chunks", "fitted", "named", "spaced", "split_off", "statistic",
    "statistics_of", "unnamed",
]  # fmt: skip

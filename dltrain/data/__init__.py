"""What data are, and the words that datasets, features, models and tasks share."""

from dltrain.data.batch import Batch, Change
from dltrain.data.feature import Encoded, Feature, Groups, Terms, fitted, statistic
from dltrain.data.finding import Finding, Severity
from dltrain.data.outcome import Outcome
from dltrain.data.parts import Parts
from dltrain.data.ragged import Ragged
from dltrain.data.spec import DataSpec, Features, named, unnamed
from dltrain.data.splits import PARTS, Provenance, Split, Splits, notice_share, split_off
from dltrain.data.statistics import SAMPLE, Moments, Pieces, channel_statistics, chunks, spaced, statistics_of
from dltrain.data.trees import Examples

__all__ = [
    "PARTS", "SAMPLE", "Batch", "Change", "DataSpec", "Encoded", "Examples", "Feature", "Features", "Finding",
    "Groups", "Moments", "Outcome", "Parts", "Pieces", "Provenance", "Ragged", "Severity", "Split", "Splits",
    "Terms", "notice_share", "channel_statistics", "chunks", "fitted", "named", "spaced", "split_off", "statistic",
    "statistics_of", "unnamed",
]  # fmt: skip

"""What an example consists of, and what is asked of it: one feature per file, the file's stem its registered name.

    @FEATURES.register("image")
    class Image(Feature):
        '''Pixels.'''

        shape: tuple[int, int, int]

`dltrain.data.feature.Feature` is the contract, with working defaults for all but shape, dtype, encode and decode.
"""

from dltrain.data.feature import Encoded, Feature, Groups, fitted, statistic

__all__ = ["Encoded", "Feature", "Groups", "fitted", "statistic"]

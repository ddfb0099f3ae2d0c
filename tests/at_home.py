"""What plugins register in a test is gone after it."""

import sys

from dltrain.plugins import loading as plugins
from dltrain.registry import KINDS


def forget_plugins(kept=frozenset()):
    """Makes the next command load plugins as a new process would: all files but those kept."""
    gone = plugins.loaded.keys() - kept
    stems = {path.stem for path in gone}
    for path in gone:
        sys.modules.pop(path.stem, None)
        del plugins.loaded[path]
    for registry in KINDS if gone else ():
        registry.forget_all_but({name for name in registry.names() if registry[name].__module__ not in stems})
    plugins.trusts_all, plugins.ask = False, None


class at_home:
    """What plugins register inside of it is gone afterwards."""

    def __enter__(self):
        self.before = set(plugins.loaded)

    def __exit__(self, *_):
        forget_plugins(self.before)

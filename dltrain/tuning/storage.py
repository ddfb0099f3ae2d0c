"""The place of a study outside of its search's folder: `tune.storage`, a database URL."""

import dataclasses
import re
from pathlib import Path

from dltrain.config.experiment import Config
from dltrain.config.tuning import Tune


def located(config: Config, tune: Tune) -> Tune:
    """Returns the block with the path of an SQLite file made absolute: in the URL it is relative to the config."""
    found = re.fullmatch(r"(sqlite(?:\+\w+)?:///)([^/?:][^?]*)(.*)", tune.storage or "")
    if found is None:
        return tune
    folder = config.root.value["tune"].value["storage"].mark.source.folder
    path = (folder / Path(found[2]).expanduser()).resolve()
    return dataclasses.replace(tune, storage=f"{found[1]}{path}{found[3]}")

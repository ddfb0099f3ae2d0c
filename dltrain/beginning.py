"""What a model's block has beside the keys of its architecture: where its weights begin, and which of them stay."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """How training begins, whatever the network.

    Args:
        weights: none for a random start; a run (its folder, name or stem in the folder of runs), whose best weights are
            taken; or a file: a run's checkpoint, or one that ends in .weights.h5 or .keras, of which only weights are
            read. The head begins anew where classes or targets are others. Read when a run begins, not after.
        freeze: layers whose weights stay as they are, by name, as in `stage1_*`; batch normalisation then goes by its
            moving statistics.
    """

    weights: Path | None = None
    freeze: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        """Refuses a network's own key of such a name, which would be taken for this one.

        Only `weights` may be its own, where it has a method `initialize` that takes up what is no path.

        Raises:
            ValueError: if there is one.
        """
        own = {*cls.__dataclass_fields__} - ({"weights"} if hasattr(cls, "initialize") else set())
        for key in ("weights", "freeze"):
            if key in own:
                raise ValueError(
                    f"{cls.__name__} must call its `{key}` otherwise: every network has a key of that name, "
                    "which says how training begins"
                )

"""What a network makes of some examples: what tasks measure, draw and put into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dltrain.data.spec import DataSpec
from dltrain.data.splits import Split


@dataclass(frozen=True)
class Outcome:
    """What a network makes of some examples.

    Args:
        data: what the data are.
        part: of the data, such as "test"; "" where a user asked.
        split: the examples with what is right; none where that is not known, as of those that a user asks about.
        metadata: facts of each example that the network does not see, by name, each (examples,).
        outputs: as the task's `inference` gave them, an example each: an array, a dict of arrays, or a list where
            lengths differ.
        inputs: the examples' inputs, as they are stored; those of the split where none are given.
    """

    data: DataSpec
    part: str
    split: Split | None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    outputs: Any = None
    inputs: Any = None

    def __post_init__(self) -> None:
        if self.inputs is None and self.split is not None:
            object.__setattr__(self, "inputs", self.split.inputs)

    @property
    def known(self) -> Split:
        """The examples with what is right.

        Raises:
            ValueError: if it is not known.
        """
        if self.split is None:
            raise ValueError("the actual values of these examples are not known")
        return self.split

    @property
    def targets(self) -> Any:
        """What is right, as the dataset has it; raises as `known`."""
        return self.known.targets

"""What an exported network is asked, and how far its answers may be from Keras's: held-out examples and edge cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dltrain.data import DataSpec, Features, Ragged, Split, named, spaced, trees, unnamed
from dltrain.data.spec import INPUTS
from dltrain.data.trees import Tree
from dltrain.engine.tensors import tensors
from dltrain.exports import Batch
from dltrain.inference.outputs import arrays
from dltrain.lazy import np

COMPARED = 32
"""Examples whose outputs must be the same."""

Normalize = Callable[[Batch], Batch]
"""Takes mean and deviation off examples, where the network does not."""


@dataclass(frozen=True)
class Compared:
    """Inputs on which a format is compared with Keras: examples, then the corners of each feature.

    Args:
        inputs: all of them, as the exported network takes them.
        edges: how many of them, the last ones, are corners.
        are_real: which places of each example are not filled up, (inputs, places), where an output belongs to each
            place; none where outputs are of whole examples.
        are_answered: at which of these an answer is read.
    """

    inputs: Batch
    edges: int
    are_real: np.ndarray | None = None
    are_answered: np.ndarray | None = None

    @classmethod
    def of(
        cls, spec: DataSpec, part: Split, most: int, normalize: Normalize | None = None, has_examples: bool = True
    ) -> Compared:
        """Returns evenly spaced examples of a part, and the corners of each input beside some values of the others.

        Args:
            spec: what the data are.
            part: the examples.
            most: of them, at most.
            normalize: what the network leaves to others.
            has_examples: whether the part is of data; otherwise it is corners alone.
        """
        asked = part.take(spaced(len(part), most))
        stored = trees.read(asked.inputs, slice(None))
        edges = corners(spec.inputs, stored) if has_examples else []
        count = sum(map(trees.count, edges)) if has_examples else trees.count(stored)
        examples, stored = stored, trees.joined([stored, *edges])
        inputs = by_name(spec, arrays(tensors(spec.inputs, stored)))
        real = answered = _real_places(spec, stored)
        if real is not None:
            read = spec.input.answered(examples, asked.metadata)
            answered = real.copy()
            answered[: len(read)] = np.pad(read, ((0, 0), (0, real.shape[1] - read.shape[1])))
        return cls(inputs if normalize is None else normalize(inputs), count, real, answered)

    def at_real_places(self, outputs: Tree) -> Tree:
        """Returns outputs with 0 where a shorter example is filled up, which nobody reads."""
        real = self.are_real
        if real is None:
            return outputs
        return trees.mapped(lambda each: np.where(real.reshape(*real.shape, *[1] * (each.ndim - 2)), each, 0), outputs)

    def parted(self, outputs: Tree) -> tuple[Tree, Tree]:
        """Returns the outputs of the examples, and those of the corners."""
        count = trees.count(outputs) - self.edges
        return trees.taken(outputs, slice(count)), trees.taken(outputs, slice(count, None))

    def agreement(self, agree: Callable[[Tree, Tree], np.ndarray], got: Tree, wanted: Tree) -> tuple[float, int]:
        """Returns the share of answers to examples that are as wanted, and at how many corners all are.

        A text with an answer at each place has as many answers.

        Args:
            agree: of outputs and others, which are answered alike.
            got: outputs.
            wanted: likewise.
        """
        count = trees.count(wanted)
        owners = np.arange(count)
        if (answered := self.are_answered) is not None:
            owners = np.nonzero(answered)[0]
            got, wanted = (trees.mapped(lambda each: each[answered][:, None], outputs) for outputs in (got, wanted))
        alike = agree(wanted, got)
        of_examples = owners < count - self.edges
        others = np.unique(owners[~of_examples & ~alike])
        return float(alike[of_examples].mean()) if of_examples.any() else 1.0, self.edges - len(others)

    def difference(self, got: Tree, wanted: Tree, raw: Tree) -> float:
        """Returns the largest difference, infinite where outputs are not finite or of another shape.

        That of an output is relative to max(1, |output|), in a forecast to the largest over its steps. Extreme inputs
        make large sums of which little may remain: that of a corner is relative to the largest |output| of this corner
        before the last activation, or to 1. Where Keras itself does not answer a corner with finite numbers, the same
        is asked of the format.

        Args:
            got: what the format answers.
            wanted: what Keras answers.
            raw: what Keras answers before the last activation.
        """
        if trees.mapped(np.shape, got) != trees.mapped(np.shape, wanted):
            return float("inf")
        got, wanted, raw = map(self.at_real_places, (got, wanted, raw))
        (got, edges), (wanted, wanted_edges) = self.parted(got), self.parted(wanted)
        found = difference(got, wanted) if trees.count(wanted) else 0.0
        if self.edges:
            rows = [np.abs(each).reshape(self.edges, -1).max(axis=1) for each in trees.leaves(self.parted(raw)[1])]
            scale = np.nan_to_num(np.maximum(1, np.max(rows, axis=0)), posinf=1.0)
            found = max(found, difference(edges, wanted_edges, scale))
        return found


def _real_places(spec: DataSpec, stored: Tree) -> np.ndarray | None:
    """Returns which places of texts are their own where a network answers each; none where it answers the whole."""
    shape = None if spec.task is None else spec.output_shape
    if not isinstance(stored, Ragged) or not isinstance(shape, tuple) or shape[:1] != (None,):
        return None
    return np.arange(stored.longest) < stored.lengths[:, None]


def by_name(spec: DataSpec, values: Any) -> dict[str, Any]:
    """Returns what belongs to a network's inputs by the names of these."""
    return dict(values) if len(spec.inputs) > 1 else {INPUTS: values}


def corners(features: Features, stored: Tree) -> list[Tree]:
    """Returns the corners of each feature, as examples: other features have values of the stored ones there.

    Args:
        features: the inputs.
        stored: some examples, which are read.
    """
    values, found = named(features, stored), []
    for name, feature in features.items():
        edges = feature.corners()
        if not edges:
            continue
        places = np.arange(len(edges)) % trees.count(stored)
        is_ragged = isinstance(values[name], Ragged)
        at_edges = {name: Ragged.of(edges, values[name].dtype) if is_ragged else np.stack(edges)}
        found.append(unnamed({key: at_edges.get(key, trees.taken(values[key], places)) for key in features}))
    return found


def difference(got: Tree, wanted: Tree, scale: np.ndarray | None = None) -> float:
    """Returns the largest difference, infinite where one is not finite.

    Args:
        got: outputs.
        wanted: others of these shapes.
        scale: what that of each example is relative to, (examples,), and where outputs may be the same without being
            finite; none for |wanted| or 1: of forecasts (examples, steps, ...) for the largest over the steps of each
            target, for one that crosses 0 is made of large sums.
    """

    def one(got: np.ndarray, wanted: np.ndarray) -> float:
        if scale is None:
            largest = np.abs(wanted)
            if wanted.ndim > 2 and largest.size:
                largest = largest.max(axis=1, keepdims=True)
            return float((np.abs(got - wanted) / np.maximum(1, largest)).max())
        with np.errstate(invalid="ignore"):
            found = np.abs(got - wanted) / scale.reshape(-1, *[1] * (wanted.ndim - 1))
        return float(np.where((got == wanted) | (np.isnan(got) & np.isnan(wanted)), 0, found).max())

    pairs = [(got[name], each) for name, each in wanted.items()] if isinstance(wanted, dict) else [(got, wanted)]
    found = [one(*each) for each in pairs]
    return max(found) if np.isfinite(found).all() else float("inf")

"""The user's own function, from a plugin."""

from __future__ import annotations

import inspect
from dataclasses import field
from typing import Any, ClassVar, Literal

from dltrain.data import PARTS, DataSpec, Split, Splits
from dltrain.data.noticing import notice
from dltrain.datasets import Dataset
from dltrain.datasets._sources.arrays import Part, assemble, refusing
from dltrain.datasets._sources.splitting import split_into_parts
from dltrain.errors import KeyProblem
from dltrain.features._arrays.encoding import LOSES, is_lost_in_float32
from dltrain.features._arrays.files import Origin
from dltrain.features.numbers import Numbers
from dltrain.features.vector import of_shape
from dltrain.lazy import np, tf
from dltrain.plugins import loading as plugins
from dltrain.plugins.keras_classes import as_given
from dltrain.registry import DATASETS


@DATASETS.register("python")
class Python(Dataset):
    """Your own function in a file of `plugins:`, which returns the data.

    It returns inputs and targets, as two arrays or one tf.data.Dataset of single examples; or a dict of these,
    {"train": ..., "test": ..., "validation": ...}. Inputs are (examples, features), (examples, height, width) or
    (examples, height, width, channels): images are best uint8 in 0-255. Targets are whole numbers or words for classes,
    or numbers to predict.

    Args:
        function: its module and name, for example my_data.load.
        arguments: the keyword arguments of the call.
        kind: what the targets are: classes, or numbers to predict.
        test_fraction: share of all examples held out for testing, 0 to below 1, stratified by class; unused if the
            function returns a part "test".
        validation_fraction: share of the remaining examples held out for tuning, likewise.
    """

    reads_with_tensorflow: ClassVar[bool] = True

    function: str
    arguments: dict[str, Any] = field(default_factory=dict)
    kind: Literal["classes", "numbers"] = "classes"

    def __post_init__(self) -> None:
        function = plugins.function(self.function)
        try:
            inspect.signature(function).bind(**self.arguments)
        except TypeError as error:
            raise KeyProblem("arguments", f"do not fit {self.function}{inspect.signature(function)}: {error}") from None

    @property
    def task(self) -> str:
        """Regression for numbers to predict, else classification."""
        return "regression" if self.kind == "numbers" else "classification"

    def spec(self) -> None:
        """Returns none: the data are known only once the function has run."""

    def load(self, like: DataSpec | None = None) -> Splits:
        """Returns the parts.

        Args:
            like: the data that a run was trained on, whose classes are used.

        Raises:
            DataError: if the function's result cannot be used.
        """
        tf.data  # noqa: B018  (TensorFlow first, quietly: the function may import it)
        returned = plugins.function(self.function)(**as_given(self.arguments))
        with refusing():
            parts = {part: self._part(part, value) for part, value in self._named(returned).items()}
            if self.kind == "classes":
                return assemble(parts, self.validation_fraction, self.test_fraction, self.split_seed, like)
            splits = {part: self._numbers(value) for part, value in parts.items()}
            count = splits["train"].targets.shape[1]
            names = [f"target {number}" for number in range(1, count + 1)] if count > 1 else ["target"]
            return split_into_parts(
                DataSpec.of(of_shape(splits["train"].inputs.shape[1:]), Numbers(names=tuple(names))),
                splits["train"],
                validation=splits.get("validation", self.validation_fraction),
                test=splits.get("test", self.test_fraction),
                split_seed=self.split_seed,
                like=like,
            )

    def _named(self, returned: Any) -> dict[str, Any]:
        """Returns the result for each part; a result without parts is the train part."""
        if not isinstance(returned, dict):
            return {"train": returned}
        if "train" not in returned or not {*returned} <= {*PARTS}:
            raise KeyProblem(
                "function", f"must return train, and optionally validation and test, got {', '.join(returned)}"
            )
        return returned

    def _part(self, part: str, value: Any) -> Part:
        if isinstance(value, tf.data.Dataset):
            value = self._read(part, value)
        if not isinstance(value, tuple | list) or len(value) != 2:
            raise KeyProblem(
                "function",
                "must return inputs and targets, two arrays or one tf.data.Dataset of single examples, for "
                f"{part}, got {type(value).__name__}",
            )
        inputs, targets = (np.asarray(each) for each in value)
        where = f"{self.function}, {part}: the array of"
        return Part(Origin("function", f"{where} inputs"), Origin("function", f"{where} targets"), inputs, targets)

    def _read(self, part: str, examples: Any) -> tuple[np.ndarray, np.ndarray]:
        if examples.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise KeyProblem("function", f"returns an infinite tf.data.Dataset for {part}: remove repeat()")
        pairs = list(examples.as_numpy_iterator())
        if not pairs or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
            raise KeyProblem(
                "function", f"must return a tf.data.Dataset of (inputs, target) for {part}, not of batches"
            )
        inputs, targets = (list(each) for each in zip(*pairs, strict=True))
        shapes = {np.shape(each) for each in inputs}
        if len(shapes) > 1:
            some = " and ".join(map(str, sorted(shapes)[:2]))
            raise KeyProblem("function", f"returns examples of different shapes for {part}: {some}")
        labels = [each.decode() if isinstance(each, bytes) else each for each in targets]
        return np.stack(inputs), np.array(labels)

    def _numbers(self, part: Part) -> Split:
        inputs, targets = np.asarray(part.inputs), part.targets
        if is_lost_in_float32(targets):
            raise part.targets_name.problem(LOSES)
        if is_lost_in_float32(inputs):
            notice(f"{part.inputs_name.words} {LOSES}", is_warning=True)
        targets = targets.reshape(len(targets), -1).astype(np.float32)
        inputs = inputs if inputs.dtype == np.uint8 else inputs.astype(np.float32)
        for name, values in ((part.inputs_name, inputs), (part.targets_name, targets)):
            if not np.isfinite(values).all():
                raise name.problem("holds NaN or infinite values")
        if inputs.ndim not in (2, 4):
            raise part.inputs_name.problem(f"must be (examples, features) or images, got shape {inputs.shape}")
        return Split(inputs, targets)

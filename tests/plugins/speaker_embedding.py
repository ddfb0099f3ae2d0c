"""What leaves the device is an embedding, and only whole parts can be measured: a micro-task, else signatures alone.

B. Desplanques et al., "ECAPA-TDNN", 2020; documents' embeddings alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dltrain.data import Feature
from dltrain.features.class_label import ClassLabel
from dltrain.lazy import keras, np
from dltrain.registry import FEATURES, TASKS
from dltrain.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dltrain.data import DataSpec, Encoded, Outcome


@FEATURES.register("stub_speech")
class StubSpeech(Feature):
    """Speech of any length: samples become a spectrogram in the graph."""

    shape: ClassVar = (None,)
    dtype: ClassVar = "float32"
    views: ClassVar = 5

    rate: int = 16000

    @property
    def max_shape(self) -> tuple[int, ...]:
        """The longest there may be, in samples."""

    @property
    def model_shape(self) -> tuple[int | None, ...]:
        """That of a spectrogram: (frames, bands, 1)."""

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns samples; those of another rate are brought to this one."""

    def decode(self, stored: Any) -> list[Any]:
        """Returns samples as lists."""

    def preprocess(self, x: Any, name: str = "normalization") -> Any:
        """Returns spectrograms, (batch, frames, bands, 1)."""

    def request_schema(self) -> dict[str, Any]:
        """Returns that of a WAV file in base 64."""


@TASKS.register("stub_speaker")
class StubSpeaker(Task):
    """Who speaks: trained on speakers, measured and asked on pairs of others."""

    accepts: ClassVar = (ClassLabel,)
    part_metrics: ClassVar = ("equal_error_rate",)
    options: ClassVar = {"embedding": bool}

    margin: float = 0.2

    def output_shape(self, data: DataSpec) -> tuple[int | None, ...]:
        """Returns (speakers,)."""

    def head(self, data: DataSpec, x: Any, inputs: Any, embedding: Any = None) -> Any:
        """Returns cosines of an embedding, a layer of its own name, with a vector for each speaker."""

    def loss(self, data: DataSpec) -> Callable[[Any, Any], Any]:
        """Returns the cross-entropy of cosines with an additive angular margin, (batch,)."""

    def inference(self, data: DataSpec, model: Any) -> Callable[[Any], Any]:
        """Returns what gives the embedding: the network up to that layer."""
        embedding = keras.Model(model.input, model.get_layer("embedding").output)
        return lambda inputs: embedding(inputs, training=False)

    def measure(self, outcome: Outcome) -> dict[str, float]:
        """Returns the equal error rate over all pairs of a part."""
        first, second = np.triu_indices(len(outcome.outputs), 1)
        units = outcome.outputs / np.linalg.norm(outcome.outputs, axis=1, keepdims=True)
        alike, are_same = (units @ units.T)[first, second], outcome.targets[first] == outcome.targets[second]
        rates = [
            max(np.mean(alike[are_same] < limit), np.mean(alike[~are_same] >= limit)) for limit in np.unique(alike)
        ]
        return {"equal_error_rate": float(min(rates))}

    def undefined(self, data: DataSpec, split: Any) -> dict[str, str]:
        """Returns why there is no loss of speakers that the training part does not have."""
        return {"loss": "its speakers are others"}

    def answers(self, outcome: Outcome, options: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns the length of the embedding, and the embedding where it is asked for."""
        rows = np.asarray(outcome.outputs)
        found = [{"length": float(np.linalg.norm(row))} for row in rows]
        return [{**each, "embedding": row.tolist()} for each, row in zip(found, rows, strict=True)
                if options.get("embedding")] or found  # fmt: skip

    def agree(self, data: DataSpec, outputs: Any, others: Any) -> Any:
        """Returns which embeddings point the same way."""

    def baselines(self, data: DataSpec, train: Any, part: Any) -> dict[str, Any]:
        """Returns nothing: an embedding is not what a network ends in."""

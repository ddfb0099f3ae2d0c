"""Whether two examples are of one identity."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from dltrain.data import DataSpec, Outcome, Split
from dltrain.data.spec import HEAD
from dltrain.data.statistics import cosines, of_length_1
from dltrain.errors import KeyProblem
from dltrain.features.class_label import ClassLabel
from dltrain.features.identity import Identity
from dltrain.fields import NonNegativeFloat, PositiveFloat, PositiveInt, Range, Seed
from dltrain.lazy import keras, np
from dltrain.registry import TASKS
from dltrain.tasks import Task
from dltrain.tasks._by_class import by_class, is_by_class, partners
from dltrain.tasks._trials import ErrorRates, Trials, counted, trials_of

if TYPE_CHECKING:
    from dltrain.report.outcome import Mistakes
    from dltrain.report.parts import Chapter

EMBEDDING = f"{HEAD}_embedding"
"""What makes an embedding of another size."""
OF_EXAMPLE = f"{HEAD}_input"
"""The layer whose output stands for an example; networks have layers of their own that are called embedding."""

_MARGINS = {"softmax": None, "aam_softmax": 0.2, "contrastive": 1.0}
_SCALE, _PER_CLASS = 30.0, 4
_THRESHOLD = "threshold"
_ALIKE = 0.99
"""The cosine from which on an embedding is taken for the same, computed otherwise."""
_LEAST_PARTNERS = 1.0
"""Of an example in its batch, on average: with fewer of its own identity there is little to pull together."""
_NEAR_1 = 1 - 1e-6
"""The cosine up to which the sine's gradient is not too steep for float32."""


@TASKS.register("verification")
class Verification(Task):
    """Whether two examples are of one identity: a speaker, a face; of those that training has not seen, too.

    The network learns to tell the train part's identities apart; what it has found before its last layer, the
    embedding, then stands for an example, and two are as alike as the cosine of their embeddings. Parts are judged by
    trials, pairs of examples: those of the dataset's list, or drawn. `predict` and exports give embeddings.

    Args:
        metrics: what is measured of trials: eer, the equal error rate, at which as large a share of the trials of one
            identity is rejected as of those of different identities is accepted; min_dcf, the least cost of detection
            (NIST 2016); accuracy, how often an example's own identity is predicted, in parts without others. The first
            is what best checkpoints and early stopping go by. The threshold of the equal error rate is measured with
            them.
        loss_function: softmax, cross-entropy of the identities; aam_softmax, the same on cosines with an angle between
            identities (ArcFace: Deng et al. 2019, equation 3); contrastive, on the Euclidean distances of embeddings in
            a batch (Hadsell et al. 2006, equation 4), half the mean square of those of one identity plus half that of
            what others lack to the margin: for a network that already tells identities apart, by model.weights.
        margin: of aam_softmax, in radians, 0.2 where it is not set; of contrastive, a distance from 0 to 2, 1 likewise.
        scale: what cosines are multiplied by in aam_softmax, 30 where it is not set.
        embedding_size: numbers of the embedding, which one more layer makes; none for what the network has found.
        per_class: of contrastive: examples of an identity that training reads next to each other, 2 or more, 4 where it
            is not set, so that batches have some of the same; its pairs are those of one device's batch, with
            accumulate_steps of each of these.
        prior: of min_dcf: the share of trials that is of one identity.
        most_trials: drawn of a part at most, half of them of one identity; of those alone that have no list.
        trials_seed: of the drawing.
    """

    accepts: ClassVar = (ClassLabel, Identity)
    alike: ClassVar[str] = f"as before, embeddings of a cosine above {_ALIKE}"
    no_option: ClassVar[str] = "the run finds embeddings, it predicts no classes"

    metrics: tuple[Literal["eer", "min_dcf", "accuracy"], ...] = ("eer", "min_dcf")
    loss_function: Literal["softmax", "aam_softmax", "contrastive"] = "aam_softmax"
    margin: NonNegativeFloat | None = None
    scale: PositiveFloat | None = None
    embedding_size: PositiveInt | None = None
    per_class: Annotated[int, Range(minimum=2)] | None = None
    prior: Annotated[float, Range(0, 1, open_minimum=True, open_maximum=True)] = 0.01
    most_trials: Annotated[int, Range(minimum=2)] = 20_000
    trials_seed: Seed = 0

    def __post_init__(self) -> None:
        largest = {"softmax": 0.0, "aam_softmax": math.pi / 2, "contrastive": 2.0}[self.loss_function]
        if self.margin is not None and self.loss_function == "softmax":
            raise KeyProblem("margin", "must be none: softmax has none, aam_softmax and contrastive do")
        if self.loss_function != "aam_softmax" and self.scale is not None:
            raise KeyProblem("scale", "must be left out: aam_softmax alone has a scale")
        if self.loss_function != "contrastive" and self.per_class is not None:
            raise KeyProblem("per_class", "must be left out: contrastive alone reads some of an identity together")
        if self._margin > largest:
            raise KeyProblem("margin", f"must be at most {largest:.3g} for {self.loss_function}, got {self.margin:g}")
        if not self.metrics:
            raise KeyProblem("metrics", "must name eer, min_dcf or accuracy")
        if self.loss_function == "contrastive" and "accuracy" in self.metrics:
            raise KeyProblem("metrics", "must not hold accuracy: contrastive predicts no identities")

    @property
    def _margin(self) -> float:
        return (_MARGINS[self.loss_function] if self.margin is None else self.margin) or 0.0

    @property
    def _scale(self) -> float:
        return _SCALE if self.scale is None else self.scale

    @property
    def _of_each(self) -> int:
        return _PER_CLASS if self.per_class is None else self.per_class

    @property
    def part_metrics(self) -> tuple[str, ...]:
        """What trials of a whole part tell, and the threshold at its equal error rate."""
        return (*(name for name in self.metrics if name != "accuracy"), _THRESHOLD)

    @property
    def monitored_names(self) -> list[str]:
        """All but the threshold, of which neither more nor less is better."""
        return [name for name in self.metric_names if name != _THRESHOLD]

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where there are no two identities to train on."""
        super().check(data)
        if self.loss_function == "contrastive" and any(each.shape[:1] == (None,) for each in data.inputs.values()):
            words = "must not be contrastive: examples of several lengths are read by these, not by identity"
            raise KeyProblem("loss_function", words)
        if len(data.target.class_names) < 2:
            there = len(data.target.class_names)
            raise KeyProblem("name", f": verification needs at least 2 {data.target.plural} to train on, got {there}")

    def larger_is_better(self, column: str) -> bool:
        """Whether more is better in a column of metrics.csv: of accuracy; a threshold is neither."""
        return column.endswith("accuracy")

    def output_shape(self, data: DataSpec) -> tuple[int] | None:
        """Returns a number for each identity of the train part; of contrastive the embedding's."""
        if self.loss_function != "contrastive":
            return (len(data.target.class_names),)
        return None if self.embedding_size is None else (self.embedding_size,)

    def head(self, data: DataSpec, x: Any, inputs: Any = None, embedding: Any = None, **settings: Any) -> Any:
        """Returns logits, cosines, or embeddings of length 1, of what the network has found, (batch, features)."""
        from dltrain.layers.class_cosines import ClassCosines
        from dltrain.layers.unit_length import UnitLength

        layers, identities = keras.layers, len(data.target.class_names)
        if self.embedding_size is not None:
            x = layers.Dense(self.embedding_size, dtype="float32", name=EMBEDDING, **settings)(x)
        x = layers.Identity(dtype="float32", name=OF_EXAMPLE)(x)
        if self.loss_function == "softmax":
            return layers.Dense(identities, dtype="float32", name=HEAD, **settings)(x)
        if self.loss_function == "aam_softmax":
            return ClassCosines(identities, dtype="float32", name=HEAD)(x)
        return UnitLength(dtype="float32", name=HEAD)(x)

    def check_batches(self, data: DataSpec, train: Split, size: int | None, is_oversampled: bool) -> None:
        """Raises KeyProblem where batches of contrastive would have few of one identity."""
        if self.loss_function != "contrastive":
            return
        if is_oversampled:
            raise KeyProblem("oversample", "must be false: contrastive reads some of an identity next to each other")
        most = partners(train, data, self._of_each, len(train))
        if not most:
            words = "cannot be any: no identity of the train part has two examples, of which contrastive needs pairs"
            raise KeyProblem("batch_size", words)
        if size is None or not 0 < size <= len(train):  # others are refused elsewhere
            return
        there = partners(train, data, self._of_each, size)
        if there < _LEAST_PARTNERS:
            words = f"too few pairs: about {there:.2g} other examples of its own identity in a batch"
            least = f"contrastive needs {_LEAST_PARTNERS:g} on average; a larger task.per_class gives more, too"
            raise KeyProblem("batch_size", f"must be larger on each device than {size}, which has {words}; {least}")

    def training_part(self, data: DataSpec, train: Split) -> Split:
        """Returns, for contrastive, the examples with some of each identity next to each other."""
        return by_class(train, data, self._of_each) if self.loss_function == "contrastive" else train

    def loss(self, data: DataSpec) -> Callable[[Any, Any], Any]:
        """Returns the loss of (positions of identities, outputs), (batch,); strangers' has no meaning."""
        ops, identities = keras.ops, len(data.target.class_names)

        def crossentropy(targets: Any, logits: Any) -> Any:
            wanted = ops.one_hot(ops.reshape(targets, (-1,)), identities, dtype="float32")
            return keras.losses.categorical_crossentropy(wanted, logits, from_logits=True)

        def with_margin(targets: Any, cosines: Any) -> Any:
            cosines = ops.clip(cosines, -_NEAR_1, _NEAR_1)
            sines = ops.sqrt(1 - ops.square(cosines))
            further = cosines * math.cos(self._margin) - sines * math.sin(self._margin)
            # Beyond pi - margin the cosine of the wider angle would rise again.
            fallen = cosines - math.sin(math.pi - self._margin) * self._margin
            further = ops.where(cosines > math.cos(math.pi - self._margin), further, fallen)
            own = ops.one_hot(ops.reshape(targets, (-1,)), identities, dtype="float32")
            return crossentropy(targets, self._scale * (own * further + (1 - own) * cosines))

        return {"softmax": crossentropy, "aam_softmax": with_margin, "contrastive": self._contrastive}[
            self.loss_function
        ]

    def _contrastive(self, targets: Any, embeddings: Any) -> Any:
        ops = keras.ops
        targets = ops.reshape(targets, (-1,))
        squares = ops.maximum(2 - 2 * ops.matmul(embeddings, ops.transpose(embeddings)), 1e-12)
        distances = ops.sqrt(squares)
        are_same = ops.cast(targets[:, None] == targets[None], "float32")
        others = 1 - are_same
        own = are_same * (1 - ops.eye(ops.shape(targets)[0], dtype="float32"))
        apart = ops.square(ops.maximum(self._margin - distances, 0))

        def mean(values: Any, weights: Any) -> Any:
            return ops.sum(values * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1)

        return 0.5 * (mean(squares, own) + mean(apart, others))

    def build_metrics(self, data: DataSpec) -> list[Any]:
        """Returns how often the own identity is predicted, where that is asked for."""

        def accuracy(targets: Any, outputs: Any) -> Any:
            return keras.metrics.sparse_categorical_accuracy(targets, outputs)

        return [keras.metrics.MeanMetricWrapper(accuracy, name="accuracy")] if "accuracy" in self.metrics else []

    def exported(self, data: DataSpec, model: Any) -> Any:
        """Returns the network up to its embedding, of length 1.

        Raises:
            KeyProblem: if the network does not end in the task's own head.
        """
        from dltrain.layers.unit_length import UnitLength

        found = [layer for layer in model.layers if layer.name == OF_EXAMPLE]
        if len(found) != 1:
            raise KeyProblem("name", ": verification needs a network that ends in data.head(x)")
        unit = UnitLength(dtype="float32", name="unit_length")
        return keras.Model(model.input, unit(found[0].output), name=model.name)

    def inference(self, data: DataSpec, model: Any) -> Callable[[Any], Any]:
        """Returns the embedding of each example, of length 1, (batch, numbers)."""
        embed = self.exported(data, model)
        return lambda inputs: embed(inputs, training=False)

    def measure(self, outcome: Outcome) -> dict[str, float]:
        """Returns what trials of a part tell."""
        trials = self._trials(outcome.data, outcome.known)
        scores = trials.scores(outcome.outputs)
        if not trials.are_of_both_kinds or not np.isfinite(scores).all():
            return dict.fromkeys(self.part_metrics, math.nan)  # which `undefined` takes the place of, of one kind
        rates = ErrorRates.of(scores, trials.are_same)
        equal, threshold = rates.equal
        found = {"eer": equal, "min_dcf": rates.least_cost(self.prior), _THRESHOLD: threshold}
        return {name: found[name] for name in self.part_metrics}

    def _trials(self, data: DataSpec, split: Split) -> Trials:
        return trials_of(data, split, self.most_trials, self.trials_seed)

    def undefined(self, data: DataSpec, split: Split) -> dict[str, str]:
        """Returns why a part without trials of both kinds has no error rates, and one of strangers no loss."""
        found: dict[str, str] = {}
        if (np.asarray(split.targets) < 0).any():
            why = "the part has identities that the train part does not have"
            found |= {"loss": why} | ({"accuracy": why} if "accuracy" in self.metrics else {})
        elif self.loss_function == "contrastive" and not is_by_class(split):
            found["loss"] = "contrastive depends on the pairs of a batch, which are those of training there alone"
        same, other = counted(data, split)
        if not same or not other:
            kind = "two examples of one identity" if not same else "examples of different identities"
            found |= dict.fromkeys(self.part_metrics, f"the part has no {kind}")
        return found

    def answers(self, outcome: Outcome, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns the embedding of each example."""
        return [{"embedding": row} for row in of_length_1(np.asarray(outcome.outputs, np.float64)).tolist()]

    def agree(self, data: DataSpec, outputs: Any, others: Any) -> np.ndarray:
        """Returns which embeddings point the same way."""
        return np.asarray(cosines(outputs, others) > _ALIKE)

    def likeness(self, data: DataSpec, outputs: Any, others: Any) -> float:
        """Returns the cosine of two embeddings."""
        return float(cosines(outputs, others).item())

    def chapters(self, outcome: Outcome) -> list[Chapter]:
        """Returns the scores of trials, the error rates over each other (DET), and the rates themselves."""
        from dltrain.tasks._verification_chapters import chapters

        return chapters(outcome, self._trials(outcome.data, outcome.known), self.prior)

    def mistakes(self, outcome: Outcome, count: int) -> Mistakes | None:
        """Returns the trials that are most wrong at the equal error rate's threshold, by their first example."""
        from dltrain.tasks._verification_chapters import mistakes

        return mistakes(outcome, self._trials(outcome.data, outcome.known), count)

    def describe(self, data: DataSpec) -> list[str]:
        """Returns of how many identities it is learnt, and what embeddings are."""
        return [
            f"whether two are of one identity, learnt of {len(data.target.class_names):,}",
            "the embedding, of length 1: the larger the cosine of two, the likelier they are of one identity.",
        ]

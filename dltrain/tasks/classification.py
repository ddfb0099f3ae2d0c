"""One class per example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dltrain.data import DataSpec, Outcome, Split
from dltrain.errors import KeyProblem
from dltrain.features.class_label import ClassLabel
from dltrain.fields import Fraction, NonNegativeFloat
from dltrain.lazy import keras, np
from dltrain.registry import TASKS, suggestion
from dltrain.tasks import Task
from dltrain.tasks._answers import extras
from dltrain.tasks._choices import OwnLoss, OwnMetric, build, larger_is_better, names
from dltrain.tasks._metrics import area, auc, class_logits, f1, odds

if TYPE_CHECKING:
    from dltrain.data.proposal import Keys, Proposal
    from dltrain.report.outcome import Mistakes
    from dltrain.report.parts import Chapter


_UNEVEN = 3
"""The commonest class has so many times as many examples as the rarest: `init` then weights them."""


@TASKS.register("classification")
class Classification(Task):
    """One class per example: softmax cross-entropy on logits and integer labels.

    Where augmentations mix examples, the labels of training are soft: shares of the classes, shifted by class weights.
    Its metrics then ask for the class with the largest share, and are often lower than those of validation.

    Args:
        metrics: what is measured beside the loss: accuracy, top_5_accuracy, auc (area under the ROC curve) and f1, both
            of the second of two classes, or the mean of each class against the rest; the first is what best checkpoints
            and early stopping go by.
        loss_function: none for cross-entropy; or a block of a plugin's, of integer labels (batch,) and logits.
        label_smoothing: share of each label that is spread over all classes, 0 to below 1 (Szegedy et al. 2015,
            section 7).
        class_weights: weight of each class in the training loss: none; balanced, inversely to how often a class occurs;
            or a mapping of class names, 1 where one is missing.
    """

    accepts: ClassVar = (ClassLabel,)
    options: ClassVar[Mapping[str, type]] = {"top_k": int, "probabilities": bool}
    activation: ClassVar[str | None] = "softmax"
    mixes: ClassVar[bool] = True
    distils: ClassVar[bool] = True

    metrics: tuple[Literal["accuracy", "top_5_accuracy", "auc", "f1"] | OwnMetric, ...] = ("accuracy",)
    loss_function: OwnLoss | None = None
    label_smoothing: Fraction = 0.0
    class_weights: Literal["balanced"] | dict[str, NonNegativeFloat] | None = None

    def __post_init__(self) -> None:
        names(self.metrics)
        if self.loss_function is not None and self.label_smoothing:
            raise KeyProblem("label_smoothing", "must be 0 beside a loss_function, which may smooth by itself")

    @property
    def balances(self) -> bool:
        """Whether `class_weights` is balanced."""
        return self.class_weights == "balanced"

    def check(self, data: DataSpec) -> None:
        """Raises ValueError where the task does not fit the data."""
        super().check(data)
        classes = data.target.class_names
        if len(classes) < 2:
            raise KeyProblem("name", f": classification needs at least 2 classes, the data have {len(classes)}")
        if "top_5_accuracy" in self.metrics and len(classes) <= 5:
            raise KeyProblem("metrics", f"must not hold top_5_accuracy: there are only {len(classes)} classes")
        for name in self.class_weights if isinstance(self.class_weights, dict) else ():
            if name not in classes:
                raise KeyProblem(f"class_weights.{name}", f"is not one of the classes{suggestion(name, list(classes))}")

    def larger_is_better(self, column: str) -> bool:
        """Whether more is better in a column of metrics.csv."""
        return larger_is_better(self.metrics, column, not column.endswith("loss"))

    def output_shape(self, data: DataSpec) -> tuple[int]:
        """Returns a logit for each class."""
        return (len(data.target.class_names),)

    def loss(self, data: DataSpec) -> Any:
        """Returns the loss of (labels, logits); labels are integers, (batch,), or soft, (batch, classes)."""
        if self.loss_function is not None:
            return self.loss_function.build()

        def crossentropy(labels: Any, logits: Any) -> Any:
            if not self.label_smoothing and not _is_soft(labels):
                return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
            wanted = labels if _is_soft(labels) else self.soft_targets(data, labels)
            return keras.losses.categorical_crossentropy(
                wanted, logits, from_logits=True, label_smoothing=self.label_smoothing
            )

        return crossentropy

    def soft_targets(self, data: DataSpec, targets: Any) -> Any:
        """Returns integer labels as shares of the classes, (batch, classes), float32: what may be mixed."""
        return keras.ops.one_hot(keras.ops.reshape(targets, (-1,)), len(data.target.class_names), dtype="float32")

    def build_metrics(self, data: DataSpec) -> list[Any]:
        """Returns the Keras metrics, named as in the config; they take integer and soft labels."""
        classes = len(data.target.class_names)
        seen = 1 if classes == 2 else classes

        def accuracy(labels: Any, logits: Any) -> Any:
            return keras.metrics.sparse_categorical_accuracy(_classes(labels), logits)

        def top_5_accuracy(labels: Any, logits: Any) -> Any:
            return keras.metrics.sparse_top_k_categorical_accuracy(_classes(labels), logits, 5)

        def against_the_rest(labels: Any, logits: Any) -> tuple[Any, Any]:
            return one_hot(_classes(labels))[:, classes - seen :], class_logits(logits)[:, classes - seen :]

        def actual_and_predicted(labels: Any, logits: Any) -> tuple[Any, Any]:
            chosen = one_hot(keras.ops.argmax(logits, axis=-1))
            return one_hot(_classes(labels))[:, classes - seen :], chosen[:, classes - seen :]

        def one_hot(labels: Any) -> Any:
            return keras.ops.one_hot(keras.ops.reshape(labels, (-1,)), classes)

        made = {
            "accuracy": lambda name: keras.metrics.MeanMetricWrapper(accuracy, name=name),
            "top_5_accuracy": lambda name: keras.metrics.MeanMetricWrapper(top_5_accuracy, name=name),
            "auc": lambda name: auc(name, seen, against_the_rest),
            "f1": lambda name: f1(name, seen, actual_and_predicted),
        }
        return build(self.metrics, made)

    @property
    def part_metrics(self) -> tuple[str, ...]:
        """The area under the ROC curve, which training estimates from bins."""
        return ("auc",) if "auc" in self.metrics else ()

    @property
    def training_names(self) -> list[str]:
        """All metrics: training estimates the area that a whole part has exactly."""
        return list(self.metrics)

    def measure(self, outcome: Outcome) -> dict[str, float]:
        """Returns the exact area under the ROC curve."""
        if not self.part_metrics:
            return {}
        classes = len(outcome.data.target.class_names)
        first = 1 if classes == 2 else 0
        has = outcome.targets[:, None] == np.arange(classes)
        return {"auc": area(odds(outcome.outputs)[:, first:], has[:, first:])}

    def undefined(self, data: DataSpec, split: Split) -> dict[str, str]:
        """Returns why a part of one class has no area under the ROC curve, and one without the second of two no F1."""
        names, counts = data.target.class_names, data.target.groups(split.targets).counts
        found = {}
        if "auc" in self.metrics and np.count_nonzero(counts) < 2:
            found["auc"] = f"the part has one class, {names[int(counts.argmax())]!r}"
        if "f1" in self.metrics and len(names) == 2 and not counts[1]:
            found["f1"] = f"the part has no example of class {names[1]!r}"
        return found

    def weights(self, data: DataSpec, targets: np.ndarray) -> np.ndarray | None:
        """Returns the weight of each class, (classes,), float32; none where all are equal.

        Args:
            data: what the classes are.
            targets: the training labels.
        """
        if self.class_weights is None:
            return None
        classes = len(data.target.class_names)
        if isinstance(self.class_weights, dict):
            return np.array([self.class_weights.get(name, 1.0) for name in data.target.class_names], np.float32)
        counts = data.target.groups(targets).counts
        return (len(targets) / (classes * np.maximum(counts, 1))).astype(np.float32)

    def score(self, data: DataSpec, outputs: Any) -> Any:
        """Returns the largest logit."""
        return keras.ops.max(outputs, axis=1)

    def distillation_loss(self, data: DataSpec, teacher: Any, outputs: Any, temperature: float) -> Any:
        """Returns temperature^2 * KL(softmax(teacher / temperature) || softmax(outputs / temperature)), (batch,).

        G. Hinton, O. Vinyals and J. Dean, "Distilling the knowledge in a neural network", 2015, section 2. The paper's
        cross-entropy is larger by the teacher's entropy, which has no gradient: here a perfect student's loss is 0.

        Args:
            data: what the classes are.
            teacher: logits, (batch, classes).
            outputs: likewise.
            temperature: above 1 softens both.
        """
        ops = keras.ops
        wanted = ops.log_softmax(ops.stop_gradient(teacher) / temperature)
        got = ops.log_softmax(outputs / temperature)
        return temperature**2 * ops.sum(ops.exp(wanted) * (wanted - got), axis=-1)

    def agree(self, data: DataSpec, outputs: Any, others: Any) -> np.ndarray:
        """Returns which examples are taken for the same class."""
        return np.asarray(outputs.argmax(axis=1) == others.argmax(axis=1))

    def baselines(self, data: DataSpec, train: Split, part: Split) -> dict[str, np.ndarray]:
        """Returns logits that ignore the inputs: how often each class is in the train part."""
        counts = data.target.groups(train.targets).counts
        words = f"always {data.target.class_names[int(counts.argmax())]!r}, the most frequent class"
        return {words: np.log(np.maximum(counts, 0.5) / len(train)).astype(np.float32)[None]}

    def answers(self, outcome: Outcome, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns the likeliest class of each example and its probability.

        Args:
            outcome: logits, (examples, classes).
            options: `top_k`, beyond 1: the likeliest classes come too, as `top`; `probabilities`: that of each class.
        """
        from dltrain.report import scores

        names, outputs = outcome.data.target.class_names, outcome.outputs
        shares = scores.softmax(outputs)
        predicted = zip(outputs.argmax(axis=1).tolist(), shares.tolist(), strict=True)
        beside = extras("class", names, outputs, shares, options)
        return [
            {"class": names[place], "probability": row[place], **extra}
            for (place, row), extra in zip(predicted, beside, strict=True)
        ]

    def describe(self, data: DataSpec) -> list[str]:
        """Returns how many classes there are, and that outputs are logits of these."""
        return [
            f"{len(data.target.class_names):,} classes",
            "logits; softmax turns them into probabilities.",
            "the probability of each class; they sum to 1.",
        ]

    def chapters(self, outcome: Outcome) -> list[Chapter]:
        """Returns confusion, measures of each class, ROC and PR, calibration."""
        from dltrain.report import classes, scores
        from dltrain.report.parts import Chapter

        names, actual = outcome.data.target.class_names, outcome.targets
        shares, predicted = scores.softmax(outcome.outputs), outcome.outputs.argmax(axis=1)
        positions = np.arange(len(names))
        found = classes.measure(names, shares, actual[:, None] == positions, predicted[:, None] == positions)
        # Of two classes one curve is the other's mirror: the second's, as in the metrics.
        first = 1 if len(names) == 2 else 0
        note = "confidence: probability of the predicted class"
        reliability = classes.reliability(shares.max(axis=1), predicted == actual, "share of correct predictions", note)
        return [
            Chapter("Classes", [*classes.confused(names, actual, predicted, outcome.part), classes.class_table(found)]),
            Chapter("Confidence", [*classes.trade_offs(names[first:], found.rankings[first:]), reliability]),
        ]

    def mistakes(self, outcome: Outcome, count: int) -> Mistakes:
        """Returns the examples whose actual class has the smallest probability, of those that are wrong."""
        from dltrain.report import classes, scores
        from dltrain.report.outcome import Mistake, Mistakes

        names, actual = outcome.data.target.class_names, outcome.targets
        predicted, shares = outcome.outputs.argmax(axis=1), scores.softmax(outcome.outputs)
        wrong = np.flatnonzero(predicted != actual)
        of_actual = shares[wrong, actual[wrong]]
        worst = wrong[np.argsort(of_actual, kind="stable")][:count]
        found = [
            Mistake(
                int(place), names[actual[place]], names[predicted[place]],
                f"{shares[place, predicted[place]]:.1%} sure; {shares[place, actual[place]]:.2%} for the actual class",
            )
            for place in worst
        ]  # fmt: skip
        note = "the smallest probability of the actual class first"
        return Mistakes(
            classes.counted(len(worst), len(wrong), "mistake", "mistakes"), found, note if found else "", wrong.tolist()
        )

    def starter(self, data: DataSpec, examples: Proposal) -> Keys:
        """Returns the metrics; where classes are uneven, F1 and weights too."""
        counts = [count for count in examples.counts.values() if count]
        is_uneven = bool(counts) and max(counts) >= _UNEVEN * min(counts)
        keys: Keys = {"metrics": (["accuracy"] + ["f1"] * is_uneven, "or top_5_accuracy, auc, f1")}
        if is_uneven:
            words = f"the classes have {min(counts):,} to {max(counts):,} examples; none to count each example alike"
            keys["class_weights"] = ("balanced", words)
        return keys


def _is_soft(labels: Any) -> bool:
    return len(labels.shape) == 2 and labels.shape[1] != 1  # Keras may write (batch,) as (batch, 1)


def _classes(labels: Any) -> Any:
    return keras.ops.argmax(labels, axis=-1) if _is_soft(labels) else labels

"""Any number of labels per example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dltrain.data import DataSpec, Outcome, Split
from dltrain.errors import KeyProblem
from dltrain.features.labels import Labels
from dltrain.fields import Fraction
from dltrain.lazy import keras, np
from dltrain.registry import TASKS
from dltrain.tasks import Task
from dltrain.tasks._answers import extras
from dltrain.tasks._choices import OwnLoss, OwnMetric, build, larger_is_better, names
from dltrain.tasks._metrics import area, auc, f1

if TYPE_CHECKING:
    from dltrain.data.proposal import Keys, Proposal
    from dltrain.report.outcome import Mistakes
    from dltrain.report.parts import Chapter


@TASKS.register("multilabel")
class Multilabel(Task):
    """Any number of labels per example: binary cross-entropy on a logit for each label.

    Args:
        metrics: what is measured beside the loss: accuracy (labels that are right, at a probability of 0.5), auc (area
            under the ROC curve, mean of the labels), f1 (mean of the labels'). The first decides what is best.
        loss_function: none for cross-entropy; or a block of a plugin's, of labels and logits, both (batch, labels).
        label_smoothing: share of each label that is moved towards one half, 0 to below 1.
    """

    accepts: ClassVar = (Labels,)
    options: ClassVar[Mapping[str, type]] = {"top_k": int, "probabilities": bool}
    activation: ClassVar[str | None] = "sigmoid"

    metrics: tuple[Literal["accuracy", "auc", "f1"] | OwnMetric, ...] = ("auc", "accuracy", "f1")
    loss_function: OwnLoss | None = None
    label_smoothing: Fraction = 0.0

    def __post_init__(self) -> None:
        names(self.metrics)
        if self.loss_function is not None and self.label_smoothing:
            raise KeyProblem("label_smoothing", "must be 0 beside a loss_function, which may smooth by itself")

    def larger_is_better(self, column: str) -> bool:
        """Whether more is better in a column of metrics.csv."""
        return larger_is_better(self.metrics, column, not column.endswith("loss"))

    def output_shape(self, data: DataSpec) -> tuple[int]:
        """Returns a logit for each label."""
        return (len(data.target.class_names),)

    def loss(self, data: DataSpec) -> Any:
        """Returns the loss of (labels of 0 and 1, logits), both (batch, labels)."""
        if self.loss_function is not None:
            return self.loss_function.build()
        return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=self.label_smoothing)

    def build_metrics(self, data: DataSpec) -> list[Any]:
        """Returns the Keras metrics, named as in the config."""
        labels = len(data.target.class_names)
        made = {
            "accuracy": lambda name: keras.metrics.BinaryAccuracy(name=name, threshold=0.0),
            "auc": lambda name: auc(name, labels, lambda wanted, logits: (wanted, logits)),
            "f1": lambda name: f1(name, labels, lambda wanted, logits: (wanted, logits > 0)),
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
        return {"auc": area(outcome.outputs, outcome.targets > 0.5)} if self.part_metrics else {}

    def undefined(self, data: DataSpec, split: Split) -> dict[str, str]:
        """Returns why a part has no area under the ROC curve, where no label is in some examples and not in others."""
        counts, found = data.target.groups(split.targets).counts, {}
        if "auc" in self.metrics and not ((counts > 0) & (counts < len(split))).any():
            found["auc"] = "each label is in all of the part's examples or in none"
        if "f1" in self.metrics and not counts.any():
            found["f1"] = "no example of the part has a label"
        return found

    def agree(self, data: DataSpec, outputs: Any, others: Any) -> np.ndarray:
        """Returns of which examples all labels are on the same side of what decides."""
        middle = 0.5 if outputs.min() >= 0 and outputs.max() <= 1 else 0.0  # probabilities, or logits
        return np.asarray(((outputs > middle) == (others > middle)).all(axis=1))

    def baselines(self, data: DataSpec, train: Split, part: Split) -> dict[str, np.ndarray]:
        """Returns logits that ignore the inputs: how often each label is there in the train part."""
        shares = np.clip(train.targets.mean(axis=0, dtype=np.float64), 1e-6, 1 - 1e-6)
        return {"for each label the more frequent value": np.log(shares / (1 - shares)).astype(np.float32)[None]}

    def answers(self, outcome: Outcome, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns the labels of a probability above 0.5 of each example, and these.

        Args:
            outcome: logits, (examples, labels).
            options: `top_k`, beyond 1: the likeliest labels come too, as `top`; `probabilities`: that of each label.
        """
        from dltrain.report import scores

        names, outputs = outcome.data.target.class_names, outcome.outputs
        shares = scores.sigmoid(outputs)
        predicted = (np.flatnonzero(logits > 0).tolist() for logits in outputs)
        beside = extras("label", names, outputs, shares, options)
        return [
            {"labels": [names[place] for place in chosen], "probability": [row[place] for place in chosen], **extra}
            for chosen, row, extra in zip(predicted, shares.tolist(), beside, strict=True)
        ]

    def describe(self, data: DataSpec) -> list[str]:
        """Returns how many labels there are, and that outputs are logits of these."""
        return [
            f"{len(data.target.class_names):,} labels",
            "logits; sigmoid turns them into probabilities.",
            "the probability of each label; an example has those above 0.5.",
        ]

    def chapters(self, outcome: Outcome) -> list[Chapter]:
        """Returns measures of each label, ROC and PR, calibration."""
        from dltrain.report import classes, scores
        from dltrain.report.parts import Chapter

        has, predicted, shares = outcome.targets > 0.5, outcome.outputs > 0, scores.sigmoid(outcome.outputs)
        found = classes.measure(outcome.data.target.class_names, shares, has, predicted)
        note = "confidence: probability of a label, all labels together"
        reliability = classes.reliability(shares.ravel(), has.ravel(), "share of labels that are present", note)
        return [
            Chapter(
                "Labels",
                [classes.class_table(found)],
                f"{outcome.part} part; a label is predicted from a probability of 0.5",
            ),
            Chapter("Confidence", [*classes.trade_offs(found.names, found.rankings), reliability]),
        ]

    def mistakes(self, outcome: Outcome, count: int) -> Mistakes:
        """Returns the examples of the largest cross-entropy, of those with a wrong label."""
        from dltrain.report import classes, scores
        from dltrain.report.outcome import Mistake, Mistakes

        names, has, shares = outcome.data.target.class_names, outcome.targets > 0.5, scores.sigmoid(outcome.outputs)
        is_wrong = has != (outcome.outputs > 0)
        wrong = np.flatnonzero(is_wrong.any(axis=1))
        losses = np.logaddexp(0, np.where(has, -outcome.outputs, outcome.outputs)).sum(axis=1)
        found = []
        for place in wrong[np.argsort(-losses[wrong], kind="stable")][:count]:
            actual, predicted = (classes.listed([names[index] for index in np.flatnonzero(row)])
                          for row in (has[place], outcome.outputs[place] > 0))  # fmt: skip
            odd = np.flatnonzero(is_wrong[place])
            odd = odd[np.argsort(-np.abs(outcome.outputs[place, odd]), kind="stable")]
            sure = classes.listed([f"{names[index]} {shares[place, index]:.2g}" for index in odd])
            found.append(Mistake(int(place), actual, predicted, f"wrong: {sure}"))
        note = "the largest cross-entropy first, with the probability of each wrong label"
        many = "examples with a wrong label"
        title = classes.counted(len(found), len(wrong), "example with a wrong label", many)
        return Mistakes(title, found, note if found else "", wrong.tolist())

    def starter(self, data: DataSpec, examples: Proposal) -> Keys:
        """Returns the metrics."""
        return {"metrics": (["auc"], "or accuracy, f1")}

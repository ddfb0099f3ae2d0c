"""What the target means: loss, metrics, answers and mistakes. One task per file, the file's stem its registered name.

`Task` is the contract. A task must have `accepts`, `output_shape`, `loss`, `inference` and `answers`, the last two with
defaults for outputs that are numbers; the rest has defaults that say that there is no such thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from dltrain.data import Change, DataSpec, Feature, Outcome, Split, trees
from dltrain.data.spec import HEAD
from dltrain.errors import KeyProblem
from dltrain.lazy import keras, np
from dltrain.registry import Choice, short_name

if TYPE_CHECKING:
    from dltrain.data.proposal import Keys, Proposal
    from dltrain.figures.page import Panel
    from dltrain.report.outcome import Mistakes
    from dltrain.report.parts import Chapter


class Task(Choice):
    """What the target means."""

    accepts: ClassVar[tuple[type[Feature], ...]] = ()
    """The targets that it takes; none where it makes them of the inputs."""
    options: ClassVar[Mapping[str, type]] = {}
    """Of `predict` and the server, by name: what `answers` may be asked for; int (from 1), float, bool or str."""
    no_option: ClassVar[str] = "the run's task has no such option"
    """What is said where an option is asked for that the task does not have."""
    activation: ClassVar[str | None] = None
    """What makes probabilities of outputs; exports end in it."""
    mixes: ClassVar[bool] = False
    """Whether targets may be averaged, as `soft_targets` makes them: else examples cannot be mixed."""
    compares: ClassVar[bool] = False
    """Whether results mean little without those of its `baselines`, which `fit` and `eval` then measure too."""
    distils: ClassVar[bool] = False
    """Whether a teacher's outputs can be learnt from, by `distillation_loss`."""
    alike: ClassVar[str] = "as before"
    """What answers are that `agree` counts."""
    metrics: Sequence[Any] = ()

    @property
    def part_metrics(self) -> tuple[str, ...]:
        """What only a whole part of the data can tell, or tells exactly, which `measure` returns."""
        return ()

    @property
    def balances(self) -> bool:
        """Whether rare classes count more by the task's own weights: then they are not to be drawn more often too."""
        return False

    def check(self, data: DataSpec) -> None:
        """Makes sure that the task fits the data.

        Raises:
            ValueError: if it does not; begins with the key that is to blame.
        """
        targets = [*data.targets.values()]
        if self.accepts and not (len(targets) == 1 and isinstance(targets[0], self.accepts)):
            wanted = " or ".join(each.plural or each.registered_name for each in self.accepts)
            there = " and ".join(each.plural or each.registered_name for each in targets) or "no target"
            others = " or ".join(dict.fromkeys(each.task for each in targets if each.task))
            beside = f": {others}" if others else ""
            raise KeyProblem("name", f": {self.registered_name} needs {wanted}, the data have {there}{beside}")

    @property
    def metric_names(self) -> list[str]:
        """The columns of metrics.csv that it measures, the first of which decides what is best."""
        return [*dict.fromkeys([*map(short_name, self.metrics), *self.part_metrics])]

    @property
    def training_names(self) -> list[str]:
        """Those of them that training measures in its own steps, which need no whole part."""
        return [name for name in map(short_name, self.metrics) if name not in self.part_metrics]

    @property
    def monitored_names(self) -> list[str]:
        """Those of them that more or less of is better: a column that is no such is no monitor."""
        return self.metric_names

    @property
    def monitor(self) -> str:
        """The column of metrics.csv that says which epoch is best, where there are validation data."""
        return f"val_{self.metric_names[0]}" if self.metric_names else "val_loss"

    def larger_is_better(self, column: str) -> bool:
        """Whether more is better in a column of metrics.csv."""
        return not column.endswith("loss")

    def output_shape(self, data: DataSpec) -> Any:
        """Returns the shape of a network's outputs for one example; none where the network decides.

        Of several targets it is a dict of such by target, as are the outputs, `loss`, `build_metrics`, `weights` and
        the results of `inference`; the columns of metrics begin with the target's name and `_`.
        """
        raise NotImplementedError(f"{type(self).__name__} must have output_shape(data)")

    def head(self, data: DataSpec, x: Any, inputs: Any = None, embedding: Any = None, **settings: Any) -> Any:
        """Returns a network's outputs, float32, in the target's units.

        Args:
            data: what the network is for.
            x: what it found, (batch, features); (batch, tokens, features) where the shape of the outputs begins with
                none, and each token has an answer.
            inputs: the network's symbolic inputs.
            embedding: the keras.layers.ReversibleEmbedding that made vectors of the inputs' tokens, for outputs that
                are tokens again; none where the network has none.
            settings: more arguments of the last Dense layer; `members`, how many networks found `x`, (batch, members,
                features), each of which then has a last layer of its own.
        """
        shape, members = self.output_shape(data), settings.pop("members", None)

        def dense(shape: Any, name: str) -> Any:
            units, settings_of = shape[-1], {"dtype": "float32", "name": name, **settings}
            if members is None:
                return keras.layers.Dense(units, **settings_of)(x)
            each = (members, units)
            return keras.layers.EinsumDense("bmf,mfu->bmu", each, bias_axes="mu", **settings_of)(x)

        if isinstance(shape, dict):
            return {name: dense(each, f"{HEAD}_{name}") for name, each in shape.items()}
        return dense(shape, HEAD)

    def training_part(self, data: DataSpec, train: Split) -> Split:
        """Returns the train part as training reads it, an example in the place of each: by default as it is.

        Inspection, evaluation and `predict` see the part itself.
        """
        return train

    def check_batches(self, data: DataSpec, train: Split, size: int | None, is_oversampled: bool) -> None:
        """Makes sure that batches have what the loss is of: by default that is an example at a time.

        Args:
            data: what the data are.
            train: the train part.
            size: examples of a batch on one device; none where it is not known yet.
            is_oversampled: whether `train.oversample` draws the examples, in no order of a part's own.

        Raises:
            KeyProblem: if they do not; of a key of the block `train`.
        """

    def prepare(self, data: DataSpec) -> Change | None:
        """Returns the last change of each batch, in evaluation too (tokens masked, targets packed); none for none.

        It is called in the graph with a `Batch` of tensors of their features' types and a seed, int32, (2,). What
        `inference` is given, for `predict`, the report and `measure`, are examples without it.
        """
        return None

    def loss(self, data: DataSpec) -> Any:
        """Returns the loss of (targets, outputs), (batch,): one number for each example.

        It is a Keras loss, or a function: targets are as their feature stores them, or as `prepare` or `soft_targets`
        made them, a batch of them; outputs are the network's, (batch, *output_shape).
        """
        raise NotImplementedError(f"{type(self).__name__} must have loss(data)")

    def build_metrics(self, data: DataSpec) -> Any:
        """Returns the Keras metrics, named as in the config; of several targets a dict of lists by target."""
        return []

    def weights(self, data: DataSpec, targets: Any) -> Any:
        """Returns how much training examples of each class count, (classes,), float32; none where all count the same.

        Of several targets it is a dict of such, of those that have weights. How much an example counts by itself, the
        dataset says (`Split.weights`), or `prepare`, or the loss.

        Args:
            data: what the classes are.
            targets: those of the train part.
        """
        return None

    def soft_targets(self, data: DataSpec, targets: Any) -> Any:
        """Returns targets as what may be averaged, (batch, shares), float32; asked only of a task that `mixes`."""
        raise NotImplementedError(f"{type(self).__name__} has no targets that can be mixed")

    def distillation_loss(self, data: DataSpec, teacher: Any, outputs: Any, temperature: float) -> Any:
        """Returns how far outputs are from a teacher's, (batch,); asked only of a task that `distils`."""
        raise NotImplementedError(f"{type(self).__name__} cannot be taught")

    def inference(self, data: DataSpec, model: Any) -> Callable[[Any], Any]:
        """Returns the function of a batch of inputs whose results leave the device: by default the network's outputs.

        Its results are an array, or a dict of arrays, an example along the first axis. `measure`, `answers`, `chapters`
        and the like get these; Keras metrics, and exports, get the outputs. Of an example with several views each is
        a row of the batch, and the results are averaged.
        """
        return lambda inputs: model(inputs, training=False)

    def exported(self, data: DataSpec, model: Any) -> Any:
        """Returns the network that exports hold: by default as it was trained.

        Args:
            data: what the data are.
            model: a trained network.

        Raises:
            KeyProblem: if it has no such part.
        """
        return model

    def score(self, data: DataSpec, outputs: Any) -> Any:
        """Returns the number of each example that Grad-CAM explains, (batch,)."""
        ops = keras.ops
        return sum(ops.max(ops.reshape(each, (ops.shape(each)[0], -1)), axis=1) for each in trees.leaves(outputs))

    def measure(self, outcome: Outcome) -> dict[str, float]:
        """Returns the `part_metrics` of a whole part; they take the place of Keras metrics of their names."""
        return {}

    def undefined(self, data: DataSpec, split: Split) -> dict[str, str]:
        """Returns which metrics, the loss too, a part cannot have, and why: no number takes their place."""
        return {}

    def answers(self, outcome: Outcome, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns what each output means, as plain values.

        Args:
            outcome: outputs; what is right is not known of those that a user asks about.
            options: what was asked for, by the names of `options`; one that is missing was not.
        """
        return [{"outputs": row} for row in np.asarray(outcome.outputs).astype(np.float64).tolist()]

    def aligned(self, data: DataSpec, outputs: Any, others: Any) -> Any:
        """Returns the outputs of an export in the order of the network's own, where one may differ: as they are.

        Args:
            data: what the data are.
            outputs: of a network as `exported` returned it.
            others: the same from another runtime, whose order is that of the result.
        """
        return outputs

    def agree(self, data: DataSpec, outputs: Any, others: Any) -> np.ndarray:
        """Returns which examples two sets of a network's outputs answer alike, (examples,), bool."""

        def alike(outputs: Any, others: Any) -> np.ndarray:
            one, other = (np.asarray(each, np.float64).reshape(len(each), -1) for each in (outputs, others))
            return np.asarray(np.isclose(one, other, rtol=1e-2, atol=1e-2).all(axis=1))

        return np.logical_and.reduce(trees.leaves(trees.mapped(alike, outputs, others)))

    def baselines(self, data: DataSpec, train: Split, part: Split) -> dict[str, np.ndarray]:
        """Returns what networks that know less would end in, by what they are called.

        Outputs as the network's own, not as `inference` makes them: Keras metrics get them as they are, and `measure`
        gets what `inference` makes of a network that ends in them; where that asks a network for anything but its
        outputs there is no baseline. (1, *outputs) are the same for all examples; else (examples, *outputs).

        Args:
            data: what the data are.
            train: the train part, of which all may be known.
            part: what is answered.
        """
        return {}

    def likeness(self, data: DataSpec, outputs: Any, others: Any) -> float | None:
        """Returns how alike two examples are; none where the task does not tell.

        They are taken for the same from the `threshold` on that `measure` finds.

        Args:
            data: what the data are.
            outputs: as `inference` gave them, of one example.
            others: of the other.
        """
        return None

    def panels(self, data: DataSpec, train: Split, model: Any) -> Sequence[Panel]:
        """Returns what `preview` draws of the train part beside what its features say.

        Args:
            data: what the data are.
            train: the train part.
            model: the network, which has learnt nothing yet.
        """
        return []

    def vectors(self, data: DataSpec, model: Any) -> dict[str, tuple[Sequence[str] | None, np.ndarray]]:
        """Returns tables of vectors that a network has learnt, by what they are of, for exports and `similar`.

        Where there are `documents` there are `words`, and `inference` gives `vectors` of texts, and how many words of
        each are `known`.

        Returns:
            the names and (names, numbers); no names where the rows are the examples of the train part.
        """
        return {}

    def annotated(self, outcome: Outcome, options: Mapping[str, Any]) -> list[np.ndarray]:
        """Returns each example with its answer on it, for `predict --pictures`; nothing where answers have no places.

        Args:
            outcome: as of `answers`.
            options: likewise.

        Returns:
            (height, width, 3), uint8, each.
        """
        return []

    def pictures(self, outcome: Outcome) -> Sequence[Panel]:
        """Returns what answers look like, for `predict --png`; nothing where they are not drawn."""
        return []

    def chapters(self, outcome: Outcome) -> list[Chapter]:
        """Returns figures and tables of how good outputs are, for the report."""
        return []

    def mistakes(self, outcome: Outcome, count: int) -> Mistakes | None:
        """Returns the examples that are most wrong, at most so many; none where the task does not tell."""
        return None

    def describe(self, data: DataSpec) -> list[str]:
        """Returns what is asked for ("3 classes"), what the outputs are, and what they are behind the `activation`.

        The last line is missing where the task has no activation.
        """
        return [self.registered_name, "numbers, as the task has them."]

    def starter(self, data: DataSpec, examples: Proposal) -> Keys:
        """Returns the keys of the block that `init` writes behind its name.

        Args:
            data: what the data are.
            examples: what was seen of them.
        """
        return {}

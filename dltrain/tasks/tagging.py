"""One tag per word."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dltrain.data import DataSpec, Outcome, Split
from dltrain.errors import KeyProblem
from dltrain.features._text import spans
from dltrain.features.sentence import STARTS, WORDS, Sentence
from dltrain.features.tags import Tags
from dltrain.lazy import keras, np, tf
from dltrain.registry import TASKS
from dltrain.tasks import Task
from dltrain.tasks._tokens import NOT_ASKED, accuracy, mean_of_asked

if TYPE_CHECKING:
    from dltrain.data.proposal import Keys, Proposal
    from dltrain.report.parts import Chapter

Tagged = tuple[list[str], list[str]]
"""The actual tags of a sentence's words, and the predicted ones."""

_OF_SPANS = ("f1", "precision", "recall")


@TASKS.register("tagging")
class Tagging(Task):
    """One tag per word of a sentence, such as names as BIO marks them, or parts of speech: softmax cross-entropy.

    The loss is the mean over a sentence's words, each answered at its first token. Where tags mark spans, a span is
    found that has the right type, and begins and ends at the right words: f1, precision and recall are of all spans of
    a part together, as conlleval and seqeval count them. Words behind a cut are neither learnt nor measured.

    Args:
        metrics: what is measured beside the loss: f1, precision and recall of spans; accuracy of the tags of all words;
            the first is what best checkpoints and early stopping go by. Tags that mark no spans have accuracy alone.
        strict: count no predicted span that does not begin with B; else a tag that cannot follow the one before it
            begins a span, as in conlleval.
    """

    accepts: ClassVar = (Tags,)
    options: ClassVar[Mapping[str, type]] = {"probabilities": bool}
    activation: ClassVar[str | None] = "softmax"

    metrics: tuple[Literal["f1", "precision", "recall", "accuracy"], ...] = ("f1", "accuracy")
    strict: bool = False

    @property
    def part_metrics(self) -> tuple[str, ...]:
        """What spans are measured by: they may be of several words."""
        return tuple(name for name in self.metrics if name in _OF_SPANS)

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no sentences with tags, or spans are measured where there are none."""
        super().check(data)
        inputs = [*data.inputs.values()]
        if len(inputs) != 1 or not isinstance(inputs[0], Sentence):
            there = " and ".join(each.plural or each.registered_name for each in inputs)
            raise KeyProblem("name", f": tagging needs sentences as words, the data have {there}")
        names = data.target.tag_names
        if len(names) < 2:
            raise KeyProblem("name", f": tagging needs at least 2 tags, the data have {', '.join(names) or 'none'}")
        if self.part_metrics and not data.target.have_spans:
            words = f"must be [accuracy]: the tags mark no spans as B-PER and I-PER do ({', '.join(names[:5])})"
            raise KeyProblem("metrics", words)

    def output_shape(self, data: DataSpec) -> tuple[None, int]:
        """Returns a logit for each tag, at each token of a sentence."""
        return (None, len(data.target.tag_names))

    def loss(self, data: DataSpec) -> Callable[[Any, Any], Any]:
        """Returns the mean cross-entropy over a sentence's words, (batch,)."""

        def crossentropy(targets: Any, logits: Any) -> Any:
            ops = keras.ops
            is_word = targets != NOT_ASKED
            known = ops.where(is_word, targets, 0)
            found = keras.losses.sparse_categorical_crossentropy(known, logits, from_logits=True)
            return mean_of_asked(targets, ops.where(is_word, found, 0.0))

        return crossentropy

    def build_metrics(self, data: DataSpec) -> list[Any]:
        """Returns the accuracy of all words' tags."""
        return [accuracy()] if "accuracy" in self.metrics else []

    def inference(self, data: DataSpec, model: Any) -> Callable[[Any], Any]:
        """Returns the likeliest tag of each token, and its probability."""

        def likeliest(inputs: Any) -> dict[str, Any]:
            shares = tf.nn.softmax(model(inputs, training=False))
            return {
                "tags": tf.argmax(shares, axis=-1, output_type=tf.int32),
                "probabilities": tf.reduce_max(shares, axis=-1),
            }

        return likeliest

    def score(self, data: DataSpec, outputs: Any) -> Any:
        """Returns the mean of the highest logits."""
        return keras.ops.mean(keras.ops.max(outputs, axis=-1), axis=1)

    def measure(self, outcome: Outcome) -> dict[str, float]:
        """Returns F1, precision and recall of all spans together; 0 where they would be divided by 0."""
        right, actual, predicted = (sum(counts.values()) for counts in self._counted(outcome))
        found = {
            "f1": 2 * right / max(actual + predicted, 1),
            "precision": right / max(predicted, 1),
            "recall": right / max(actual, 1),
        }
        return {name: found[name] for name in self.part_metrics}

    def undefined(self, data: DataSpec, split: Split) -> dict[str, str]:
        """Returns why a part without a span has no F1 and no recall."""
        names, there = data.target.tag_names, np.unique(split.targets.values)
        if not self.part_metrics or any(place != NOT_ASKED and names[place] != spans.OUTSIDE for place in there):
            return {}
        return {name: "the part has no span" for name in self.part_metrics if name != "precision"}

    def answers(self, outcome: Outcome, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns the words of each sentence, the tag of each, and the spans that these mark.

        Args:
            outcome: outputs of `inference`, and the facts of each sentence.
            options: `probabilities`: that of each word's tag.
        """
        names, found = outcome.data.target.tag_names, []
        each = (outcome.metadata[WORDS], outcome.metadata[STARTS], *map(outcome.outputs.get, ("tags", "probabilities")))
        for words, starts, tags, shares in zip(*each, strict=True):
            seen = [str(word) for word in words[: len(starts)]]
            predicted = [names[place] for place in np.asarray(tags)[starts].tolist()]
            answer: dict[str, Any] = {"words": seen, "tags": predicted}
            if outcome.data.target.have_spans:
                answer["spans"] = [
                    {"type": kind, "text": " ".join(seen[start:end]), "start": start, "end": end}
                    for kind, start, end in self._spans(predicted)
                ]
            if options.get("probabilities"):
                answer["probabilities"] = np.asarray(shares, np.float64)[starts].tolist()
            found.append(answer)
        return found

    def agree(self, data: DataSpec, outputs: Any, others: Any) -> np.ndarray:
        """Returns which sentences have the same likeliest tag at each token."""
        return np.array(
            [(one.argmax(-1) == other.argmax(-1)).all() for one, other in zip(outputs, others, strict=True)]
        )

    def baselines(self, data: DataSpec, train: Split, part: Split) -> dict[str, np.ndarray]:
        """Returns what those end in who know how often each word has each tag, and nothing of those around it."""
        tags, longest = len(data.target.tag_names), max(1, part.inputs.longest)
        counts: defaultdict[str, np.ndarray] = defaultdict(lambda: np.zeros(tags))
        for word, _, tag in _each_word(train):
            counts[word][tag] += 1
        usual = sum(counts.values(), np.full(tags, 0.5))
        known = {word: np.log(found + 1e-3 * usual / usual.sum()) for word, found in counts.items()}
        outputs = np.zeros((len(part), longest, tags), np.float32)
        for row, (words, starts) in enumerate(zip(part.metadata[WORDS], part.metadata[STARTS], strict=True)):
            for word, place in zip(words, starts.tolist(), strict=False):
                outputs[row, place] = known[word] if word in known else np.log(usual)
        return {"the most frequent tag of each word": outputs}

    def chapters(self, outcome: Outcome) -> list[Chapter]:
        """Returns measures of each type, which tags are taken for which, and the worst sentences."""
        from dltrain.report import sentences

        target, tagged, found = outcome.data.target, self._tagged(outcome), []
        kinds = {tag: spans.parted(tag)[1] or tag for tag in target.tag_names} if target.have_spans else {}
        facts = outcome.metadata[WORDS], outcome.metadata[STARTS], outcome.outputs["probabilities"]
        places = outcome.known.provenance or [f"{outcome.part}[{row}]" for row in range(len(outcome.known))]
        for row, ((actual, predicted), words, starts, shares) in enumerate(zip(tagged, *facts, strict=True)):
            if len(starts):
                seen, of_words = words[: len(starts)].tolist(), np.asarray(shares)[starts].tolist()
                found.append(sentences.TaggedSentence(seen, actual, predicted, of_words, places[row]))
        every = kinds or {tag: tag for tag in target.tag_names}
        lost = sum(len(words) - len(starts) for words, starts in zip(*facts[:2], strict=True))
        return sentences.chapters(found, every, self._spans if target.have_spans else None, outcome.part, lost)

    def describe(self, data: DataSpec) -> list[str]:
        """Returns how many tags there are, and that outputs are logits of these."""
        count = len(data.target.tag_names)
        return [
            f"{count:,} tags of words",
            f"logits of {count:,} tags at each token, in the order of tags.json; that of a word is at its first token.",
            "the probability of each tag at each token; they sum to 1.",
        ]

    def starter(self, data: DataSpec, examples: Proposal) -> Keys:
        """Returns the metrics."""
        if data.target.have_spans:
            return {"metrics": (["f1", "accuracy"], "f1, precision and recall of spans; accuracy of words' tags")}
        return {"metrics": (["accuracy"], "of words' tags; these mark no spans, which f1 would be of")}

    def _tagged(self, outcome: Outcome) -> Iterator[Tagged]:
        """Yields the actual and the predicted tags of the words of each sentence."""
        names = outcome.data.target.tag_names
        for targets, tags in zip(outcome.targets, outcome.outputs["tags"], strict=True):
            is_word = np.asarray(targets) != NOT_ASKED
            predicted = np.asarray(tags)[: len(is_word)][is_word]
            yield [names[place] for place in np.asarray(targets)[is_word]], [names[place] for place in predicted]

    def _spans(self, tags: Sequence[str]) -> list[spans.Span]:
        return spans.strict_spans(tags) if self.strict else spans.spans(tags)

    def _counted(self, outcome: Outcome) -> tuple[Counter[str], Counter[str], Counter[str]]:
        """Returns how many spans of each type are found, how many there are, and how many are predicted."""
        right, actual, predicted = Counter[str](), Counter[str](), Counter[str]()
        for tags, others in self._tagged(outcome):
            there, said = self._spans(tags), self._spans(others)
            right.update(span.type for span in {*there} & {*said})
            actual.update(span.type for span in there)
            predicted.update(span.type for span in said)
        return right, actual, predicted


def _each_word(part: Split) -> Iterator[tuple[str, int, int]]:
    """Yields each word of a part that has a tag, its place among the tokens, and its tag."""
    facts = part.metadata[WORDS], part.metadata[STARTS]
    for words, starts, targets in zip(*facts, part.targets, strict=True):
        yield from zip(words, starts.tolist(), targets[starts].tolist(), strict=False)

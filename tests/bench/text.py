"""Training on texts beside Keras and PyTorch: `python tests/bench/text.py [--networks lstm bert] [--rounds 5]`.

Each side trains the same network on the same generated reviews in a process of its own, as its documentation shows; the
sides take turns, and medians and ratios are printed. dltrain's side includes its reports, metrics and checkpoints, but
no validation; the first epoch, with start-up and compilation, does not count. PyTorch runs in the Python that `--torch`
names, by default in this one, and is left out where it is not there. Likewise `--what lengths`: batches as long as
their longest text beside all of one length; `--what lora`: a few matrices trained beside the whole network; `--what
tokens`: seconds and memory of making 100,000 texts tokens.
"""

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import turns

TEXTS, BATCH, LONGEST, WORDS, EPOCHS = 6_400, 64, 80, 200, 4
NETWORKS = {
    "bag_of_words": {"name": "bag_of_words", "width": 64},
    "text_cnn": {"name": "text_cnn", "width": 128, "filters": 100, "kernel_sizes": [3, 4, 5], "dropout": 0.5},
    "lstm": {"name": "lstm", "width": 64, "units": [64]},
    "bert": {"name": "bert", "size": "tiny", "positions": LONGEST},
}
SIDES = ("dltrain", "keras", "torch")


def texts() -> tuple[list[str], np.ndarray]:
    """Returns the reviews and which are positive."""
    from dltrain.datasets._samples.reviews import reviews

    rows = reviews(np.random.RandomState(0), TEXTS)
    return [text for text, _ in rows], np.array([label == "positive" for _, label in rows], np.int32)


def fit(folder: Path, name: str, model: dict, words: list[str], labels: np.ndarray, **dataset) -> float:
    """Returns examples per second of `dltrain fit`; the run is called by the name."""
    with (folder / f"{name}.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *zip(words, labels, strict=True)])
    config = {
        "dataset": {
            "name": "text_table",
            "path": f"{name}.csv",
            "kind": "classes",
            "tokenizer": "words",
            "max_length": LONGEST,
            "test_fraction": 0,
            "validation_fraction": 0,
            **dataset,
        },
        "model": model,
        "optimizer": {"name": "adam"},
        "train": {"epochs": EPOCHS, "batch_size": BATCH},
        "report": False,
    }
    (folder / f"{name}.yaml").write_text(json.dumps(config))
    command = [sys.executable, "-m", "dltrain", "fit", f"{name}.yaml", "--quiet"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    newest = max((folder / "runs").glob(f"{name}-*"))
    with (newest / "metrics.csv").open() as file:
        seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
    return len(words) * (EPOCHS - 1) / (seconds[-1] - seconds[0])


def of_dltrain(network: str) -> float:
    """Returns examples per second of `dltrain fit`."""
    with tempfile.TemporaryDirectory() as folder:
        return fit(Path(folder), "reviews", NETWORKS[network], *texts())


def of_keras(network: str) -> float:
    """Returns examples per second of Keras's `fit`, on texts that TextVectorization made ids of before."""
    import keras
    import tensorflow as tf
    from keras import layers

    words, labels = texts()
    vectorize = layers.TextVectorization(WORDS, output_sequence_length=LONGEST)
    vectorize.adapt(words)
    inputs = keras.Input((LONGEST,), dtype="int32")
    if network == "bert":
        import keras_hub

        body = keras_hub.models.BertBackbone(WORDS, 2, 2, 128, 512, max_sequence_length=LONGEST)
        given = {"token_ids": inputs, "padding_mask": keras.ops.cast(inputs != 0, "int32"), "segment_ids": inputs * 0}
        x = layers.Dropout(0.1)(body(given)["pooled_output"])
    elif network == "text_cnn":
        x = layers.Embedding(WORDS, 128)(inputs)
        maxima = [layers.GlobalMaxPooling1D()(layers.Conv1D(100, size, activation="relu")(x)) for size in (3, 4, 5)]
        x = layers.Dropout(0.5)(layers.Concatenate()(maxima))
    else:
        x = layers.Embedding(WORDS, 64, mask_zero=True)(inputs)
        x = layers.Bidirectional(layers.LSTM(64))(x) if network == "lstm" else layers.GlobalAveragePooling1D()(x)
    model = keras.Model(inputs, layers.Dense(2)(x))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    data = (
        tf.data.Dataset.from_tensor_slices((vectorize(words), labels)).cache().shuffle(TEXTS).batch(BATCH).prefetch(2)
    )
    model.fit(data, verbose=0)
    start = time.perf_counter()
    model.fit(data, epochs=EPOCHS - 1, verbose=0)
    return TEXTS * (EPOCHS - 1) / (time.perf_counter() - start)


def of_torch(network: str) -> float:
    """Returns examples per second of PyTorch's eager loop, each batch padded to its longest text."""
    import torch
    from torch import nn

    words, labels = texts()
    known = {word: number for number, word in enumerate(sorted({word for text in words for word in text.split()}), 1)}
    ids = [torch.tensor([known[word] for word in text.split()][:LONGEST]) for text in words]
    wanted = torch.tensor(labels, dtype=torch.long)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            width = {"text_cnn": 128, "bert": 128}.get(network, 64)
            self.embedding = nn.Embedding(len(known) + 1, width, padding_idx=0)
            self.convolutions = nn.ModuleList(nn.Conv1d(128, 100, size) for size in (3, 4, 5))
            self.lstm = nn.LSTM(64, 64, batch_first=True, bidirectional=True)
            block = nn.TransformerEncoderLayer(128, 2, 512, 0.1, "gelu", batch_first=True)
            self.positions, self.blocks = nn.Embedding(LONGEST, 128), nn.TransformerEncoder(block, 2)
            self.head = nn.Linear({"text_cnn": 300, "lstm": 128, "bert": 128}.get(network, 64), 2)

        def forward(self, ids, lengths):
            x, is_there = self.embedding(ids), (ids != 0)[..., None]
            if network == "lstm":
                packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
                x = self.lstm(packed)[1][0].transpose(0, 1).flatten(1)
            elif network == "text_cnn":
                x = [each(x.transpose(1, 2)).relu().amax(2) for each in self.convolutions]
                x = nn.functional.dropout(torch.cat(x, 1), 0.5)
            elif network == "bert":
                x = x + self.positions.weight[: ids.shape[1]]
                x = self.blocks(x, src_key_padding_mask=~is_there[..., 0])[:, 0]
            else:
                x = (x * is_there).sum(1) / is_there.sum(1)
            return self.head(x)

    model = Network()
    optimizer = torch.optim.Adam(model.parameters())

    def epoch() -> None:
        for batch in torch.randperm(TEXTS).split(BATCH):
            some = [ids[place] for place in batch]
            lengths = torch.tensor([len(each) for each in some])
            loss = nn.functional.cross_entropy(
                model(nn.utils.rnn.pad_sequence(some, batch_first=True), lengths), wanted[batch]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    epoch()
    start = time.perf_counter()
    for _ in range(EPOCHS - 1):
        epoch()
    return TEXTS * (EPOCHS - 1) / (time.perf_counter() - start)


def networks(names: list[str], rounds: int, torch: str) -> None:
    """Prints examples per second of each side, a line per network."""
    for network in names:
        turns.show(network, "examples", turns.in_turns(__file__, SIDES, network, rounds, torch))


def lengths(names: list[str], rounds: int) -> None:
    """Prints examples per second of texts of 4 to 256 words as they are, and all filled up to 256."""
    random = np.random.RandomState(0)
    counts = np.clip(random.lognormal(3.4, 0.9, TEXTS // 4), 4, 256).astype(int)
    words = np.array([f"word{number}" for number in range(WORDS)])
    mixed = [" ".join(random.choice(words, count)) for count in counts]
    filled = [text + " filler" * (256 - count) for text, count in zip(mixed, counts, strict=True)]
    labels = random.randint(0, 2, len(mixed))
    for network in names:
        model = NETWORKS[network] | ({"positions": 256} if network == "bert" else {})
        found: dict[str, list[float]] = {"as long as the batch's longest": [], "all of 256": []}
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(rounds):
                for side, some in zip(found, (mixed, filled), strict=True):
                    found[side].append(fit(Path(folder), "texts", model, some, labels, max_length=256))
        turns.show(f"{network}, {counts.mean():.0f} words in the mean", "examples", found)


def lora(rounds: int) -> None:
    """Prints examples per second of fine-tuning a BERT of 4 x 256 by matrices of rank 8, and as a whole."""
    words, labels = (some[: TEXTS // 4] for some in texts())
    model = {"name": "bert", "size": "mini", "positions": LONGEST}
    found: dict[str, list[float]] = {"lora_rank: 8": [], "all weights": []}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        fit(root, "start", model, words, labels)
        for _ in range(rounds):
            for side, rank in zip(found, ({"lora_rank": 8}, {}), strict=True):
                tuned = model | rank | {"weights": "start"}
                found[side].append(fit(root, "tuned", tuned, words, labels, tokenizer="runs/start-001"))
    turns.show("fine-tuning bert mini", "examples", found)


def tokens() -> None:
    """Prints what learning a vocabulary of 8,000 and making 100,000 texts tokens take."""
    from dltrain.features.tokens import Tokens

    random = np.random.RandomState(0)
    words = np.array(["".join(random.choice([*"abcdefghijklmnopqrstuvwxyz"], 3 + rank % 7)) for rank in range(30_000)])
    rank = np.minimum(random.zipf(1.2, 100_000 * 60), len(words)) - 1
    many = [" ".join(row) for row in words[rank].reshape(100_000, 60)]
    before = _peak()
    for kind in ("words", "wordpiece", "bpe", "unigram"):
        start = time.perf_counter()
        learnt = Tokens(kind=kind, vocabulary_size=8_000, max_length=128).fit([many])
        middle = time.perf_counter()
        learnt.encode(many)
        seconds = f"learnt in {middle - start:.1f} s, encoded in {time.perf_counter() - middle:.1f} s"
        print(f"{kind}: {seconds}; peak {_peak() - before:,.0f} MB above the texts", flush=True)


def _peak() -> float:
    """Returns the most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    """Prints what was asked for, or what one side measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", default="networks", choices=("networks", "lengths", "lora", "tokens"))
    parser.add_argument("--networks", nargs="+", default=[*NETWORKS], choices=NETWORKS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--torch", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--side", choices=SIDES)
    given = parser.parse_args()
    if given.side:
        measure = {"dltrain": of_dltrain, "keras": of_keras, "torch": of_torch}[given.side]
        print(measure(given.networks[0]))
    elif given.what == "networks":
        networks(given.networks, given.rounds, given.torch)
    elif given.what == "lengths":
        lengths(given.networks, given.rounds)
    elif given.what == "lora":
        lora(given.rounds)
    else:
        tokens()


if __name__ == "__main__":
    main()

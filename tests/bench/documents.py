"""Doc2Vec beside gensim: `python tests/bench/documents.py [--words 20000000] [--gensim PYTHON] [--rounds 3]`.

Both sides train vectors of 100 numbers, with 5 negatives and a sub-sampling of 0.001, on the same generated documents
of 100 words each, whose frequencies fall with the rank as in languages; gensim with two workers. Each side is a process
of its own, the sides take turns, and medians and ratios of words per second are printed: of wall-clock time, and of
processor time, which other programs on the machine disturb less. Reading the documents does not count, nor does
dltrain's first epoch, with start-up and compilation. gensim is left out unless --gensim names a Python that has it.
"""

import argparse
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LENGTH, VOCABULARY, WIDTH, WINDOW, NEGATIVES, SAMPLE, BATCH, EPOCHS = 100, 50_000, 100, 5, 5, 0.001, 80, 3
RATES = {"dbow": 100, "dm_mean": 100, "dm_concat": 20}  # 100 is too much for vectors of 1,100 numbers
MODES = {"dbow": {"dm": 0}, "dm_mean": {"dm": 1, "dm_mean": 1}, "dm_concat": {"dm": 1, "dm_concat": 1}}


def documents(words: int) -> np.ndarray:
    """Returns the words of each document, by their rank, (documents, length)."""
    shares = 1 / np.arange(1, VOCABULARY + 1)
    random = np.random.RandomState(0)
    return random.choice(VOCABULARY, (words // LENGTH, LENGTH), p=shares / shares.sum())


def of_dltrain(mode: str, words: int) -> dict[str, float]:
    """Returns words per second of `dltrain fit`, by the clock and by the processor."""
    from dltrain.config import experiment
    from dltrain.console import Reporter
    from dltrain.engine.compiled_loop import Engine
    from dltrain.training import trainer

    used, train = [], Engine.train

    def timed(*arguments):
        result = train(*arguments)
        used.append((arguments[2] + arguments[3], time.perf_counter(), time.process_time()))
        return result

    Engine.train = timed
    with tempfile.TemporaryDirectory() as folder:
        with (Path(folder) / "documents.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text"])
            writer.writerows([" ".join(f"w{word}" for word in row)] for row in documents(words).tolist())
        config = {
            "dataset": {
                "name": "text_table",
                "path": "documents.csv",
                "label_column": None,
                "tokenizer": "words",
                "vocabulary_size": VOCABULARY + 5,
                "max_length": LENGTH + 2,
                "test_fraction": 0,
                "validation_fraction": 0,
            },
            "task": {"name": "document_words", "negatives": NEGATIVES, "sample": SAMPLE},
            "model": {"name": "doc2vec", "mode": mode, "width": WIDTH, "window": WINDOW},
            "optimizer": {"name": "sgd", "learning_rate": RATES[mode]},
            "train": {"epochs": EPOCHS, "batch_size": BATCH},
            "report": False,
        }
        (Path(folder) / "bench.yaml").write_text(json.dumps(config))
        trainer.fit(experiment.load(Path(folder) / "bench.yaml"), Reporter(quiet=True), Path(folder) / "runs")
    per_epoch = words // LENGTH // BATCH
    first = next(place for place, (steps, *_) in enumerate(used) if steps >= per_epoch)
    (began, clock, processor), (ended, last_clock, last_processor) = used[first], used[-1]
    done = (ended - began) * BATCH * LENGTH
    return {"clock": done / (last_clock - clock), "processor": done / (last_processor - processor)}


def of_gensim(mode: str, words: int) -> dict[str, float]:
    """Returns words per second of gensim, with two workers."""
    from gensim.models.doc2vec import Doc2Vec, TaggedDocument

    tagged = [
        TaggedDocument([f"w{word}" for word in row], [place]) for place, row in enumerate(documents(words).tolist())
    ]
    model = Doc2Vec(
        vector_size=WIDTH, window=WINDOW, negative=NEGATIVES, sample=SAMPLE, min_count=1, workers=2, **MODES[mode]
    )
    model.build_vocab(tagged)
    clock, processor = time.perf_counter(), time.process_time()
    model.train(tagged, total_examples=len(tagged), epochs=EPOCHS - 1)
    done = len(tagged) * LENGTH * (EPOCHS - 1)
    return {"clock": done / (time.perf_counter() - clock), "processor": done / (time.process_time() - processor)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=20_000_000)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=["dbow", "dm_mean"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gensim", metavar="PYTHON", help="a Python that has gensim")
    parser.add_argument("--side", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        side, mode = given.side
        found = {"dltrain": of_dltrain, "gensim": of_gensim}[side](mode, given.words)
        print(json.dumps(found | {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
        return
    pythons = {"dltrain": sys.executable} | ({"gensim": given.gensim} if given.gensim else {})
    for mode in given.modes:
        found: dict[str, list[dict]] = {side: [] for side in pythons}
        for _ in range(given.rounds):
            for side, python in pythons.items():
                command = [python, __file__, "--words", str(given.words), "--side", side, mode]
                environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
                found[side].append(json.loads(done.stdout.splitlines()[-1]))
        medians = {
            side: {name: statistics.median(row[name] for row in rows) for name in rows[0]}
            for side, rows in found.items()
        }
        for side, row in medians.items():
            print(
                f"{mode:10} {side:8} {row['clock']:>10,.0f} words/s {row['processor']:>10,.0f} words per CPU second "
                f"{row['memory'] / 2**20:>7,.0f} MiB"
            )
        if "gensim" in medians:
            ours, theirs = medians["dltrain"], medians["gensim"]
            print(
                f"{mode:10} {'ratio':8} {ours['clock'] / theirs['clock']:.2f} by the clock, "
                f"{ours['processor'] / theirs['processor']:.2f} by CPU time"
            )


if __name__ == "__main__":
    main()

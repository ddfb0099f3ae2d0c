"""`dltrain similar` and `summarize`: use a network that has learnt vectors of documents."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from dltrain import untrusted
from dltrain.cli.arguments import RUNS, Json, Quiet, Runs, Verbose, echo, print_json
from dltrain.cli.tables import Column, print_table
from dltrain.cli.trust import Trust
from dltrain.cli.using import Checkpoint
from dltrain.errors import ConfigError, DataError
from dltrain.runs import folder
from dltrain.wording import metric

MOST_BYTES = 2**26


def similar(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run of model doc2vec.")],
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="A text or a word; a word has its nearest words too.")
    ] = None,
    document: Annotated[
        str | None,
        typer.Option(
            help="Instead of TEXT: a document of the train part, by its name in the results.", show_default=False
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=10**4, help="How many documents, and words, to list.")] = 10,
    checkpoint: Checkpoint = "best",
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """List the documents of RUN's train part that are nearest to TEXT, by the cosine of their vectors.

    TEXT is embedded as `predict` does it; a document of the train part has its vector from training.
    """
    if (text is None) == (document is None):
        raise ConfigError(["similar needs either a TEXT, or --document, the name of a document of the train part"])
    found = folder.find(run, runs)

    from dltrain.console import Reporter
    from dltrain.inference import similar as nearby

    near = nearby.similar(found, text, document, count, Reporter(quiet or as_json, verbose), checkpoint)
    if as_json:
        print_json(near)
        return
    rows = near["documents"]
    print_table(
        [
            Column("document", [each["name"] for each in rows]),
            Column("cosine", [metric(each["cosine"]) for each in rows]),
            Column("text", [each["text"] for each in rows]),
        ]
    )
    if near["words"]:
        echo("")
        print_table(
            [
                Column("word", [each["word"] for each in near["words"]]),
                Column("cosine", [metric(each["cosine"]) for each in near["words"]]),
            ]
        )


def summarize(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run of model doc2vec.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The text, UTF-8.")],
    sentences: Annotated[int, typer.Option(min=1, max=10**4, help="How many sentences to choose.")] = 3,
    method: Annotated[
        Literal["mmr", "centroid"],
        typer.Option(help="mmr: near to the whole text and unlike each other; centroid: nearest to the whole text."),
    ] = "mmr",
    reference: Annotated[
        Path | None,
        typer.Option(
            help="A summary by a person: ROUGE-1, -2 and -L (F, without stemming) are measured.", show_default=False
        ),
    ] = None,
    checkpoint: Checkpoint = "best",
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Choose the sentences of FILE that say most of it, by the vectors that RUN's network gives them.

    They are printed in the order of the text. Nothing is written anew: a summary is as good as the sentences are.
    """
    found = folder.find(run, runs)
    texts = [_text(path) for path in (file, reference) if path is not None]

    from dltrain.console import Reporter
    from dltrain.inference import prediction, summary
    from dltrain.inference.rouge import rouge

    predictor = prediction.load(found, checkpoint, Reporter(quiet or as_json, verbose))
    try:
        made = summary.summarize(predictor, texts[0], sentences, method)
    except DataError as error:
        raise DataError(f"{file}: {error}") from None
    measured = {"rouge": rouge(texts[1], made["summary"])} if reference else {}
    if as_json:
        print_json({"run": found.name, "file": str(file), "method": method, **made, **measured})
        return
    for each in made["sentences"]:
        echo(each["text"])
    for name, value in measured.get("rouge", {}).items():
        echo(f"{name}  {metric(value)}", err=True)


def _text(path: Path) -> str:
    try:
        return untrusted.content(path, MOST_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: must be UTF-8, got the byte 0x{error.object[error.start]:02x} at {error.start}"
        ) from None

"""`dltrain predict`, `export` and `serve`: use a trained network."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

import typer

from dltrain.cli import answers
from dltrain.cli.arguments import (
    RUNS,
    Json,
    Quiet,
    Runs,
    RunWords,
    Verbose,
    echo,
    is_of_use,
    print_json,
    run_words,
)
from dltrain.cli.trust import Trust
from dltrain.errors import ConfigError, DataError, RunError, UserError
from dltrain.registry import EXPORTS
from dltrain.runs import folder

Checkpoint = Annotated[Literal["best", "last"], typer.Option(help="Which weights to use.")]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", help="auto, cpu, gpu or gpu:N; by default as in the run's config.", show_default=False),
]
MOST_PANELS = 24
"""Predictions that are drawn."""
_KINDS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def predict(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run.")],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[INPUT]... [KEY=VALUE]...",
            help="What to predict, of the kind that the run was trained on: images and folders of images; tables (CSV, "
            "TSV, Parquet, JSON lines); arrays (.npy, .npz); or - for standard input, with rows of CSV or JSON "
            "lines for a run on a table, and one path per line for any other run. And keys to override, such as "
            "dataset.path=moved.csv for --split.",
        ),
    ] = None,
    split: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option(
            help="Instead of INPUT: a part of the run's own data, shown with the actual values.", show_default=False
        ),
    ] = None,
    form: Annotated[
        Literal["table", "csv", "jsonl"] | None,
        typer.Option(
            "--format", help="The output format; by default by the suffix of -o FILE, else a table.", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The file to write; it appears only when it is complete.", show_default=False
        ),
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option("--png", help="Draw forecasts, with what is before them, into this file.", show_default=False),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            "--pictures",
            metavar="DIR",
            help="Draw each image with its boxes into this folder, as PNG.",
            show_default=False,
        ),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw", help="In CSV, no apostrophe before texts that a spreadsheet takes for formulas (= + - @)."
        ),
    ] = False,
    top_k: Annotated[int, typer.Option("--top-k", min=1, max=10**6, help="Show so many of the likeliest classes.")] = 1,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Show the probability of every class.")
    ] = False,
    others: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="KEY=VALUE",
            help="An option of the run's task, such as threshold=0.3 and most=10 of detection; may be repeated.",
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, max=10**6, help="Examples at a time; by default as in training, at most 256.")
    ] = None,
    device: DeviceOption = None,
    checkpoint: Checkpoint = "best",
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Predict for INPUT with RUN's network: classes with probabilities, labels, numbers in their units, or the steps
    behind the end of a series, a row each.

    Inputs are prepared as in training, with the statistics that the checkpoint holds. Inputs that cannot be read are
    named on standard error; all others are predicted. What was changed or not recognised, such as an unknown category,
    is counted there; the "notices" of a JSON row name it. --json prints one object with all predictions, --format jsonl
    one object per line as they come. Exit code 1 if some inputs could not be used, 2 if none could.
    """
    overrides = [word for word in inputs or [] if is_of_use(word) and not Path(word).exists()]
    inputs = [word for word in inputs or [] if word not in overrides]
    if (split is None) == (not inputs):
        raise ConfigError(
            ["predict needs either INPUT, the examples to predict, or --split, a part of the run's own data"]
        )
    if as_json and (form or output):
        raise ConfigError(
            [f"--json prints one object: it cannot be combined with {'--format' if form else '--output'}"]
        )
    kind = form or (_KINDS.get(output.suffix.lower(), "table") if output else "table")
    if raw and (as_json or kind != "csv"):
        raise ConfigError([f"--raw is of CSV, got {'--json' if as_json else f'--format {kind}'}; add --format csv"])
    found = _found(run, runs)
    if png is not None:
        from dltrain.figures.place import require_place

        require_place(png, option="--png")
    if pictures is not None:
        from dltrain.cli.pictures import PictureFolder

        folder = PictureFolder.of(pictures)

    from dltrain.console import Reporter
    from dltrain.inference import prediction

    reporter = Reporter(quiet or as_json, verbose)
    overrides = [*overrides, *_on(device)]
    if split is None:
        predictor = prediction.load(found, checkpoint, reporter, overrides)
        given: Iterable[Any] = predictor.reader.read(inputs, batch_size or predictor.size)
        targets = None
    else:
        predictor, part, given = prediction.load_with_part(found, checkpoint, split, reporter, overrides, batch_size)
        targets = predictor.actual(part)
    options = _options(predictor.task, top_k, probabilities, others or [])
    kept: list[dict[str, Any]] = []
    panels: list[Any] = []

    def draw(piece: Any, outputs: Any) -> None:
        if png is not None and len(panels) < MOST_PANELS:
            panels.extend(predictor.pictures(piece, outputs))
        if pictures is not None:
            folder.add(piece, predictor.annotated(piece, outputs, options))

    count = failed = 0
    noticed = prediction.Noticed()
    with _opened(output) as file, answers.Bar(quiet or as_json) as bar:
        writer = answers.writer(kind, file, raw)
        for rows, total in prediction.predictions(predictor, given, options, draw):
            for place, row in enumerate(rows):
                if targets is not None:
                    row = {"input": row["input"], "actual": targets[count + place], **row}
                noticed.add(row)
                if "error" in row:
                    failed += 1
                    bar.say(f"{row['input']}: {row['error']}")
                if as_json:
                    kept.append(row)
                elif writer.add(row):
                    with bar.away():
                        writer.flush()
            count += len(rows)
            bar.show(count, total)
        if not count:
            raise DataError("there is nothing to predict: standard input or the named files hold no examples")
        with bar.away():
            writer.flush()
    for line in noticed.lines:
        echo(line, err=True)
    if png is not None:
        from dltrain.cli.pictures import write_panels

        write_panels(png, found.name, panels[:MOST_PANELS])
    if as_json:
        about = {"run": found.name, "checkpoint": checkpoint, "split": split, "examples": count, "failed": failed}
        print_json({**about, "predictions": kept})
    if failed:
        echo(f"{failed:,} of {count:,} inputs could not be used", err=True)
        raise typer.Exit(2 if failed == count else 1)
    if output and not quiet:
        echo(f"{output}: {count:,} predictions", err=True)


def export(
    words: RunWords = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="keras, saved_model, onnx, litert (or tflite) or litert-int8; or, of a network with vectors of "
            "documents and words, word2vec or parquet; may be repeated.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The folder to write into; by default RUN/exports.", show_default=False),
    ] = None,
    probabilities: Annotated[
        bool,
        typer.Option(
            "--probabilities/--logits",
            help="The output for classes or labels: probabilities, by a softmax or sigmoid in the network, or logits.",
        ),
    ] = True,
    normalization: Annotated[
        bool,
        typer.Option(
            "--normalization/--no-normalization",
            help="Whether the network takes raw values, or values that are normalised before it, as the card says.",
        ),
    ] = True,
    checkpoint: Checkpoint = "best",
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Export RUN's network to other formats, in float32, with a model card.

    Each file is opened in its own runtime and compared with Keras on 32 held-out examples, where the data are on this
    machine, and on edge cases of the inputs: missing and unknown values, zeros, extremes. Where outputs differ by more
    than 1e-5 (litert: 1e-4), or litert-int8 predicts fewer than 95 % of up to 512 examples as before, the file is
    removed and the exit code is 1. onnx needs pip install 'dltrain[onnx]', litert 'dltrain[litert]'.
    """
    if not formats:
        raise ConfigError([f"export needs a --format: {', '.join(EXPORTS.names())}"])
    name, overrides = run_words(words or [], "export")
    found = folder.find(name, runs)

    from dltrain.console import Reporter
    from dltrain.inference import exporting

    chosen = exporting.require(formats)
    done = exporting.export(
        found, chosen, output, checkpoint, Reporter(quiet or as_json, verbose), probabilities, normalization, overrides
    )
    if as_json:
        print_json(done)
    else:
        for each in done["exports"]:
            echo(f"{each['format']:<12} {each['words']:<82} {each['bytes']:>12,} bytes  {each['path']}")
        if done["card"]:
            echo(f"card  {done['card']}")
    for name, why in done["refused"].items():
        echo(f"{name}: {why}", err=True)
    if done["refused"]:
        raise typer.Exit(1)


def serve(
    words: RunWords = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on; any but this machine's own lets others send requests.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for any free one.")] = 8000,
    most_megabytes: Annotated[
        float, typer.Option("--max-megabytes", min=0.001, max=1e6, help="The largest request, in MB.")
    ] = 16.0,
    most_instances: Annotated[
        int, typer.Option("--max-instances", min=1, max=10**6, help="The most examples in a request.")
    ] = 256,
    device: DeviceOption = None,
    checkpoint: Checkpoint = "best",
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Serve RUN's network over HTTP: POST /predict, /health, /metrics, and a page to try it on.

    /predict takes {"instances": [...]} as JSON, images as the files of a form or as the body; `top_k` and
    `probabilities` are options. There is no password: on any host but 127.0.0.1 everybody who reaches it may send
    requests. Ctrl-C ends it (exit code 130). --json prints {"run", "url"} once it is ready. Needs pip install
    'dltrain[serve]'.
    """
    name, overrides = run_words(words or [], "serve")
    found = folder.find(name, runs)

    from dltrain.serving import server

    server.require()
    listening = server.opened(host, port)

    from dltrain.console import Reporter
    from dltrain.inference import prediction

    reporter = Reporter(quiet or as_json, verbose)
    if not server.is_loopback(host):
        reporter.warn(f"--host {host}: everybody who reaches this machine may send requests; there is no password")
    predictor = prediction.load(found, checkpoint, reporter, [*overrides, *_on(device)])

    def ready(url: str) -> None:
        if as_json:
            print_json({"run": found.name, "url": url})
        reporter.say(f"{found.name} ({checkpoint} weights) answers at {url}   Ctrl-C ends it")

    with listening:
        server.serve(predictor, found.name, listening, host, int(most_megabytes * 1e6), most_instances, verbose, ready)


def _on(device: str | None) -> list[str]:
    """Returns the override that --device means."""
    return [] if device is None else [f"device={device}"]


def _found(run: str, runs: Path) -> folder.Run:
    """Returns the run; where a file stands in its place, says so."""
    try:
        return folder.find(run, runs)
    except RunError as error:
        hint = "; type the RUN first, then INPUT" if Path(run).exists() else ""
        raise RunError(f"{error}{hint}") from None


def _options(task: Any, top_k: int, probabilities: bool, others: list[str]) -> dict[str, Any]:
    """Returns what was asked for beside the answers."""
    from dltrain.inference import options

    asked = {}
    for word in others:
        name, equals, value = word.partition("=")
        if not equals or name not in task.options:
            there = f"; its options are {', '.join(task.options) or 'none'}"
            raise ConfigError([f"--option must be KEY=VALUE of an option of the run's task, got {word!r}{there}"])
        asked[name] = value
    try:
        parsed = options.parsed(task, asked)
    except ValueError as error:
        raise ConfigError([f"--option {error}"]) from None
    return {"top_k": top_k, "probabilities": probabilities, **parsed}


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    """Yields the file, which is renamed into place at the end, or standard output."""
    if output is None:
        yield answers.standard_output()
        return
    try:
        with folder.replacing(output) as aside, aside.open("x", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
    except OSError as error:
        if error.filename is None or Path(error.filename).parent != output.parent:
            raise
        raise UserError(f"{output}: cannot be written: {error.strerror or error}") from None

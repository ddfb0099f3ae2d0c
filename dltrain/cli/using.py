"""`dltrain predict`, `export` and `serve`: a trained network at work."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

import typer

from dltrain.cli import answers
from dltrain.cli.arguments import RUNS, Json, Quiet, Runs, Verbose, echo, print_json
from dltrain.cli.trust import Trust
from dltrain.errors import ConfigError, DataError, RunError, UserError
from dltrain.registry import EXPORTS
from dltrain.runs import folder

Checkpoint = Annotated[Literal["best", "last"], typer.Option(help="Which weights.")]
DeviceOption = Annotated[
    str | None, typer.Option("--device", help="auto, cpu, gpu or gpu:N; without it, the run's own.", show_default=False)
]
_KINDS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def predict(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run.")],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[INPUT]...",
            help="What to answer for, such as the run was trained on: images and folders of them; tables (CSV, TSV, "
            "Parquet, JSON lines); arrays (.npy, .npz); - for standard input, which holds rows of CSV or JSON lines "
            "where a table was trained on, and paths elsewhere, one a line.",
        ),
    ] = None,
    split: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option(help="In place of INPUT: a part of the run's own data, with what is right.", show_default=False),
    ] = None,
    form: Annotated[
        Literal["table", "csv", "jsonl"] | None,
        typer.Option(
            "--format", help="How to write; without it by the end of -o FILE, else a table.", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file to write to, whole or not at all.", show_default=False)
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", min=1, help="So many of the likeliest classes.")] = 1,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="The probability of every class.")] = False,
    others: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="KEY=VALUE", help="An option of a plugin's task, by its name; may repeat."),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Examples at a time; without it, as in training, 256 at most.")
    ] = None,
    device: DeviceOption = None,
    checkpoint: Checkpoint = "best",
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Answer for INPUT with RUN's network: classes with probabilities, labels, or numbers in their units.

    Inputs are prepared as in training; what was learnt of the training data is taken from the checkpoint. What cannot
    be read is named on standard error, and the others are answered. --json prints one object of all answers, --format
    jsonl one a line, as they come. Exit code 1 if some inputs could not be used, 2 if none could.
    """
    if (split is None) == (not inputs):
        raise ConfigError(["predict needs either INPUT, what to answer for, or --split, a part of the run's own data"])
    if as_json and (form or output):
        raise ConfigError([f"--json prints one object: it does not go with {'--format' if form else '--output'}"])
    found = _found(run, runs)

    from dltrain.console import Reporter
    from dltrain.inference import prediction

    reporter = Reporter(quiet or as_json, verbose)
    overrides = [] if device is None else [f"device={device}"]
    if split is None:
        predictor = prediction.load(found, checkpoint, reporter, overrides)
        given: Iterable[Any] = predictor.reader.read(inputs or [], batch_size or predictor.size)
        right = None
    else:
        predictor, part, given = prediction.load_with_part(found, checkpoint, split, reporter, overrides, batch_size)
        right = predictor.actual(part.targets)
    options = _options(predictor.task, top_k, probabilities, others or [])
    kind = form or (_KINDS.get(output.suffix.lower(), "table") if output else "table")
    truth = {} if right is None else {"truth": right[0]}
    columns = [*answers.flat({"input": "", **truth, **predictor.example(options)}), "error"]
    kept: list[dict[str, Any]] = []
    count = failed = 0
    with _opened(output) as file, answers.Bar(quiet or as_json) as bar:
        writer = answers.writer(kind, columns, file)
        for rows, total in prediction.predictions(predictor, given, options):
            for place, row in enumerate(rows):
                if right is not None:
                    row = {"input": row["input"], "truth": right[count + place], **row}
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
            raise DataError("nothing was given: standard input, or what was named, holds no examples")
        with bar.away():
            writer.flush()
    if as_json:
        about = {"run": found.name, "checkpoint": checkpoint, "split": split, "examples": count, "failed": failed}
        print_json({**about, "predictions": kept})
    if failed:
        echo(f"{failed:,} of {count:,} could not be used", err=True)
        raise typer.Exit(2 if failed == count else 1)
    if output and not quiet:
        echo(f"{output}: {count:,} answers", err=True)


def export(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run, none for the newest.")] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="keras, saved_model, onnx, litert (or tflite) or litert-int8; may repeat."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The folder; without it RUN/exports.", show_default=False)
    ] = None,
    probabilities: Annotated[
        bool,
        typer.Option(
            "--probabilities/--logits",
            help="What the network ends in, where it tells classes or labels: softmax or sigmoid inside, or logits.",
        ),
    ] = True,
    normalization: Annotated[
        bool,
        typer.Option(
            "--normalization/--no-normalization",
            help="Take raw values; or those that the training part's mean and deviation normalise, as the card says.",
        ),
    ] = True,
    checkpoint: Checkpoint = "best",
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Write RUN's network in other formats, in float32, with a model card beside them.

    Each is opened in the runtime that it is for and asked about 32 held-out examples: where outputs differ by more than
    1e-5 (litert: 1e-4), or litert-int8 answers fewer than 95 % of up to 512 as before, nothing of it stays and the exit
    code is 1. onnx needs pip install 'dltrain[onnx]', litert 'dltrain[litert]'.
    """
    if not formats:
        raise ConfigError([f"export needs a --format: {', '.join(EXPORTS.names())}"])
    found = folder.find(run, runs)

    from dltrain.console import Reporter
    from dltrain.inference import exporting

    chosen = exporting.require(formats)
    done = exporting.export(
        found, chosen, output, checkpoint, Reporter(quiet or as_json, verbose), probabilities, normalization
    )
    if as_json:
        print_json(done)
    else:
        for each in done["exports"]:
            echo(f"{each['format']:<12} {each['words']:<62} {each['bytes']:>12,} bytes  {each['path']}")
        if done["card"]:
            echo(f"card  {done['card']}")
    for name, why in done["refused"].items():
        echo(f"{name}: {why}", err=True)
    if done["refused"]:
        raise typer.Exit(1)


def serve(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run, none for the newest.")] = None,
    host: Annotated[str, typer.Option(help="The address; any but this machine's own lets others ask.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for any that is free.")] = 8000,
    most_megabytes: Annotated[float, typer.Option("--max-megabytes", min=0.001, help="Of a request.")] = 16.0,
    most_instances: Annotated[int, typer.Option("--max-instances", min=1, help="Examples in a request.")] = 256,
    device: DeviceOption = None,
    checkpoint: Checkpoint = "best",
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Answer over HTTP with RUN's network: POST /predict, /health, /metrics, and a page to drop an image on.

    /predict takes {"instances": [...]} as JSON, images as a form's files or as the body; `top_k` and `probabilities`
    may stand beside. There is no password: on another host than 127.0.0.1 everybody who reaches it may ask. Ctrl-C ends
    it (exit code 130). --json prints {"run", "url"} once it answers. Needs pip install 'dltrain[serve]'.
    """
    found = folder.find(run, runs)

    from dltrain.serving import server

    server.require()
    listening = server.opened(host, port)

    from dltrain.console import Reporter
    from dltrain.inference import prediction

    reporter = Reporter(quiet or as_json, verbose)
    if not server.is_loopback(host):
        reporter.warn(f"--host {host}: everybody who reaches this machine may ask; there is no password")
    predictor = prediction.load(found, checkpoint, reporter, [] if device is None else [f"device={device}"])

    def ready(url: str) -> None:
        if as_json:
            print_json({"run": found.name, "url": url})
        reporter.say(f"{found.name} ({checkpoint} weights) answers at {url}   Ctrl-C ends it")

    with listening:
        server.serve(predictor, found.name, listening, host, int(most_megabytes * 1e6), most_instances, verbose, ready)


def _found(run: str, runs: Path) -> folder.Run:
    """Returns the run; where a file stands in its place, says so."""
    try:
        return folder.find(run, runs)
    except RunError as error:
        hint = "; the RUN comes first, then INPUT" if Path(run).exists() else ""
        raise RunError(f"{error}{hint}") from None


def _options(task: Any, top_k: int, probabilities: bool, others: list[str]) -> dict[str, Any]:
    """Returns what was asked for beside the answers."""
    from dltrain.inference import options

    asked = {}
    for word in others:
        name, equals, value = word.partition("=")
        if not equals or name not in task.options:
            there = f"; the run's task has {', '.join(task.options) or 'none'}"
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

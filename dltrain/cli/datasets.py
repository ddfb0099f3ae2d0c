"""`dltrain datasets make`: small data to try things on."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dltrain.cli.arguments import Json, echo, print_json
from dltrain.errors import UserError
from dltrain.registry import SAMPLES, summary_line
from dltrain.wording import size


def make(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME", help="The dataset to make; without it, all are listed.")
    ] = None,
    folder: Annotated[Path | None, typer.Argument(metavar="DIR]", help="A new or empty folder to write into.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="The same seed makes the same files.")] = 0,
    form: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help="Of shapes: folders, voc, coco, yolo or table.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make small data in real file formats, offline: images in folders or with boxes, CSV, Parquet."""
    if name is None:
        samples = {each: summary_line(SAMPLES[each]) for each in SAMPLES.names()}
        width = max(map(len, samples))
        words = "\n".join(f"{each.ljust(width)}  {summary}" for each, summary in samples.items())
        print_json({"samples": samples}) if as_json else echo(words)
        return
    try:
        kind: Any = SAMPLES[name]
    except KeyError as error:
        raise UserError(error.args[0]) from None
    if form is not None and form not in kind.formats:
        known = f"one of {', '.join(kind.formats)}" if kind.formats else f"left out: {name} has one format"
        raise UserError(f"--format must be {known}, got {form}")
    sample = kind(seed=seed, **({} if form is None else {"format": form}))
    if folder is None:
        raise UserError(f"make needs a DIR to put {name} into: dltrain datasets make {name} data/{name}")
    if sample.needs_tensorflow:
        from dltrain.importing import import_tensorflow

        import_tensorflow()
    made = sample.make(folder)
    if as_json:
        print_json({"sample": name, "seed": seed, "path": str(folder), **made})
    else:
        echo(f"{folder}  {made['files']:,} files, {size(made['bytes'])}")

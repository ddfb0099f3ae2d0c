"""`dltrain check`, `show`, `preview` and `list`: look at a config before training."""

import dataclasses
import inspect
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from dltrain.cli.arguments import RUNS, Json, Quiet, Runs, Verbose, config_words, echo, print_json, sort_words
from dltrain.cli.explaining import explain as explain_values
from dltrain.cli.story import show_run
from dltrain.cli.trust import Trust
from dltrain.config import experiment as experiments
from dltrain.config.experiment import Config
from dltrain.config.schema import describe, field_types, inner_block
from dltrain.errors import ConfigError, Problems, UserError, gathered
from dltrain.registry import REGISTRIES, Registry, field_help, suggestion, summary_line
from dltrain.runs import folder
from dltrain.runs.selection import resolve


def check(
    configs: Annotated[list[Path], typer.Argument(metavar="CONFIG...", help="YAML files.")],
    trust: Trust = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Check configs without training: every problem, each with its line.

    A config whose data, or the run that it builds on, are not on this machine is good, with a note: they may be on
    another one, or made later.
    """
    found = []
    for path in configs:
        absent: str | None = None
        problems: Problems = []
        try:
            config = experiments.load(path, data_may_be_absent=True)
            absent = config.absent
            with gathered(problems):
                absent = _resolved(config, runs, may_be_absent=True).absent
            from dltrain.assembly.contract import check_before_loading

            with gathered(problems):
                check_before_loading(config)
            if config.tune is not None and config.absent is None and not problems:
                from dltrain.tuning import space

                space.check(config)
        except ConfigError as error:
            problems += error.problems
        except UserError as error:
            problems.append(str(error))
        messages = [*map(str, problems)]
        found.append({"config": str(path), "good": not problems, "absent": absent, "problems": messages})
        if problems:
            echo("\n\n".join(messages), err=True)
        elif not as_json:
            echo(f"{path}: good" + (f"; {absent}" if absent else ""))
    if as_json:
        print_json({"configs": found})
    if not all(config["good"] for config in found):
        raise typer.Exit(UserError.exit_code)


def _resolved(config: Config, runs: Path, may_be_absent: bool = False) -> Config:
    """Returns the config with the runs and files that it builds on, which must be there unless they may be absent."""
    experiment = config.experiment
    if not isinstance(experiment.model.weights, Path) and experiment.teacher is None:
        return config

    from dltrain.assembly.pretrained import resolved

    return resolved(config, runs, may_be_absent=may_be_absent)


def show(
    words: Annotated[
        list[str],
        typer.Argument(metavar="CONFIG|RUN [KEY=VALUE]...", help="A YAML file or a run, and keys to override."),
    ],
    layers: Annotated[
        bool | None,
        typer.Option(
            "--layers/--no-layers",
            help="Build the network and show its layers, which starts TensorFlow; the default for a CONFIG.",
            show_default=False,
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Show where each value comes from: file and line, argument, variable or default. For a key (`show "
            "CONFIG --explain optimizer.learning_rate`) also what it replaced, and what it means.",
        ),
    ] = False,
    trust: Trust = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Show CONFIG with every default filled in and the network's layers; or what a RUN was and how it went."""
    if explain:
        if layers:
            raise ConfigError(["--explain shows the config and --layers the network: choose one of them"])
        explain_values(words, runs, as_json)
        return
    given = sort_words(words)
    if given.config is not None and given.run is not None:
        raise ConfigError(
            [f"show needs a CONFIG or a RUN, got both; to see where the value of {given.run} comes from, add --explain"]
        )
    if given.config is None and given.run is None:
        raise ConfigError(["show needs a CONFIG, a file that ends in .yaml, or a RUN"])
    if given.config is None and not given.overrides and not layers:
        show_run(resolve([str(given.run)], runs)[0], as_json)
        return
    path = given.config or folder.find(given.run, runs).config
    config = experiments.load(path, given.overrides)
    if given.config is not None:  # a run has what it built on
        config = _resolved(config, runs)
    if not as_json:
        echo(experiments.dump(config.experiment))
    shown: dict[str, Any] = {"config": experiments.to_plain(config.experiment)}
    if layers is not False:
        shown |= _layers(config)
        if not as_json:
            _print_layers(shown)
    if as_json:
        print_json(shown)


def preview(
    words: Annotated[
        list[str], typer.Argument(metavar="CONFIG [KEY=VALUE]...", help="A YAML file, and keys to override.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The file to write; by default preview-NAME.png in the working directory.")
    ] = None,
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Draw a page about CONFIG: examples raw and augmented, classes, value ranges, the learning rate."""
    path, overrides = config_words(words, "preview")
    config = experiments.load(path, overrides)

    from dltrain.console import Reporter
    from dltrain.diagnostics import preview

    place = out or Path(f"preview-{config.experiment.name}.png")
    drawn = preview.preview(config, place, Reporter(quiet, verbose))
    print_json(drawn) if as_json else echo(drawn["path"])


def list_choices(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND", help="model, dataset, optimizer ...")] = None,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]]", help="one of them")] = None,
    as_json: Json = False,
) -> None:
    """List what a config may choose: all kinds, one kind, or one choice with every key."""
    if kind is None:
        chosen = list(REGISTRIES.values())
    else:
        singular = kind if kind in REGISTRIES else kind.removesuffix("s")
        if singular not in REGISTRIES:
            raise ConfigError([f"no kind {kind!r}{suggestion(kind, list(REGISTRIES))}"])
        chosen = [REGISTRIES[singular]]
    if name is not None:
        try:
            cls = chosen[0][name]
        except KeyError as error:
            raise ConfigError([error.args[0]]) from None
        print_json(_choice(name, cls)) if as_json else echo(_choice_words(name, cls))
        return
    if as_json:
        print_json({registry.kind: [_choice(name, registry[name]) for name in registry.names()] for registry in chosen})
        return
    echo("\n\n".join(_registry_words(registry) for registry in chosen))


def _layers(config: Config) -> dict[str, Any]:
    """Returns {"layers": [{"name", "type", "output_shape", "weights", "frozen", "stages", "rate"}], and "weights",
    "trainable_weights" and "frozen_weights", which are numbers. A layer's `frozen` is false, true or, of a network
    within it, partly; `stages` are those in which it is trained, from 1; its `rate` is a share of the learning rate.
    """
    from dltrain.assembly.freezing import freeze, kept_in
    from dltrain.assembly.layer_rates import layer_shares
    from dltrain.checkpoints.layer_names import named_layers
    from dltrain.importing import import_tensorflow

    import_tensorflow()

    from dltrain.assembly.out_of_memory import enough_memory

    spec = config.experiment.dataset.spec() or config.experiment.dataset.load().spec
    with enough_memory(config):
        model = config.build_model(spec)
    could_be_trained = _count(model.trainable_weights)
    before = [len(layer.trainable_weights) for layer in model.layers]
    with config.blame("model"):
        freeze(model, config.experiment.model.freeze)
    named, trained = named_layers(model), dict[str, list[int]]()
    for index, stage in enumerate(config.experiment.stages):
        with config.blame(f"stages[{index}]"):
            for name in sorted(named.keys() - kept_in(named, stage)):
                trained.setdefault(name.partition("/")[0], []).append(index + 1)
    shares = layer_shares(model, config.experiment.optimizer.layer_decay or 1.0)
    after = [len(layer.trainable_weights) for layer in model.layers]
    return {
        "layers": [
            {
                "name": layer.name,
                "type": type(layer).__name__,
                "output_shape": _output_shape(layer),
                "weights": layer.count_params(),
                "frozen": left < had and (left == 0 or "partly"),
                "stages": sorted(set(trained.get(layer.name, []))) if left else [],
                "rate": shares.get(layer.name, 1.0),
            }
            for layer, had, left in zip(model.layers, before, after, strict=True)
        ],
        "weights": model.count_params(),
        "trainable_weights": _count(model.trainable_weights),
        "frozen_weights": could_be_trained - _count(model.trainable_weights),
    }


def _output_shape(layer: Any) -> list[int | None] | None:
    """Returns the shape of what a layer returns for an example; none in a network that only its own code knows."""
    from dltrain.keras_internals import calls

    return list(layer.output.shape[1:]) if calls(layer) else None


def _count(weights: list[Any]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def _print_layers(shown: dict[str, Any]) -> None:
    from dltrain.cli.tables import print_rows

    total, trainable, frozen = shown["weights"], shown["trainable_weights"], shown["frozen_weights"]
    rows: list[list[Any]] = [["layer", "type", "output shape", "weights", ""]]
    stages = len(shown["config"]["stages"])
    for layer in shown["layers"]:
        shape = "" if layer["output_shape"] is None else " x ".join(map(str, layer["output_shape"]))
        rate = f"rate x {layer['rate']:.3g}" if layer["rate"] < 1 else ""
        mark = {False: rate, True: "frozen"}.get(layer["frozen"], f"{layer['frozen']} frozen")
        if layer["weights"] and layer["frozen"] is not True and len(layer["stages"]) < stages:
            in_stages = ", ".join(map(str, layer["stages"])) or "none"
            mark = ", ".join(filter(None, [mark, f"trained in stage {in_stages}"]))
        rows.append([layer["name"], layer["type"], shape, f"{layer['weights']:,}", mark])
    words = [f"{trainable:,} trainable weights", *([f"{frozen:,} frozen"] if frozen else [])]
    print_rows(rows, {3})
    echo(f"\n{', '.join(words)}, {total - trainable - frozen:,} non-trainable")


def _registry_words(registry: Registry) -> str:
    width = max(len(name) for name in registry.names())
    lines = [f"  {name.ljust(width)}  {summary_line(registry[name])}" for name in registry.names()]
    return "\n".join([f"{registry.kind}:", *lines])


def _choice(name: str, cls: type) -> dict[str, Any]:
    return {"name": name, "summary": summary_line(cls), "keys": _keys(cls)}


def _keys(cls: type) -> dict[str, Any]:
    help_texts, types = field_help(cls), field_types(cls)
    keys = {}
    for field in dataclasses.fields(cls):
        is_required = field.default is field.default_factory is dataclasses.MISSING
        default = None if is_required else _default(field)
        inner = inner_block(types[field.name])
        keys[field.name] = {
            "must_be": describe(types[field.name]),
            "required": is_required,
            "default": experiments.to_plain(default),
            "shown_default": _inline(default),
            "help": help_texts.get(field.name, ""),
            "keys": _keys(inner) if inner else {},
        }
    return keys


def _default(field: Any) -> Any:
    return field.default_factory() if field.default is dataclasses.MISSING else field.default


def _choice_words(name: str, cls: type) -> str:
    about = inspect.getdoc(cls) or ""
    return "\n".join([f"{name}: {about.partition('Args:')[0].strip()}", "", *_key_words(_keys(cls), "  ")])


def _key_words(keys: dict[str, Any], indent: str) -> list[str]:
    lines = []
    for key, about in keys.items():
        default = "required" if about["required"] else f"default {about['shown_default']}"
        must_be = "blocks with the keys below" if about["keys"] else about["must_be"]
        lines += [f"{indent}{key}  ({must_be}; {default})", f"{indent}    {about['help']}"]
        lines += _key_words(about["keys"], indent + "    ")
    return lines


def _inline(value: Any) -> str:
    """Returns a value as YAML in one line; of a block only what differs from its defaults."""
    if isinstance(value, tuple):
        return f"[{', '.join(_inline(item) for item in value)}]"
    if dataclasses.is_dataclass(value):
        fields = [field for field in dataclasses.fields(value) if getattr(value, field.name) != field.default]
        return "{" + ", ".join(f"{field.name}: {_inline(getattr(value, field.name))}" for field in fields) + "}"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

"""What an experiment consists of; how it is loaded, overridden, checked and written down again."""

import dataclasses
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from dltrain import untrusted
from dltrain.config import bases, document, unread
from dltrain.config.blocks import Checkpoint, Cluster, EarlyStopping, Stage, Teacher, Train
from dltrain.config.document import Mark, Node, Problem
from dltrain.config.schema import INVALID, blame, build, field_types
from dltrain.config.tuning import Tune
from dltrain.data import DataSpec
from dltrain.errors import AbsentData, ConfigError, KeyProblem, Misfit, said
from dltrain.fields import Seed
from dltrain.plugins import loading as plugins
from dltrain.registry import AUGMENTATIONS, CALLBACKS, DATASETS, MODELS, OPTIMIZERS, SCHEDULES, TASKS, TRACKERS, Choice

# The contract of each kind stands in its folder; a config may hold any class that is registered.
Dataset = Annotated[Any, DATASETS]
Augmentation = Annotated[Any, AUGMENTATIONS]
Model = Annotated[Any, MODELS]
Task = Annotated[Any, TASKS]
Optimizer = Annotated[Any, OPTIMIZERS]
Schedule = Annotated[Any, SCHEDULES]
Callback = Annotated[Any, CALLBACKS]
Tracker = Annotated[Any, TRACKERS]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """An experiment: all keys of a config, in the order in which they are used.

    Args:
        name: name of the run folder; none for the name of the config file.
        plugins: your own Python files, run first, once you trust them (--trust): the classes that they register or
            define can be chosen below.
        seed: seed of weights, data order, augmentation and dropout, 0 to 2^31 - 1.
        device: auto, cpu, gpu, gpu:1, all (GPUs), or a list of GPUs that share each batch; [cpu:0, cpu:1] simulates two
            devices on one CPU. With several workers, the devices of each worker.
        cluster: none, or the worker processes that share each batch, usually on several machines.
        deterministic: use only operations that give the same bits each time; slower on GPUs.
        strict: treat warnings about the data as errors, which end the run before it starts.
        dataset: the data to train on.
        augment: random changes to training examples, in order; those that mix examples come last, and one of these is
            chosen at random for each batch.
        model: the architecture.
        task: what the targets mean; by default what the dataset says.
        teacher: none, or a trained network to learn from.
        optimizer: the update rule.
        schedule: the learning rate over time.
        train: length, batch size, precision.
        stages: parts of the run, in order: which layers are trained, at which rate, on images of which size.
        early_stopping: none, or when to stop before the end; with several stages, only in the last one.
        checkpoint: when checkpoints are saved.
        callbacks: your Keras callbacks, called for steps about once a second, and at the end of each epoch.
        trackers: other tools that record the run: tensorboard, mlflow, wandb.
        report: write report.html and figures/ at the end of the run; `dltrain report` writes them at any time.
        tune: none, or the search of `dltrain tune`; all other commands ignore it.
    """

    name: str | None = None
    plugins: tuple[Path, ...] = ()
    seed: Seed = 0
    device: str | tuple[str, ...] = "auto"
    cluster: Cluster | None = None
    deterministic: bool = False
    strict: bool = False
    dataset: Dataset
    augment: tuple[Augmentation, ...] = ()
    model: Model
    task: Task = None
    teacher: Teacher | None = None
    optimizer: Optimizer
    schedule: Schedule = field(default_factory=lambda: SCHEDULES["constant"]())
    train: Train
    stages: tuple[Stage, ...] = ()
    early_stopping: EarlyStopping | None = None
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    callbacks: tuple[Callback, ...] = ()
    trackers: tuple[Tracker, ...] = ()
    report: bool = True
    tune: Tune | None = None

    def __post_init__(self) -> None:
        if self.task is None:
            object.__setattr__(self, "task", TASKS[self.dataset.task]())  # frozen: this is the one way
        problems = [*self._problems()]
        if problems:
            raise ExceptionGroup("the experiment", problems)

    def _problems(self) -> Iterator[KeyProblem]:
        if self.name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", self.name):
            yield KeyProblem(
                "name", f"must consist of letters, digits, _ . and - (at most 100 characters), got {self.name!r}"
            )
        listed = isinstance(self.device, tuple)
        devices = self.device if isinstance(self.device, tuple) else (self.device,)
        kind = "cpu" if listed and devices and devices[0].startswith("cpu:") else "gpu"
        allowed = rf"{kind}:\d{{1,2}}" if listed else r"auto|cpu|gpu|all|gpu:\d{1,2}"
        wrong = [name for name in devices if not re.fullmatch(allowed, name)]
        if wrong or not devices or len(set(devices)) < len(devices):
            got = "an empty list" if not devices else repr(wrong[0]) if wrong else "one of them twice"
            yield KeyProblem(
                "device", f"must be auto, cpu, gpu, gpu:N, all, or a list of different gpu:N (or cpu:N), got {got}"
            )
        if self.cluster is not None and kind == "cpu" and len(devices) > 1:
            yield KeyProblem(
                "device", "must not split one CPU into several devices when there is a cluster: use cpu or GPUs"
            )
        if self.train.oversample and self.task.balances:
            yield KeyProblem(
                "train.oversample",
                "must not be true together with task.class_weights: balanced: rare classes would count twice as much",
            )
        yield from self._problems_of_mixing()
        yield from self._problems_of_length()
        if self.teacher is not None and not self.task.distils:
            yield KeyProblem(
                "teacher", f"must be none with task {self.task.registered_name}: a teacher needs one class per example"
            )
        yield from self._problems_of_stages()
        names = [tracker.registered_name for tracker in self.trackers]
        if len(set(names)) < len(names):
            yield KeyProblem("trackers", f"must not list {max(names, key=names.count)} twice")

    def _problems_of_length(self) -> Iterator[KeyProblem]:
        """Yields what is wrong with the length whatever the data are."""
        train, warmup = self.train, self.schedule.warmup_epochs or 0
        if train.epochs is not None and warmup >= train.epochs:
            yield KeyProblem(
                "schedule.warmup_epochs",
                f"must be shorter than the run: the warm-up takes {warmup:g} of {train.epochs} epochs",
            )
        workers = len((self.cluster and self.cluster.workers) or [""])
        if train.batch_size == "auto" and workers > 1:
            yield KeyProblem(
                "train.batch_size", "must be a number when several workers share a batch: each has its own memory"
            )

    def _problems_of_mixing(self) -> Iterator[KeyProblem]:
        mixing = [augmentation.mixes for augmentation in self.augment]
        if mixing != sorted(mixing):
            name = self.augment[mixing.index(True)].registered_name
            yield KeyProblem(
                "augment", f"must list {name} last: it mixes examples, and those that change single examples come first"
            )
        if any(mixing) and not self.task.mixes:
            name = [each.registered_name for each in self.augment if each.mixes][-1]
            yield KeyProblem(
                "augment",
                f"must not list {name}: task {self.task.registered_name} has targets that cannot be mixed",
            )

    def _problems_of_stages(self) -> Iterator[KeyProblem]:
        if not self.stages:
            return
        *before, last = self.stages
        for index, stage in enumerate(before):
            if stage.epochs is None:
                yield KeyProblem(
                    f"stages[{index}].epochs",
                    "is missing: only the last stage may leave it out, which lasts until train.epochs",
                )
        if last.epochs is not None:
            until = "train.epochs" if self.train.epochs is None else f"train.epochs, {self.train.epochs}"
            yield KeyProblem(f"stages[{len(before)}].epochs", f"must be left out: the last stage lasts until {until}")
        if last.image_size is not None:
            yield KeyProblem(
                f"stages[{len(before)}].image_size",
                "must be none in the last stage, which trains on images of full size",
            )
        earlier = self.epochs_before(len(before))
        if self.train.epochs is None:
            yield KeyProblem("train.epochs", "must set the length of a run with stages, not train.steps")
        elif earlier >= self.train.epochs:
            yield KeyProblem(
                "train.epochs",
                f"must leave epochs for the last stage: the stages before it take {earlier} of {self.train.epochs}",
            )
        if self.teacher is not None and any(stage.image_size for stage in before):
            yield KeyProblem(
                "teacher", "must be none where a stage has an image_size: a teacher needs images of full size"
            )

    def epochs_before(self, stage: int) -> int:
        """Returns after how many epochs a stage starts; stages are counted from 0."""
        return sum(each.epochs or 0 for each in self.stages[:stage])


@dataclass(frozen=True)
class Text:
    """What a config is read from.

    Args:
        path: the YAML file.
        tree: its values, and those of the files that it builds on.
        overrides: the `key.path=value` arguments that are laid over them.
    """

    path: Path
    tree: Node
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Config:
    """An experiment together with the text it was read from, so that a later problem can point at its line.

    Args:
        experiment: what was read.
        root: the tree of the text, with the overrides.
        text: the file and the overrides.
        absent: what could not be checked, as data or runs are not on this machine, and why; none where all are here.
        tune: the block `tune`, which is no part of the experiment that is trained; none where there is no such block.
    """

    experiment: Experiment
    root: Node
    text: Text
    absent: str | None = None
    tune: Tune | None = None

    @contextmanager
    def blame(self, path: str) -> Iterator[None]:
        """Turns the ValueErrors of a block's own checks into ConfigErrors that point at the keys in the file."""
        try:
            yield
        except (ValueError, ExceptionGroup) as error:
            raise ConfigError(self._problems(path, error)) from None

    def check(self, spec: DataSpec) -> None:
        """Checks that model, task and augmentation fit the data; needs no TensorFlow.

        Raises:
            ConfigError: with every problem found.
        """
        experiment = self.experiment
        checks = [("task", experiment.task.check), ("model", experiment.model.check)]
        for index, augmentation in enumerate(experiment.augment):
            checks += [(f"augment[{index}]", each) for each in (augmentation.check, augmentation.check_places)]
        problems: list[Problem] = []
        for path, check in checks:
            try:
                check(spec)
            except (ValueError, ExceptionGroup) as error:
                problems += self._problems(path, error)
            else:
                if path == "task":  # what a task asks for is known where the data are such as it takes
                    spec = spec.bound(experiment.task)
        if problems:
            raise ConfigError(problems)

    def with_overrides(self, *overrides: str) -> "Config":
        """Reads the same text under further overrides; like `load` without reading the data.

        Raises:
            ConfigError: with every problem found.
        """
        return _read(dataclasses.replace(self.text, overrides=(*self.text.overrides, *overrides)))

    def checked(self, data_may_be_absent: bool = False) -> "Config":
        """Checks that model, task and augmentation fit the data; and, as training needs it, packages and plugin keys.

        Args:
            data_may_be_absent: accept a config whose data are not on this machine, and say so in `absent`; whether
                model, task and augmentation fit the data is then not checked.

        Returns:
            the config itself; another one only where `absent` is set.

        Raises:
            ConfigError: with every problem found.
        """
        if plugins.loaded and (problems := [*unread.problems(self.experiment, self.root)]):
            raise ConfigError(_sorted(problems, self.text.path))
        self.check_packages()
        with self.blame("dataset"):
            try:
                spec = self.experiment.dataset.spec()
            except AbsentData as error:
                if not data_may_be_absent:
                    raise
                return self.without(f"its data were not checked: dataset.{error}")
        if spec is not None:
            self.check(spec)
        return self

    def absence(self) -> str | None:
        """Returns why the data are not on this machine; none where they are, or where that is seen as they are loaded.

        Raises:
            ConfigError: if they cannot be used.
        """
        with self.blame("dataset"):
            try:
                self.experiment.dataset.spec()
            except AbsentData as error:
                return f"dataset.{error}"
        return None

    def without(self, absent: str) -> "Config":
        """Returns the config with one more message about what is not on this machine."""
        return dataclasses.replace(self, absent="; ".join(filter(None, (self.absent, absent))))

    def check_packages(self) -> None:
        """Checks that the packages of the trackers are installed; only training needs them.

        Raises:
            ConfigError: with every package that is missing.
        """
        problems: list[Problem] = []
        for index, tracker in enumerate(self.experiment.trackers):
            try:
                tracker.check_installed()
            except ValueError as error:
                problems += self._problems(f"trackers[{index}]", error)
        if problems:
            raise ConfigError(problems)

    def build_model(self, spec: DataSpec) -> Any:
        """Returns the network.

        Raises:
            ConfigError: if the model's block asks for one that cannot be built, with every problem found.
        """
        found = []

        def disturb(x: Any) -> Any:
            found.append(x)
            for layer in layers:
                x = layer(x)
            return x

        try:
            layers = [each for block in self.experiment.augment if (each := block.layer(spec)) is not None]
            model = self.experiment.model.build(spec.bound(self.experiment.task, disturb if layers else None))
        except (Misfit, ExceptionGroup) as error:
            raise ConfigError(self._problems("model", error)) from None
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            if not _is_of_keras(error) or plugins.fault(error):
                raise
            untrusted.record(error)
            refused = KeyProblem("", f": no network can be built so: {said(error)}")
            raise ConfigError(self._problems("model", refused)) from None
        if layers and not found:
            name, of_layers = self.experiment.model.registered_name, ", ".join(each.name for each in layers)
            words = f"{name} does not begin with data.preprocess(inputs), behind which {of_layers} is done"
            problem = KeyProblem("name", f"{words}: leave that out of augment, or name another network")
            raise ConfigError(self._problems("model", problem))
        return model

    def _problems(self, path: str, error: Exception) -> list[Problem]:
        node = self.root
        for step in re.findall(r"\w+", path):
            below = node.value[int(step)] if isinstance(node.value, list) else node.value.get(step)
            if below is None:  # a block left to its defaults has no line of its own
                return [dataclasses.replace(problem, mark=node.mark) for problem in blame(node, path, error)]
            node = below
        return blame(node, path, error)


def _is_of_keras(error: Exception) -> bool:
    """Whether code of Keras or TensorFlow raised an error: it is their answer to values of the config."""
    module = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__"))
    return module.partition(".")[0] in ("keras", "tensorflow")


def load(
    path: Path, overrides: list[str] | None = None, data_may_be_absent: bool = False, reads_data: bool = True
) -> Config:
    """Reads a config, lays overrides over it and checks all that can be checked without TensorFlow.

    Args:
        path: the YAML file.
        overrides: `key.path=value` arguments.
        data_may_be_absent: as of `Config.checked`.
        reads_data: read the data, and check the config against them: `Config.checked`.

    Raises:
        ConfigError: with every problem found.
    """
    config = _read(Text(path, bases.read(path), tuple(overrides or ())))
    return config.checked(data_may_be_absent) if reads_data else config


def _read(text: Text) -> Config:
    """Reads what a text says, and checks what needs neither TensorFlow nor the data."""
    path, root = text.path, document.override(text.tree, [*text.overrides])
    problems: list[Problem] = []
    if bases.KEY in root.value:
        root, mark = bases.without(root), root.keys[bases.KEY]
        problems.append(
            mark.problem(f"{bases.KEY} must be written in the file: an argument cannot change the base of a config")
        )
    run_plugins(root, path)  # what is wrong with the key itself is found again below
    experiment = build(Experiment, _with_default_names(root), "", problems)
    if problems:
        raise ConfigError(_sorted(problems, path))
    if experiment.name is None:
        stem = re.sub(r"[^A-Za-z0-9_.-]", "-", path.stem).lstrip("_.-")[:100]
        # Written down, the name none would read back as no name.
        experiment = dataclasses.replace(experiment, name="run" if stem in ("", "none") else stem)
    return Config(dataclasses.replace(experiment, tune=None), root, text, tune=experiment.tune)


def _with_default_names(root: Node) -> Node:
    """Returns the tree with a name in the blocks of task and schedule that only arguments made, as `task.KEY=VALUE`."""
    defaults: dict[str, Callable[[], str]] = {"schedule": lambda: "constant", "task": lambda: _default_task(root)}
    for key, name in defaults.items():
        block = root.value.get(key)
        if block is None or not isinstance(block.value, dict) or "name" in block.value or not block.keys:
            continue
        if all(mark.source.is_argument for mark in block.keys.values()):
            named = {"name": Node(name(), block.mark), **block.value}
            below = dataclasses.replace(block, value=named, keys={"name": block.mark, **block.keys})
            root = dataclasses.replace(root, value={**root.value, key: below})
    return root


def _default_task(root: Node) -> str:
    """Returns the name of the task that the dataset asks for; classification where the dataset is wrong, as is said."""
    block = root.value.get("dataset")
    dataset = INVALID if block is None else build(field_types(Experiment)["dataset"], block, "dataset", [])
    return "classification" if dataset is INVALID else dataset.task


def run_plugins(root: Node, path: Path) -> list[Problem]:
    """Runs the files that a config's `plugins` names.

    Returns:
        what is wrong with the key; if anything is, no file is run.

    Raises:
        ConfigError: if one is not trusted, cannot be read or fails.
    """
    named = root.value.get("plugins")
    if named is None:
        return []
    problems: list[Problem] = []
    files = build(field_types(Experiment)["plugins"], named, "plugins", problems)
    named_in = str(path) if named.mark.source.is_argument else named.mark.source.name
    try:
        plugins.load([*files] if files is not INVALID else [], named_in)
    except KeyProblem as error:
        raise ConfigError(blame(root, "", error)) from None
    return problems


def _sorted(problems: list[Problem], path: Path) -> list[Problem]:
    return sorted(problems, key=lambda problem: _order(path, problem.mark))


def _order(path: Path, mark: Mark) -> tuple[bool, bool, str, int, int]:
    """Returns what problems are sorted by: those of the file first, then of its bases, then of the arguments."""
    source = mark.source
    name = "" if source.is_argument else source.name
    return source.is_argument, name not in ("", str(path)), name, mark.line, mark.column


def dump(experiment: Experiment, tune: Tune | None = None) -> str:
    """Returns the experiment as YAML with every default written out; loading it gives the same experiment.

    Args:
        experiment: what is trained.
        tune: the search, where it is to be written too.
    """
    plain = to_plain(experiment)
    return document.dump({**plain, "tune": to_plain(tune)} if tune else {k: v for k, v in plain.items() if k != "tune"})


def to_plain(value: Any) -> Any:
    """Returns dataclasses as mappings (with `name` first where registered), tuples as lists, paths as text."""
    if dataclasses.is_dataclass(value):
        name = value.registered_name if isinstance(value, Choice) else None
        fields = {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"name": name, **fields} if name else fields
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    return "none" if value is None else str(value) if isinstance(value, Path) else value


def renamed(config: Config, name: str | None) -> Config:
    """Returns the same config under another name."""
    return dataclasses.replace(config, experiment=dataclasses.replace(config.experiment, name=name))


def with_initial_weights_of(config: Config, other: Config) -> Config:
    """Returns the config with the `model.weights` that a run started with: they are not read again."""
    mine, theirs = config.experiment.model, other.experiment.model
    if type(mine) is not type(theirs):
        return config
    model = dataclasses.replace(mine, weights=theirs.weights)
    return dataclasses.replace(config, experiment=dataclasses.replace(config.experiment, model=model))


def with_batch_of(config: Config, other: Config, fresh: bool) -> Config:
    """Returns a config whose batch size is auto with the size that was chosen when a run started.

    Args:
        config: the config.
        other: that of the run.
        fresh: choose again, of the same number of examples per optimizer step.

    Raises:
        ConfigError: if it asks for another number of examples per step.
    """
    mine, theirs = config.experiment.train, other.experiment.train
    if mine.effective_batch_size not in (None, theirs.examples_per_step):
        with config.blame("train"):
            raise KeyProblem(
                "effective_batch_size",
                f"must stay {theirs.examples_per_step} when a run resumes, got {mine.effective_batch_size}",
            )
    if fresh:
        train = dataclasses.replace(mine, effective_batch_size=theirs.examples_per_step)
    else:
        train = dataclasses.replace(
            mine, batch_size=theirs.batch_size, accumulate_steps=theirs.accumulate_steps, effective_batch_size=None
        )
    return dataclasses.replace(config, experiment=dataclasses.replace(config.experiment, train=train))

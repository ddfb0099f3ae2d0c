"""The trials of a search as an Optuna study, in its own file or in a database of several machines."""

import json
import logging
import re
import socket
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

from dltrain.config.changes import flat
from dltrain.config.experiment import Experiment, to_plain
from dltrain.config.tuning import Parameter, Tune
from dltrain.errors import KeyProblem, UserError
from dltrain.tuning.space import draw, spelled

SEARCH, DATABASE = "search.yaml", "study.db"
"""In a search's folder: what is searched, and what is remembered."""
OWN = ("name", "plugins", "device", "strict", "checkpoint", "trackers", "report")
"""What each of the machines that search together may have of its own."""


def optuna() -> ModuleType:
    """Returns Optuna, which then says nothing by itself.

    Raises:
        UserError: if it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise UserError("tune needs Optuna: pip install 'dltrain[tune]'") from None
    optuna.logging.set_verbosity(logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


class Study:
    """The trials of a search.

    Args:
        place: the search's folder.
        experiment: what is trained. Its name is that of the study, which machines that share a database have in common;
            its seed that of the sampler: with one worker, the same gives the same trials, however often it is cut.
        tune: how to search.
        monitor: the column that a trial is worth.

    Raises:
        ValueError: if the database cannot be used, or is that of another search; it begins with a key of `tune`.
    """

    def __init__(self, place: Path, experiment: Experiment, tune: Tune, monitor: str) -> None:
        self._optuna, self._tune, self._seed = optuna(), tune, experiment.seed
        larger_is_better = experiment.task.larger_is_better(monitor)
        name, epochs = str(experiment.name), experiment.train.epochs or 1
        common = _common(experiment, tune, monitor)
        self._own = f"{socket.gethostname()}:{place.resolve()}"
        self.larger_is_better = larger_is_better
        try:
            self.study = self._optuna.create_study(
                storage=tune.storage or f"sqlite:///{(place / DATABASE).resolve()}",
                study_name=name,
                direction="maximize" if larger_is_better else "minimize",
                pruner=self._pruner(epochs),
                load_if_exists=True,
            )
            known = self.study.user_attrs.get("search")
            self.study.set_user_attr("search", known or common)
            self.known = len(self.trials)
        except Exception as error:  # each database has errors of its own
            why = " ".join(f"{error} {error.__cause__ or ''}".split())
            raise KeyProblem("storage", f"cannot be used: {why[:300]}") from None
        if known not in (None, common):
            differ = [key for key in {**known, **common} if known.get(key) != common.get(key)]
            raise KeyProblem(
                "storage",
                f"must be that of the same search: its study {name!r} differs in {', '.join(differ[:5])}; "
                "choose another `name` for another study",
            )

    known: int
    """How many trials there were when it was opened."""

    def _pruner(self, epochs: int) -> Any:
        pruners = self._optuna.pruners
        match self._tune.pruner:
            case "median":
                return pruners.MedianPruner(n_warmup_steps=epochs // 10)  # a slow beginning says little
            case "hyperband":
                return pruners.HyperbandPruner(max_resource=max(epochs, 1))
        return pruners.NopPruner()

    def _sampler(self, number: int) -> Any:
        """Returns a sampler for a trial, seeded by its number: one that went on would draw anew after a resume."""
        import numpy as np

        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        if self._tune.sampler == "random":
            return self._optuna.samplers.RandomSampler(seed=seed)
        # Trials that are still running count as bad ones: workers would try the same otherwise.
        return self._optuna.samplers.TPESampler(seed=seed, constant_liar=self._tune.workers > 1)

    @property
    def trials(self) -> list[Any]:
        """All trials, by number."""
        return [trial for trial in self.study.get_trials(deepcopy=False) if "surplus" not in trial.user_attrs]

    def ask(self) -> tuple[Any, dict[str, Any]] | None:
        """Returns a new trial and its values; none if there are enough."""
        most, count = self._tune.trials, len(self.study.get_trials(deepcopy=False))
        if most is not None and count >= most:
            return None
        self.study.sampler = self._sampler(count)
        trial = self.study.ask()
        if most is not None and trial.number >= most:  # another machine was faster
            trial.set_user_attr("surplus", True)
            self.study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
            return None
        trial.set_user_attr("folder", self._own)
        return trial, self._values(trial)

    def cut(self) -> list[tuple[Any, dict[str, Any]]]:
        """Returns the trials of this folder that are not done, which nobody else works on, with their values."""
        found = []
        for each in self.trials:
            is_open = each.state == self._optuna.trial.TrialState.RUNNING
            if is_open and each.user_attrs.get("folder", self._own) == self._own:
                self.study.sampler = self._sampler(each.number)
                trial = self._optuna.trial.Trial(self.study, each._trial_id)
                trial.set_user_attr("folder", self._own)
                found.append((trial, self._values(trial)))
        return found

    def _values(self, trial: Any) -> dict[str, Any]:
        def one(key: str, parameter: Parameter) -> Any:
            if parameter.choices:
                by_words = {spelled(choice): choice for choice in parameter.choices}
                return by_words[trial.suggest_categorical(key, list(by_words))]
            low, high, step = parameter.low, parameter.high, parameter.step
            if parameter.is_whole:
                return trial.suggest_int(key, low, high, step=step or 1, log=parameter.log)
            return trial.suggest_float(key, float(low or 0), float(high or 0), step=step, log=parameter.log)

        return draw(self._tune.space, one)

    def report(self, trial: Any, epoch: int, value: float) -> str | None:
        """Takes in an epoch; returns why the trial is to be cut short, or nothing."""
        known = self.study._storage.get_trial(trial._trial_id).intermediate_values
        if epoch not in known:
            trial.report(value, epoch)
        if epoch < max(known, default=0) or not trial.should_prune():
            return None
        return f"pruned after epoch {epoch}: {self._tune.pruner}"

    def tell(self, trial: Any, how: str, words: str) -> str:
        """Notes how a trial ended; returns how that counts: "finished", "pruned" or "failed"."""
        state = self._optuna.trial.TrialState
        values = self._finite(self.study._storage.get_trial(trial._trial_id))
        if how == "finished" and not values:
            how, words = "failed", "no epoch has a finite value"
        if words:
            trial.set_user_attr("message", words[:1000])
        if how == "finished":
            self.study.tell(trial, self._best(values))
        else:
            self.study.tell(trial, state=state.PRUNED if how == "pruned" and values else state.FAIL)
        return how

    @staticmethod
    def _finite(trial: Any) -> list[float]:
        return [value for value in trial.intermediate_values.values() if abs(value) < float("inf")]

    def _best(self, values: list[float]) -> float:
        return max(values) if self.larger_is_better else min(values)

    def rows(self) -> list[dict[str, Any]]:
        """Returns what became of each trial, in their order; its value is that of its best epoch."""
        names = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}
        return [
            {
                "trial": each.number + 1,
                "status": names.get(each.state.name, "running"),
                "value": self._best(values) if (values := self._finite(each)) else None,
                "epochs": len(each.intermediate_values),
                "values": {key: each.params[key] for key in self._tune.space if key in each.params},
                "error": each.user_attrs.get("message") if each.state.name == "FAIL" else None,
            }
            for each in self.trials
        ]

    def arguments(self, row: dict[str, Any]) -> list[str]:
        """Returns a row's values as arguments; those of choices are kept as such words."""
        values, space = row["values"], self._tune.space
        return [f"{key}={value if space[key].choices else spelled(value)}" for key, value in values.items()]

    def importances(self) -> dict[str, float]:
        """Returns the share of each key in how far apart trials are; empty where they are too few.

        fANOVA (F. Hutter et al., "An efficient approach for assessing hyperparameter importance", 2014), of the keys
        that every finished trial has.
        """
        try:
            evaluator = self._optuna.importance.FanovaImportanceEvaluator(seed=self._seed)
            found = self._optuna.importance.get_param_importances(self.study, evaluator=evaluator)
        except (ValueError, RuntimeError):
            return {}
        return {key: float(share) for key, share in found.items()}


def _common(experiment: Experiment, tune: Tune, monitor: str) -> dict[str, str]:
    """Returns what all trials of a study must have in common to be compared, as text by key path."""
    values = flat(to_plain(experiment)) | {"tune.space": to_plain(tune.space), "tune.monitor": monitor}
    common = {key: value for key, value in values.items() if key.split(".")[0] not in OWN}
    # A path may be another one on another machine.
    return {
        key: re.sub(r'(?<![^\s"/])[^\s"/]*/', "", json.dumps(value, sort_keys=True)) for key, value in common.items()
    }

"""What can go wrong, as a tree; the exit code of the command hangs on the branch.

DltrainError
├── UserError            2: the user can mend it before running again
│   ├── ConfigError         a config or an override, with every problem found
│   ├── DataError           a dataset that cannot be had or read
│   ├── DeviceError         a device that was asked for and is not there
│   ├── ClusterError        machines that cannot train together
│   ├── CheckpointError     a checkpoint that cannot be used
│   └── RunError            no such run, or one that cannot do what was asked
├── TrainingError        1: the run failed, its last checkpoint stands
├── Pruned               1: a search gave the run up, its last checkpoint stands
└── Interrupted        130: Ctrl-C (143: SIGTERM), state saved

Anything else that escapes is a fault of dltrain's own and keeps its traceback.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol


def printable(text: str) -> str:
    """Returns a text with its control characters as escapes: names in other people's data could steer a terminal."""
    if text.isprintable():
        return text
    kept = (character if character.isprintable() or character in "\n\t" else _escape(character) for character in text)
    return "".join(kept)


def said(error: BaseException) -> str:
    """Returns what an exception of Keras or TensorFlow says, in a line: without colours, preamble and what follows."""
    text = re.sub(r"\x1b\[[0-9;]*m|\{\{function_node [^}]*\}\} ?| ?\[Op:\w+\]( name: )?", "", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(_AROUND)]
    # Around code that it traced TensorFlow writes the frames, and what went wrong behind them.
    told = [line for line in lines if re.match(r"[A-Z]\w*(Error|Exception): ", line)]
    return told[-1].partition(": ")[2] if told else (lines or [""])[0]


_AROUND = (
    *("Exception encountered when calling", "Could not automatically infer the output shape"),  # Keras
    *("in user code:", "Graph execution error:", "Detected at node", 'File "', "[[{{node"),  # TensorFlow
)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


class DltrainError(Exception):
    """A failure with a message for the user, shown without a traceback."""

    exit_code = 1


class UserError(DltrainError):
    """The user can mend it before running again."""

    exit_code = 2


class Located(Protocol):
    """What is wrong with a value of a config; as text it shows the line too, with a mark below the value."""

    @property
    def key(self) -> str:
        """The key path that is to blame; empty where it is none in particular."""

    @property
    def words(self) -> str:
        """What is wrong with it, as it stands behind the key in the message."""

    @property
    def headline(self) -> str:
        """Place and message, of which the first line where it has several."""


Problems = list[str | Located]
"""Messages, and problems that know their place."""


class ConfigError(UserError):
    """A config or a command-line override is wrong.

    Args:
        problems: every problem found: a message that names file, line and column, or a problem that knows its place.
    """

    def __init__(self, problems: Sequence[str | Located]) -> None:
        self.problems = [*problems]
        super().__init__("\n\n".join(map(str, problems)))

    @property
    def headline(self) -> str:
        """The first problem, in a line."""
        first = self.problems[0]
        return first.partition("\n")[0] if isinstance(first, str) else first.headline

    def words_of(self, key: str) -> str | None:
        """Returns what is wrong with a key, by its path; none where nothing is."""
        located = [problem for problem in self.problems if not isinstance(problem, str)]
        return next((problem.words for problem in located if problem.key == key), None)


class OptionError(ConfigError):
    """An option asks for what cannot be.

    Args:
        problem: what is wrong, with the option's name without its strokes as the key.
    """

    def __init__(self, problem: ValueError) -> None:
        self.problem = problem
        super().__init__([f"--{problem}"])


@contextmanager
def gathered(problems: Problems) -> Iterator[None]:
    """Adds what a ConfigError says to other problems, and goes on behind the block: all are told at once."""
    try:
        yield
    except ConfigError as error:
        problems += error.problems


class DataError(UserError):
    """A dataset cannot be had, read or used as the config asks."""


class KeyProblem(ValueError):
    """What is wrong with a key of a block, raised by the block's own checks: the user sees it at the key's line.

        raise KeyProblem("depth", f"must be 6n + 2, got {self.depth}")

    Args:
        key: of the block, `name` included; a path where it lies deeper, as `stages[2].filters`. Empty for the whole.
        words: what is wrong, as they follow the key in the message.
    """

    def __init__(self, key: str, words: str) -> None:
        self.key, self.words = key, words
        super().__init__(key, words)

    @property
    def headline(self) -> str:
        """The message, which knows no place, of which the first line where it has several."""
        return str(self).partition("\n")[0]

    def __str__(self) -> str:
        between = " " if self.key and self.words and not self.words.startswith(":") else ""
        return f"{self.key}{between}{self.words}"


class AbsentData(KeyProblem):
    """What a dataset's key names is not on this machine: raised by a source, and no fault of the config."""


class Misfit(KeyProblem):
    """A network cannot be built as its block says. Raised by a model's `build`."""


class DeviceError(UserError):
    """A device that was asked for is not there or cannot be used."""


class ClusterError(UserError):
    """The machines of a run are not named rightly, do not find each other, or were not started alike."""


class CheckpointError(UserError):
    """A checkpoint cannot be used: missing, damaged, or of another model."""


class RunError(UserError):
    """There is no such run, or it cannot do what was asked."""


class TrainingError(DltrainError):
    """The run failed: a loss that is not finite, a full disk, no memory."""


class Pruned(DltrainError):
    """A search gave the run up: others were better at the same epoch."""


class Interrupted(DltrainError):
    """The run was told to stop and has saved its state.

    Args:
        event: what happened.
        exit_code: 130 after Ctrl-C, 143 after SIGTERM.
        advice: what to do now, behind a semicolon; empty for nothing.
    """

    def __init__(self, event: str, exit_code: int, advice: str = "") -> None:
        self.event, self.exit_code = event, exit_code
        super().__init__(f"{event}; {advice}" if advice else event)

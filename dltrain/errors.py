"""The exceptions of dltrain, as a tree; the branch decides the exit code of the command.

DltrainError ├── UserError            2: the user can fix it before running again │   ├── ConfigError         a config
or an override, with every problem found │   ├── DataError           a dataset that cannot be downloaded or read │   ├──
DeviceError         TensorFlow that cannot be imported │   ├── ClusterError        machines that cannot train
together │   ├── CheckpointError     a checkpoint that cannot be used │   └── RunError            no such run, or one
that cannot do what was asked ├── TrainingError        1: the run failed, its last checkpoint is intact ├── Pruned
1: a search pruned the run, its last checkpoint is intact └── Interrupted        130: Ctrl-C (143: SIGTERM), state saved

Any other exception is a bug of dltrain and keeps its traceback.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol


def printable(text: str) -> str:
    """Escapes control characters: names in other people's data could steer a terminal."""
    if text.isprintable():
        return text
    kept = (character if character.isprintable() or character in "\n\t" else _escape(character) for character in text)
    return "".join(kept)


def written(name: str) -> str:
    r"""Returns the name of a file as UTF-8 can hold it: bytes that are none stand as \udc80 to \udcff; see `named`.

    JSON and YAML write such a byte in the same way, by themselves.
    """
    return _BYTE.sub(lambda found: 2 * found[1] + (found[2] if len(found[2]) > 1 else _escape(found[2])), name)


def named(text: str) -> str:
    """Returns the name of a file that `written` wrote."""

    def byte(found: re.Match[str]) -> str:
        half, is_byte = divmod(len(found[1]), 2)
        return half * "\\" + (chr(int(found[2][1:], 16)) if is_byte else found[2])

    return re.sub(r"(?<!\\)(\\+)(udc[89a-f][0-9a-f])", byte, text)


_BYTE = re.compile(r"(?<!\\)(\\*)([\udc80-\udcff]|(?<=\\)udc[89a-f][0-9a-f])")
"""A byte of a name that is no UTF-8, or a text that looks as if it were one, with the backslashes before."""


def said(error: BaseException) -> str:
    """Shortens the message of a Keras or TensorFlow exception to its essential line."""
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
    """A failure that the user can fix before running again."""

    exit_code = 2


class Located(Protocol):
    """A problem with a value of a config; as text it also shows the line, with a mark below the value."""

    @property
    def key(self) -> str:
        """The key path of the wrong value; empty where no single key is wrong."""

    @property
    def words(self) -> str:
        """What is wrong with it: the message without the key."""

    @property
    def headline(self) -> str:
        """Place and message, of which the first line where it has several."""


Problems = list[str | Located]
"""Messages, and problems that know their place in a file."""


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
    """A command-line option has an impossible value.

    Args:
        problem: what is wrong; its key is the option's name without the dashes.
    """

    def __init__(self, problem: ValueError) -> None:
        self.problem = problem
        super().__init__([f"--{problem}"])


@contextmanager
def gathered(problems: Problems) -> Iterator[None]:
    """Collects the problems of a ConfigError and continues after the block, so that all are reported at once."""
    try:
        yield
    except ConfigError as error:
        problems += error.problems


class DataError(UserError):
    """A dataset cannot be downloaded, read or used as the config asks."""


class KeyProblem(ValueError):
    """A problem with a key of a block, raised by the block's own checks and shown at the key's line.

        raise KeyProblem("depth", f"must be 6n + 2, got {self.depth}")

    Args:
        key: of the block, `name` included; a path where it lies deeper, as `stages[2].filters`. Empty for the whole.
        words: what is wrong; they follow the key in the message.
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
    """The files of a dataset are not on this machine, raised by a source: the config may still be right."""


class AbsentRun(KeyProblem):
    """A run or a file of weights that a config builds on does not exist here: the config may still be right."""


class Misfit(KeyProblem):
    """A network cannot be built as its block says. Raised by a model's `build`."""


class DeviceError(UserError):
    """TensorFlow, which makes all devices, cannot be imported."""


class ClusterError(UserError):
    """The machines of a run are listed wrongly, cannot reach each other, or were started with different settings."""


class CheckpointError(UserError):
    """A checkpoint cannot be used: missing, damaged, or of another model."""


class RunError(UserError):
    """The run does not exist, or does not allow the requested command."""


class TrainingError(DltrainError):
    """The run failed: the loss is not finite, the disk is full, or memory ran out."""


class Pruned(DltrainError):
    """A search pruned the run: others were better at the same epoch."""


class Interrupted(DltrainError):
    """A signal stopped the run, and its state is saved.

    Args:
        event: what happened.
        exit_code: 130 after Ctrl-C, 143 after SIGTERM.
        advice: what to do now, appended after a semicolon; may be empty.
    """

    def __init__(self, event: str, exit_code: int, advice: str = "") -> None:
        self.event, self.exit_code = event, exit_code
        super().__init__(f"{event}; {advice}" if advice else event)

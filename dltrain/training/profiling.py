"""A trace of some training steps for TensorBoard, and which operations took the time."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dltrain.lazy import tf

STEPS = 20
"""How many steps are recorded: enough to see what repeats, few enough for TensorBoard to open."""


@contextmanager
def recorded(folder: Path) -> Iterator[list[Path]]:
    """Records TensorFlow's operations during the block, in the format of TensorBoard's profile plugin.

    Args:
        folder: where to write; TensorBoard's logdir. It may hold earlier traces.

    Yields:
        a list that holds the files of this trace once it is written.
    """
    files: list[Path] = []
    before = _traces(folder)
    tf.profiler.experimental.start(str(folder), tf.profiler.experimental.ProfilerOptions(host_tracer_level=2))
    try:
        yield files
    finally:
        tf.profiler.experimental.stop()
        files += [file for file, written in _traces(folder).items() if before.get(file) != written]


def _traces(folder: Path) -> dict[Path, int]:
    """Returns the traces in a folder, and when each was written: two of the same second share a name."""
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*.xplane.pb")}


def operations(files: Iterable[Path]) -> list[tuple[str, float, int]]:
    """Sums up a trace as (kind of operation, total seconds, count), the longest first.

    On a GPU these are its kernels. Operations that run side by side count in full, each.
    """
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    seconds: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    space = xplane_pb2.XSpace()
    for file in files:
        space.MergeFromString(file.read_bytes())
    on_gpu = any(plane.name.startswith("/device:GPU") for plane in space.planes)
    for plane in space.planes:
        if not plane.name.startswith("/device:GPU" if on_gpu else "/host:CPU"):
            continue
        names = {key: metadata.name for key, metadata in plane.event_metadata.items()}
        for event in (event for line in plane.lines for event in line.events):
            name = names[event.metadata_id]
            # On the host an operation is named "where in the graph:kind", all else without a colon or with two.
            if on_gpu or (name.count(":") == 1 and not name.startswith("EagerLocalExecute")):
                kind = name.rpartition(":")[2].strip()
                seconds[kind] += event.duration_ps / 1e12
                counts[kind] += 1
    return [(kind, duration, counts[kind]) for kind, duration in seconds.most_common()]


def words(folder: Path, files: Iterable[Path], steps: int) -> str:
    """Lists the longest operations of a trace, with the command that shows it in TensorBoard."""
    longest = [
        f"  {1e3 * seconds / steps:9.3f} ms per step  {kind}, {times / steps:.0f} times per step"
        for kind, seconds, times in operations(files)[:10]
    ]
    return (
        "\n".join([f"profile of {steps} steps:", *longest]) + "\n"
        f"more: pip install tensorboard tensorboard-plugin-profile; tensorboard --logdir {folder}"
    )

"""The page of `dltrain compare`: groups of runs, metrics, curves and differing keys."""

from __future__ import annotations

from collections.abc import Sequence

from dltrain.figures.curves import Chart, Legend
from dltrain.report.page import Report
from dltrain.report.parts import WIDE, Chapter, Figure, Table
from dltrain.runs import comparison_table
from dltrain.runs.compare import Comparison


def comparison_report(found: Comparison, legend: Legend, charts: Sequence[Chart]) -> Report:
    """Returns the page of a comparison.

    Args:
        found: the comparison.
        legend: what the curves are.
        charts: the curves, of each metric; none where there are none to draw.
    """
    labels = [group.label for group in found.groups]
    of_groups = [
        [group.label, str(len(group.entries)), comparison_table.seeds(group), comparison_table.run_names(group)]
        for group in found.groups
    ]
    config, measured = comparison_table.config_rows(found), comparison_table.measured_rows(found)
    said = [*comparison_table.verdicts(found), *(found.notes)]
    chapters = [Chapter("Runs", [Table("Groups", ["group", "n", "seeds", "runs"], of_groups, words=4)])]
    if measured:
        columns = [comparison_table.measured_title(found), *comparison_table.measured_columns(measured, labels)]
        chapters.append(Chapter("Results", [Table("Measured", columns, [[name, *cells] for name, cells in measured])]))
    if charts:
        figures = [Figure(f"curve-{index}", chart) for index, chart in enumerate(charts, 1)]
        chapters.append(Chapter("Curves", [Figure("legend", legend, WIDE), *figures]))
    rows = [[key, *cells] for key, cells in config]
    words = "" if rows else "All runs have the same config."
    differences = Table("Keys that differ", ["key", *labels], rows, words=len(labels) + 1, shown=40)
    chapters.append(Chapter("Config", [differences] if rows else [], words))
    return Report(", ".join(labels), "runs that differ only in their seed are one group", [], said, chapters)

"""What features find odd about their own values."""

from __future__ import annotations

from collections.abc import Iterator

from dltrain.data import Finding
from dltrain.inspection.findings import check
from dltrain.inspection.inspected_data import InspectedData


@check(brief=True)
def odd_values(data: InspectedData) -> Iterator[Finding]:
    """Findings of each input and each target."""
    for feature, parts in [*data.inputs, *data.targets]:
        yield from feature.findings(parts, data.brief)

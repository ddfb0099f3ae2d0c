"""What JSON of an array looks like."""

from collections.abc import Sequence
from typing import Any


def array_schema(shape: Sequence[int]) -> dict[str, Any]:
    """Returns the JSON Schema of nested lists of numbers."""
    schema: dict[str, Any] = {"type": "number"}
    for length in reversed(shape):
        schema = {"type": "array", "items": schema, "minItems": length, "maxItems": length}
    return {**schema, "description": f"numbers as JSON, {'x'.join(map(str, shape))}"}

"""What runs of earlier versions say of their data: read as features of this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dltrain.data.feature import Feature, tupled
from dltrain.data.spec import DataSpec
from dltrain.registry import FEATURES


def spec_of_plain(fields: Mapping[str, Any]) -> DataSpec:
    """Returns what data are, from what versions before 0.2 wrote: one shape, and classes or targets.

    Raises:
        TypeError: if the fields are not those of such a version.
    """
    known = {"input_shape", "class_names", "mean", "standard_deviation", "columns", "targets", "exclusive"}
    if strange := sorted({*fields} - known):
        raise TypeError(f"what the data are has an unknown {strange[0]}")
    return DataSpec.of(_input(fields), _target(fields))


def _input(fields: Mapping[str, Any]) -> Feature:
    shape = tuple(fields["input_shape"])
    learnt = {key: tupled(fields.get(key)) for key in ("mean", "standard_deviation")}
    if fields.get("columns"):
        return _of_plain("table", {"columns": fields["columns"], **learnt})
    return _of_plain("image" if len(shape) == 3 else "vector", {"shape": shape, **learnt})


def _target(fields: Mapping[str, Any]) -> Feature:
    if targets := fields.get("targets"):
        names, means, deviations = (
            tuple(target.get(key, default) for target in targets)
            for key, default in (("name", ""), ("mean", 0.0), ("standard_deviation", 1.0))
        )
        return _of_plain("numbers", {"names": names, "mean": means, "standard_deviation": deviations})
    kind = "class_label" if fields.get("exclusive", True) else "labels"
    return _of_plain(kind, {"class_names": fields.get("class_names", ())})


def _of_plain(name: str, fields: Mapping[str, Any]) -> Feature:
    kind: Any = FEATURES[name]
    feature: Feature = kind.of_plain(fields)
    return feature

"""The data descriptions of earlier versions of dltrain, read as features of this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dltrain.data.feature import Feature, tupled
from dltrain.data.spec import DataSpec
from dltrain.features.class_label import ClassLabel
from dltrain.features.image import Image
from dltrain.features.labels import Labels
from dltrain.features.numbers import Numbers
from dltrain.features.table import Table
from dltrain.features.vector import Vector


def data_of(fields: Mapping[str, Any]) -> DataSpec:
    """Reads the description of the data from a checkpoint of this version or of an earlier one.

    Raises:
        TypeError: if it is of no version that is known.
    """
    return spec_of_plain(fields) if "input_shape" in fields else DataSpec.of_plain(fields)


def spec_of_plain(fields: Mapping[str, Any]) -> DataSpec:
    """Reads the description of the data as versions before 0.2 wrote it: one shape, and classes or targets.

    Raises:
        TypeError: if the fields are not those of such a version.
    """
    known = {"input_shape", "class_names", "mean", "standard_deviation", "columns", "targets", "exclusive"}
    if strange := sorted({*fields} - known):
        raise TypeError(f"the description of the data has an unknown key {strange[0]}")
    return DataSpec.of(_input(fields), _target(fields))


def _input(fields: Mapping[str, Any]) -> Feature:
    shape = tuple(fields["input_shape"])
    learnt = {key: tupled(fields.get(key)) for key in ("mean", "standard_deviation")}
    if fields.get("columns"):
        return Table.of_plain({"columns": fields["columns"], **learnt})
    return Image(shape=shape, **learnt) if len(shape) == 3 else Vector(shape=shape, **learnt)


def _target(fields: Mapping[str, Any]) -> Feature:
    if targets := fields.get("targets"):
        names, means, deviations = (
            tuple(target.get(key, default) for target in targets)
            for key, default in (("name", ""), ("mean", 0.0), ("standard_deviation", 1.0))
        )
        return Numbers(names=names, mean=means, standard_deviation=deviations)
    kind = ClassLabel if fields.get("exclusive", True) else Labels
    return kind(class_names=tuple(fields.get("class_names", ())))

"""The JSON Schema (draft-07) of a config, for editors: made of the dataclasses and the registry, as the loader is.

It says what can be said of one key by itself: types, ranges, names, which keys a block has. Checks that need several
keys or the data are the loader's alone (`dltrain check`).

A config with a `base` may leave out what the base says. So each type has two schemas: of what is there, and of what
must be there. The second holds where there is no base, and always within a list, which replaces the base's as a whole.
"""

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any

from dltrain.config.bases import KEY as BASE
from dltrain.config.experiment import Experiment, to_plain
from dltrain.config.schema import describe, field_types
from dltrain.fields import Fold, Range
from dltrain.registry import Choice, Registry, field_help, summary_line

Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
NONE: Schema = {"enum": ["none", None]}
VARIABLE: Schema = {"$ref": "#/definitions/variable"}
OWN_NAME: Schema = {"type": "string", "pattern": r"^\w+\.\w+$"}
_SCALARS: dict[Any, Schema] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    Path: {"type": "string", "minLength": 1},
}


def json_schema(own_names: bool = True) -> Schema:
    """Returns the schema of all that the registry knows so far.

    Args:
        own_names: accept `module.Class` as the name of a user's class whose keys are unknown; false where all plugins
            are loaded.
    """
    return _Writer(own_names).whole_config()


class _Writer:
    """Collects the definitions that the schema's parts refer to."""

    def __init__(self, own_names: bool) -> None:
        self._own_names = own_names
        variable = {"type": "string", "pattern": r"\$\{", "description": "an environment variable: ${NAME:default}"}
        self._definitions: dict[str, Schema] = {"variable": variable}

    def whole_config(self) -> Schema:
        base = "the config that this one builds on, relative to this file, which then holds only the differences."
        properties = {BASE: {"type": "string", "minLength": 1, "description": base}, **self._properties(Experiment)}
        return {
            "$schema": DRAFT,
            "title": "A dltrain config",
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
            "if": {"required": [BASE]},
            "else": self._required(Experiment),
            "definitions": self._definitions,
        }

    def _properties(self, cls: type) -> dict[str, Schema]:
        help_texts, hints = field_help(cls), field_types(cls)
        more = cls.json_schema() if issubclass(cls, Choice) else {}  # than types can say
        return {
            field.name: self._described(hints[field.name], help_texts.get(field.name, ""), field, more.get(field.name))
            for field in dataclasses.fields(cls)
            if field.init
        }

    def _described(self, hint: Any, words: str, field: dataclasses.Field, more: Schema | None) -> Schema:
        schema = self._value(hint)
        if more or "$ref" in schema:  # beside which draft-07 reads nothing
            schema = {"allOf": [schema, *([more] if more else [])]}
        must_be = "" if _is_block(hint) else f"Must be {describe(hint)}."
        schema = {**schema, "description": " ".join(filter(None, [words, must_be]))}
        if field.default is not dataclasses.MISSING:
            schema["default"] = to_plain(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            schema["default"] = to_plain(field.default_factory())
        return schema

    def _value(self, hint: Any) -> Schema:
        """Returns the schema of what is there."""
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Annotated:
            extra = hint.__metadata__[0]
            return self._block(extra) if isinstance(extra, Registry) else _or_variable(_ranged(arguments[0], extra))
        if origin is typing.Literal:
            return _or_variable({"enum": list(arguments)})
        if origin in (typing.Union, types.UnionType):
            return _any_of([self._value(argument) for argument in arguments])
        if origin is tuple:
            variable = arguments[-1] is Ellipsis
            length = {} if variable else {"minItems": len(arguments), "maxItems": len(arguments)}
            return {"type": "array", "items": self._item(arguments[0]), **length}
        if origin is dict:
            return {"type": "object", "additionalProperties": self._value(arguments[1])}
        if hint is types.NoneType:
            return NONE
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            return self._defined(f"{hint.__module__.rpartition('.')[2]}_{hint.__name__}", hint)
        return {} if hint is Any else _or_variable(_SCALARS[hint])

    def _item(self, hint: Any) -> Schema:
        value, needed = self._value(hint), self._needed(hint)
        return {"allOf": [value, needed]} if needed else value

    def _needed(self, hint: Any) -> Schema:
        """Returns the schema of what must be there; empty where nothing must."""
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Annotated and isinstance(hint.__metadata__[0], Registry):
            return self._needed_of_block(hint.__metadata__[0])
        if origin in (typing.Union, types.UnionType):
            needed = next(filter(None, map(self._needed, arguments)), {})
            return {"if": {"type": "object"}, "then": needed} if needed else {}
        if origin is dict:
            needed = self._needed(arguments[1])
            return {"additionalProperties": needed} if needed else {}
        return self._required(typing.cast(type, hint)) if dataclasses.is_dataclass(hint) else {}

    def _required(self, cls: type) -> Schema:
        hints = field_types(cls)
        below = {name: needed for name, hint in hints.items() if (needed := self._needed(hint))}
        without_default = [
            field.name
            for field in dataclasses.fields(cls)
            if field.init and field.default is field.default_factory is dataclasses.MISSING
        ]
        found: Schema = {"required": without_default} if without_default else {}
        return {**found, "properties": below} if below else found

    def _block(self, registry: Registry) -> Schema:
        key = registry.kind
        if key not in self._definitions:
            self._definitions[key] = {}  # a block may hold one of its own kind
            classes = {name: registry[name] for name in registry.names()}
            choices = [{"enum": list(classes)}, *([OWN_NAME] if self._own_names else []), VARIABLE]
            words = {"description": f"which {registry.kind}; `dltrain list {registry.kind}` describes each."}
            keys = {"name": None, **{key: None for cls in classes.values() for key in field_types(cls)}}
            self._definitions[key] = {
                "type": "object",
                "properties": {"name": {"anyOf": choices, **words}},
                "if": {"required": ["name"]},
                "then": {"allOf": [_if_named(name, self._defined(f"{key}_{name}", classes[name])) for name in classes]},
                "else": {"propertyNames": {"enum": list(keys)}},  # of a base's choice, which may be any
            }
            if not classes:
                del self._definitions[key]["then"]
        return {"$ref": f"#/definitions/{key}"}

    def _needed_of_block(self, registry: Registry) -> Schema:
        key = f"{registry.kind}_whole"
        if key not in self._definitions:
            self._definitions[key] = {}
            needed = {name: self._required(registry[name]) for name in registry.names()}
            each = [_if_named(name, schema) for name, schema in needed.items() if schema]
            self._definitions[key] = {"required": ["name"], **({"allOf": each} if each else {})}
        return {"$ref": f"#/definitions/{key}"}

    def _defined(self, key: str, cls: type) -> Schema:
        if key not in self._definitions:
            self._definitions[key] = {}
            checked: Schema = {"name": {}} if issubclass(cls, Choice) else {}
            self._definitions[key] = {
                "type": "object",
                "description": summary_line(cls),
                "properties": {**checked, **self._properties(cls)},
                "additionalProperties": False,
            }
        return {"$ref": f"#/definitions/{key}"}


def _if_named(name: str, then: Schema) -> Schema:
    return {"if": {"properties": {"name": {"const": name}}, "required": ["name"]}, "then": then}


def _or_variable(schema: Schema) -> Schema:
    """Returns the schema of a scalar that an environment variable may stand for."""
    return schema if schema.get("type") == "string" and "pattern" not in schema else {"anyOf": [schema, VARIABLE]}


def _any_of(alternatives: list[Schema]) -> Schema:
    """Returns the schema of a union, flat and each alternative once: editors tell what would fit from such a list."""
    flat = [inner for each in alternatives for inner in (each["anyOf"] if [*each] == ["anyOf"] else [each])]
    once = [each for index, each in enumerate(flat) if each not in flat[:index]]
    if {"type": "string"} in once:
        once = [each for each in once if each != VARIABLE]
    return {"anyOf": [each for each in once if each != NONE] + [NONE] * (NONE in once)}


def _ranged(scalar: Any, extra: Any) -> Schema:
    schema = dict(_SCALARS[scalar])
    if isinstance(extra, Fold):
        return {**schema, "pattern": r"^fold \d+ of \d+$"}
    if isinstance(extra, Range):
        if extra.minimum is not None:
            schema["exclusiveMinimum" if extra.open_minimum else "minimum"] = extra.minimum
        if extra.maximum is not None:
            schema["exclusiveMaximum" if extra.open_maximum else "maximum"] = extra.maximum
    return schema


def _is_block(hint: Any) -> bool:
    registry = getattr(hint, "__metadata__", [None])[0]
    return dataclasses.is_dataclass(hint) or isinstance(registry, Registry)

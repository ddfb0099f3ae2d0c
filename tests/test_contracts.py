"""The contract of each kind of choice: what stands in the kind's base class holds for every registered class."""

import dataclasses
import inspect
import re
from typing import ClassVar

import pytest

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.features.numbers import Numbers
from dltrain.features.vector import Vector
from dltrain.fields import HeldOut
from dltrain.registry import DATASETS, EXPORTS, KINDS, REGISTRIES, SAMPLES, Choice, Registry, field_help

CONTRACTS = {registry.kind: registry for registry in (*KINDS, EXPORTS, SAMPLES)}
CLASSES = [(kind, name) for kind, registry in CONTRACTS.items() for name in registry.names()]


@pytest.fixture
def registers():
    """Takes back what a test registers."""
    before = {registry: set(registry.names()) for registry in CONTRACTS.values()}
    yield
    for registry, names in before.items():
        registry.forget_all_but(names)


def methods(cls):
    """Returns the public methods of a contract."""
    public = {name: each for name, each in inspect.getmembers(cls) if not name.startswith("_")}
    return {name: each for name, each in public.items() if inspect.isroutine(each)}


@pytest.mark.parametrize("kind", CONTRACTS)
def test_a_contract_is_written_down(kind):
    base = CONTRACTS[kind].base
    assert issubclass(base, Choice)
    assert base is not Choice
    assert base.__doc__
    for name, method in methods(base).items():
        signature = inspect.signature(method)
        assert inspect.getdoc(method), name
        assert signature.return_annotation is not inspect.Signature.empty, name
        hints = [each.annotation for each in signature.parameters.values() if each.name != "self"]
        assert inspect.Parameter.empty not in hints, name


@pytest.mark.parametrize(("kind", "name"), CLASSES)
def test_a_registered_class_keeps_the_contract_of_its_kind(kind, name):
    cls, base = CONTRACTS[kind][name], CONTRACTS[kind].base
    assert issubclass(cls, base)
    assert cls.registered_name == name
    assert inspect.getdoc(cls)
    for method, wanted in methods(base).items():
        got = getattr(cls, method)
        assert inspect.getdoc(got), method
        expected, found = (list(inspect.signature(each).parameters.values()) for each in (wanted, got))
        assert [each.name for each in found] == [each.name for each in expected], method
        assert [each.default for each in found] == [each.default for each in expected], method


@pytest.mark.parametrize(("kind", "name"), CLASSES)
def test_each_key_of_a_registered_class_is_explained(kind, name):
    cls = CONTRACTS[kind][name]
    assert {field.name for field in dataclasses.fields(cls)} <= set(field_help(cls))


def test_keys_that_all_have_stand_behind_those_of_the_class():
    keys = {kind: [field.name for field in dataclasses.fields(REGISTRIES[kind][name])] for kind, name in
            (("model", "mlp"), ("dataset", "digits"), ("dataset", "csv"))}  # fmt: skip
    assert keys["model"][-2:] == ["weights", "freeze"]
    assert keys["dataset"][-3:] == ["test_fraction", "validation_fraction", "split_seed"]


@pytest.mark.parametrize("name", REGISTRIES["dataset"].names())
def test_a_dataset_without_held_out_shares_says_which_keys_it_has(name):
    cls = REGISTRIES["dataset"][name]
    keys = {field.name for field in dataclasses.fields(cls)}
    assert keys & {"test_fraction", "validation_fraction"} <= set(cls.fractions().values()) <= keys


@pytest.mark.usefixtures("registers")
def test_a_class_that_does_not_name_its_contract_has_the_defaults():
    @CONTRACTS["dataset"].register("beads")
    class Beads:
        """Beads."""

        length: int = 3

        def load(self):
            return self.length

    assert [field.name for field in dataclasses.fields(Beads)][:1] == ["length"]
    beads = Beads(validation_fraction=0.5)
    assert (beads.task, beads.spec(), beads.cache, beads.proposed(None, None)) == ("classification", None, None, None)
    assert beads.load("whatever a run was trained on") == 3
    assert beads.undivided().validation_fraction == 0.0


@pytest.mark.usefixtures("registers")
def test_a_key_may_be_required_although_the_contract_has_a_value_of_its_name():
    from dltrain.datasets import Dataset

    @CONTRACTS["dataset"].register("kept")
    class Kept(Dataset):
        """Kept."""

        cache: str
        test_fraction: ClassVar[HeldOut] = 0.0

    assert Kept(cache="disk").cache == "disk"
    assert Kept.fractions() == {"validation": "validation_fraction"}
    with pytest.raises(TypeError, match="cache"):
        Kept()
    with pytest.raises(TypeError, match="test_fraction"):
        Kept(cache="disk", test_fraction=0.1)


@pytest.mark.usefixtures("registers")
def test_the_target_says_which_task_is_meant_where_the_config_does_not(registers):
    @DATASETS.register("of_prices")
    class OfPrices:
        def spec(self):
            return DataSpec.of(Vector(shape=(2,)), Numbers(names=("price",)))

    @DATASETS.register("of_nothing")
    class OfNothing:
        def spec(self):
            raise KeyProblem("path", "is not there")

    assert OfPrices().task == "regression"
    assert OfNothing().task == "classification"


@pytest.mark.parametrize("names_it", [False, True])
def test_a_network_must_not_have_a_key_that_all_have(names_it):
    models = CONTRACTS["model"]
    with pytest.raises(ValueError, match="must rename its key `freeze`: every network"):

        @models.register("frozen")
        class Frozen(*([models.base] if names_it else [])):
            freeze: bool = True


def test_a_registry_without_a_contract_makes_choices():
    things = Registry("thing")

    @things.register("one")
    class One:
        pass

    assert issubclass(One, Choice)
    assert One.keras_class is None
    assert One.json_schema() == {}


def test_a_problem_with_a_key_reads_as_one_sentence():
    assert str(KeyProblem("depth", "must be 6n + 2, got 21")) == "depth must be 6n + 2, got 21"
    assert str(KeyProblem("name", ": mlflow needs MLflow")) == "name: mlflow needs MLflow"
    assert str(KeyProblem("", "there is nothing")) == "there is nothing"
    assert re.fullmatch(r"a b", KeyProblem("a", "b\nc").headline)

from pathlib import Path

import pytest

from dltrain.config import experiment
from dltrain.config.document import MAX_BYTES, Source, dump, override, parse, read
from dltrain.errors import ConfigError


def plain(node):
    if isinstance(node.value, list):
        return [plain(item) for item in node.value]
    if isinstance(node.value, dict):
        return {key: plain(item) for key, item in node.value.items()}
    return node.value


def parsed(text):
    return plain(parse(Source("test.yaml", text, Path.cwd())))


def problem(text):
    with pytest.raises(ConfigError) as caught:
        parsed(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("on", "on"),
        ("yes", "yes"),
        ("NO", "NO"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("~", None),
        ("True", True),
        ("'1'", "1"),
    ],
)
def test_scalars_follow_yaml_1_2(text, value):
    result = parsed(f"key: {text}")["key"]
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize("value", ["on", "1e-3", "010", "none", "12:30", "true", "", "~", "0x1f", "a: b", "Zoë"])
def test_text_that_was_dumped_reads_back_as_text(value):
    assert parsed(dump({"key": value})) == {"key": value}


@pytest.mark.parametrize("value", [1e-5, 1e20, 0.1, -3, True, [1, [2.5]], {"a": {"b": 1}}])
def test_values_that_were_dumped_read_back(value):
    assert parsed(dump({"key": value})) == {"key": value}


def test_a_duplicate_key_is_refused_with_both_lines():
    message = problem("a: 1\nb: 2\na: 3\n")
    assert message.startswith("test.yaml:3:1: ")
    assert "line 1" in message


def test_all_duplicates_are_reported_at_once():
    assert len(problem("a: 1\na: 2\nb: 1\nb: 2\n").split("\n\n")) == 2


@pytest.mark.parametrize("text", ["a: !!python/object/apply:os.system [ls]", "a: !!binary aGk=", "a: !mine 3"])
def test_tags_are_refused(text):
    assert "tags" in problem(text)


def test_broken_yaml_names_the_place():
    assert problem("a: 1\nb: [1, 2\nc: 3\n").startswith("test.yaml:3:")


def test_a_tab_is_explained():
    assert "spaces, not tabs" in problem("a:\n\tb: 1\n")


def test_two_documents_are_refused():
    assert "document" in problem("a: 1\n---\nb: 2\n")


@pytest.mark.parametrize("text", ["[" * 500 + "]" * 500, "a: &a [*a]", "[" * 5000])
def test_deep_and_recursive_texts_are_refused(text):
    assert "test.yaml" in problem(text)


def test_anchors_that_multiply_are_refused():
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "anchors" in problem("\n".join(levels))


def test_an_endless_number_is_refused_shortly():
    message = problem(f"a: {'9' * 5000}")
    assert "number" in message
    assert len(message) < 500


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: 1\nb: \xff\n", ":2:4: must be UTF-8"),
        (b"", "is empty"),
        (b"# only a comment\n", "is empty"),
        (b"- a\n- b\n", "must be a mapping"),
        (b"just words", "must be a mapping"),
        (b"x" * (MAX_BYTES + 1), "at most 131,072 are read"),
        (b"a: \x07", "not valid YAML"),
    ],
)
def test_files_that_are_no_config_get_one_clear_message(tmp_path, content, words):
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="folder"):
        read(tmp_path)
    with pytest.raises(ConfigError, match="no such file"):
        read(tmp_path / "none.yaml")


def overridden(text, *arguments):
    return plain(override(parse(Source("test.yaml", text, Path.cwd())), list(arguments)))


def test_overrides_are_laid_over_the_file():
    assert overridden("a: {b: 1, c: 2}", "a.b=3", "d.e=[1, 2]") == {"a": {"b": 3, "c": 2}, "d": {"e": [1, 2]}}


def test_an_override_reaches_into_a_list():
    assert overridden("a: [{b: 1}, {b: 2}]", "a.1.b=3") == {"a": [{"b": 1}, {"b": 3}]}


def test_another_name_starts_the_block_anew_in_any_order_of_arguments():
    text = "model: {name: resnet, depth: 20}"
    assert overridden(text, "model.units=[8]", "model.name=mlp") == {"model": {"name": "mlp", "units": [8]}}
    assert overridden(text, "model.name=resnet") == {"model": {"name": "resnet", "depth": 20}}


def test_another_name_of_the_config_itself_leaves_its_blocks():
    assert overridden("name: a\nmodel: {name: mlp}", "name=b") == {"name": "b", "model": {"name": "mlp"}}


def test_an_override_may_name_a_place_as_messages_do():
    assert overridden("a: [{b: 1}, {b: [2, 3]}]", "a[1].b[0]=4") == {"a": [{"b": 1}, {"b": [4, 3]}]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [{b: 1}, {b: 2}]", "the list has only 2 items, counted from 0, got [3]"),
        ("a: [{b: 1}]", "the list has only 1 item, counted from 0, got [3]"),
    ],
)
def test_an_override_beyond_the_end_of_a_list_is_told_how_many_there_are(text, words):
    with pytest.raises(ConfigError) as caught:
        overridden(text, "a[3].b=4", "c")
    wrong, beyond = map(str, caught.value.problems)
    assert "argument 'c'" in wrong
    assert beyond.startswith(f"argument 'a[3].b=4': {words}\n")


def test_what_is_no_override_is_refused_all_at_once():
    with pytest.raises(ConfigError) as caught:
        overridden("a: 1", "b", "=3", "c=[1", "d=1")
    assert len(caught.value.problems) == 3


def test_a_problem_in_an_override_points_into_the_argument():
    node = override(parse(Source("test.yaml", "a: 1", Path.cwd())), ["a.b=3"]).value["a"].value["b"]
    message = str(node.mark.problem("is wrong"))
    assert message.splitlines()[0] == "argument 'a.b=3': is wrong"
    assert message.splitlines()[2].index("^") == message.splitlines()[1].index("3")


@pytest.mark.parametrize("text", ["model: {name: WORD}", "model: WORD", "WORD: 1", "seed: WORD", "model: {WORD: 1}"])
def test_a_message_about_a_long_value_is_short(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text.replace("WORD", "x" * 100_000))
    with pytest.raises(ConfigError) as told:
        experiment.load(path)
    assert all(len(str(problem)) < 5_000 for problem in told.value.problems)
    assert "a.yaml:1:" in str(told.value)

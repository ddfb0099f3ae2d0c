"""Encoders in Hugging Face's form give transformers' outputs, and what would give others is refused.

hugging_face.json holds, of each family, the config, the names and shapes of tensors as `save_pretrained` of
transformers 5.24.0 wrote them, and a few numbers of the last hidden state that it gave with PyTorch 2.14.1 for the
padded pairs here.
"""

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.features._text import tokenizing
from dltrain.features.class_label import ClassLabel
from dltrain.features.tokens import Tokens
from dltrain.keras_internals import latest_output
from dltrain.registry import MODELS

GOLDENS = json.loads((Path(__file__).parent / "hugging_face.json").read_text())
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
PAIRS = [("one two three", "four five"), ("six", "seven"), ("eight nine ten one two three four", "five six seven")]
LIN1 = "distilbert.transformer.layer.0.ffn.lin1.weight"
NUMBERS = {"size": "tiny", "depth": 2, "heads": 2, "width": 32, "dense_width": 64, "positions": 20, "dropout": 0.0}


def arrays(name):
    """Returns the weights that the outputs were made with."""
    found = {}
    for tensor, shape in GOLDENS[name]["tensors"].items():
        z = np.random.RandomState(zlib.crc32(tensor.encode())).standard_normal(shape)
        scaled = 0.2 * z if len(shape) > 1 else (1 + 0.1 * z if tensor.endswith("weight") else 0.1 * z)
        found[tensor] = scaled.astype(np.float32)
    return found


def written(folder, name, tensors=None, **config):
    """Writes a folder as transformers does, with a tokenizer of whole words; returns the texts' feature."""
    folder.mkdir(exist_ok=True, parents=True)
    golden = GOLDENS[name]
    (folder / "config.json").write_text(json.dumps(golden["config"] | config))
    save_file(arrays(name) if tensors is None else tensors, folder / "model.safetensors")
    special = golden["special"]
    ids = {token: number for number, token in enumerate([*special, *WORDS])}
    made = Tokenizer(models.WordLevel(ids, unk_token="<unk>" if "<unk>" in ids else "[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    first, last = ("<s>", "</s>") if "<s>" in ids else ("[CLS]", "[SEP]")
    between = f"{last} {last}" if "<s>" in ids else last
    made.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {between} $B:1 {last}:1",
        special_tokens=[(token, ids[token]) for token in (first, last)],
    )
    made.save(str(folder / "tokenizer.json"))
    content = tokenizing.of_file(folder, lowercase=True, strip_accents=True, max_length=20)
    return Tokens(max_length=20, has_pairs=True, tokenizer=content)


def loaded(folder, name, tokens):
    data = DataSpec.of(tokens, ClassLabel(class_names=("a", "b")))
    chosen = MODELS[name](weights=folder, **NUMBERS)
    chosen.check(data)
    model = chosen.build(data)
    chosen.initialize(model, data)
    return model


def hidden(model, ids):
    """Returns the vectors behind the last block."""
    blocks = [layer for layer in model.layers if layer.name.endswith("layer_1") or "inner_layer" in layer.name]
    return np.asarray(keras.Model(model.input, latest_output(blocks[-1]))(ids))


def refusal(folder, name, tokens):
    with pytest.raises((KeyProblem, ExceptionGroup)) as caught:
        loaded(folder, name, tokens)
    problem = getattr(caught.value, "exceptions", [caught.value])[0]
    return problem.key, problem.words


@pytest.mark.parametrize("name", GOLDENS)
def test_an_encoder_of_hugging_face_gives_the_outputs_of_transformers(tmp_path, name):
    golden, tokens = GOLDENS[name], written(tmp_path, name)
    ids = tokens.encode([{"text": text, "pair": pair} for text, pair in PAIRS]).stored.padded(tokens.padding)
    assert ids.tolist() == golden["ids"]
    model = loaded(tmp_path, name, tokens)
    found = hidden(model, ids.astype(np.int32))
    lasts = (ids != tokens.padding).sum(axis=1) - 1
    np.testing.assert_allclose(found[range(3), lasts, :4], golden["last_tokens"], atol=1e-5)
    np.testing.assert_allclose(found[0, 0, -4:], golden["first_token"], atol=1e-5)
    if "pooled" in golden:
        pooled = keras.Model(model.input, latest_output(model.get_layer("pooled_dense")))(ids.astype(np.int32))
        np.testing.assert_allclose(np.asarray(pooled)[2, :4], golden["pooled"], atol=1e-5)


def as_of_bare_network(name):
    """Returns the weights as a network without head has them: no word before each name."""
    start = "embeddings.word_embeddings.weight"
    before = next(each for each in GOLDENS[name]["tensors"] if each.endswith(start)).removesuffix(start)
    return {each.removeprefix(before): array for each, array in arrays(name).items()}


def as_of_google(name):
    """Returns the weights as TensorFlow's BERT has them: gamma and beta, and a word before each name."""
    older = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    found = {f"bert.{each}": array for each, array in arrays(name).items()}
    for new, old in older.items():
        found = {each.replace(new, old): array for each, array in found.items()}
    return found


@pytest.mark.parametrize(
    ("name", "form"), [("roberta", as_of_bare_network), ("distil_bert", as_of_bare_network), ("bert", as_of_google)]
)
def test_whatever_transformers_puts_before_or_into_a_name_the_weights_are_the_same(tmp_path, name, form):
    tokens = written(tmp_path / "one", name)
    written(tmp_path / "other", name, form(name))
    ids = np.array(GOLDENS[name]["ids"], np.int32)
    one, other = (hidden(loaded(tmp_path / folder, name, tokens), ids) for folder in ("one", "other"))
    np.testing.assert_array_equal(one, other)


def test_several_files_are_read_by_their_index_which_names_none_elsewhere(tmp_path):
    tokens = written(tmp_path, "albert")
    whole = hidden(loaded(tmp_path, "albert", tokens), np.array(GOLDENS["albert"]["ids"], np.int32))
    (tmp_path / "model.safetensors").unlink()
    found = arrays("albert")
    places = {each: f"model-{number % 2}.safetensors" for number, each in enumerate(found)}
    for file in {*places.values()}:
        save_file({each: found[each] for each in found if places[each] == file}, tmp_path / file)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    parts = hidden(loaded(tmp_path, "albert", tokens), np.array(GOLDENS["albert"]["ids"], np.int32))
    np.testing.assert_array_equal(parts, whole)
    index.write_text(json.dumps({"weight_map": dict.fromkeys(places, "../model-0.safetensors")}))
    assert "names ../model-0.safetensors, which is no file beside it" in refusal(tmp_path, "albert", tokens)[1]


@pytest.mark.parametrize("name", ["bert", "albert"])
def test_a_network_that_guessed_tokens_lacks_the_dense_layer_which_is_told(tmp_path, name, caplog):
    tokens = written(tmp_path, name, {each: a for each, a in arrays(name).items() if "pooler" not in each})
    with caplog.at_level("INFO", logger="dltrain"):
        loaded(tmp_path, name, tokens)
    assert "all but pooled_dense and logits, which start at random" in caplog.text


def test_positions_of_roberta_begin_behind_the_id_of_its_padding(tmp_path):
    found, table = arrays("roberta"), "roberta.embeddings.position_embeddings.weight"
    later = found | {table: np.concatenate([np.ones((2, 32), np.float32), found[table]])}
    tokens = written(tmp_path / "one", "roberta")
    written(tmp_path / "other", "roberta", later, pad_token_id=3, max_position_embeddings=24)
    ids = np.array(GOLDENS["roberta"]["ids"], np.int32)
    one, other = (hidden(loaded(tmp_path / folder, "roberta", tokens), ids) for folder in ("one", "other"))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "change", "key", "words"),
    [
        ("albert", {"num_hidden_groups": 2}, "weights", "num_hidden_groups must be 1, got 2"),
        ("albert", {"inner_group_num": 2}, "weights", "inner_group_num must be 1, got 2"),
        ("albert", {"embedding_size": 16}, "size", "must have 16 numbers of a token before its blocks"),
        ("electra", {"embedding_size": 16}, "size", "must have 16 numbers of a token before its blocks"),
        ("bert", {"is_decoder": True}, "weights", "is_decoder must be false, got true"),
        ("bert", {"type_vocab_size": 4}, "weights", "type_vocab_size must be 2, got 4"),
        ("deberta_v3", {"position_buckets": 64}, "weights", "position_buckets must be 256, got 64"),
        ("deberta_v3", {"pos_att_type": ["c2p"]}, "weights", "pos_att_type must be"),
        ("deberta_v3", {"conv_kernel_size": 3}, "weights", "conv_kernel_size must be 0, got 3"),
        ("roberta", {"hidden_act": "relu"}, "weights", 'got "relu"'),
    ],
)
def test_a_network_that_would_be_computed_otherwise_is_refused(tmp_path, name, change, key, words):
    tokens = written(tmp_path, name, **change)
    found = refusal(tmp_path, name, tokens)
    assert found[0] == key and words in found[1]


def test_what_the_config_of_a_deberta_leaves_out_is_not_taken_for_granted(tmp_path):
    tokens = written(tmp_path, "deberta_v3")
    config = json.loads((tmp_path / "config.json").read_text())
    config.pop("relative_attention")
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert "relative_attention must be true, got false" in refusal(tmp_path, "deberta_v3", tokens)[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda found: {}, "must have one tensor embeddings.word_embeddings.weight, it has 0"),
        (lambda found: found | {"other.embeddings.word_embeddings.weight": np.zeros((2, 2))}, "it has 2"),
        (lambda found: {each: a for each, a in found.items() if "lin2" not in each}, "it has no tensor distilbert."),
        (lambda found: found | {LIN1: found[LIN1].T.copy()}, "ffn.lin1.weight must have the shape (64, 32), got (32"),
        (lambda found: found | {LIN1: np.zeros((64, 32), np.int8)}, "lin1.weight must be one of F64, F32, F16, BF16"),
    ],
)
def test_weights_that_are_missing_or_others_are_refused_in_words(tmp_path, change, words):
    tokens = written(tmp_path, "distil_bert", change(arrays("distil_bert")))
    found = refusal(tmp_path, "distil_bert", tokens)
    assert found[0] == "weights" and words in found[1]


@pytest.mark.parametrize("name", tokenizing.VOCABULARIES)
def test_weights_are_for_the_tokens_that_their_own_folder_gives(tmp_path, name):
    """A vocabulary beside a tokenizer.json lacks the tokens that were added later."""
    tokens = written(tmp_path, "bert")
    place = tmp_path / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("\n".join([*tokens.ids()][:7]) if place.suffix == ".txt" else '{"a": 0}')
    loaded(tmp_path, "bert", tokens)
    (tmp_path / "tokenizer.json").write_text("{")
    assert "tokenizer.json cannot be read" in refusal(tmp_path, "bert", tokens)[1]


def test_bfloat16_is_read_whoever_was_imported_before(tmp_path):
    import ml_dtypes

    name = "embeddings.word_embeddings.weight"
    save_file({name: np.array([[1.5, -2.0]], ml_dtypes.bfloat16)}, tmp_path / "model.safetensors")
    script = f"""if True:
        from contextlib import ExitStack
        from pathlib import Path
        from dltrain.models._hugging_face import _Tensors
        with ExitStack() as files:
            print(_Tensors(Path({str(tmp_path)!r}), files).value({name!r}).tolist())
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[[1.5, -2.0]]\n", "")


def test_a_pipe_in_place_of_weights_is_refused(tmp_path):
    tokens = written(tmp_path, "electra")
    (tmp_path / "model.safetensors").unlink()
    os.mkfifo(tmp_path / "model.safetensors")
    assert "has no model.safetensors" in refusal(tmp_path, "electra", tokens)[1]


def test_another_epsilon_is_told(tmp_path, caplog):
    tokens = written(tmp_path, "roberta", layer_norm_eps=1e-12)
    with caplog.at_level("WARNING", logger="dltrain"):
        loaded(tmp_path, "roberta", tokens)
    assert "config.json has a layer_norm_eps of 1e-12, KerasHub of 1e-05" in caplog.text


def test_low_ranks_are_put_beside_weights_of_hugging_face(tmp_path):
    tokens = written(tmp_path, "electra")
    data = DataSpec.of(tokens, ClassLabel(class_names=("a", "b")))
    chosen = MODELS["electra"](weights=tmp_path, lora_rank=2, **NUMBERS)
    model = chosen.build(data)
    chosen.initialize(model, data)
    ids = np.array(GOLDENS["electra"]["ids"], np.int32)
    np.testing.assert_allclose(hidden(model, ids), hidden(loaded(tmp_path, "electra", tokens), ids), atol=1e-6)

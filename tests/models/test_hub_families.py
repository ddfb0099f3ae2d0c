"""BERT and its family: published weight counts, reference outputs, pretrained weights of others, low-rank training."""

import json
import re
import zlib

import keras
import numpy as np
import pytest

from dltrain.assembly.freezing import freeze
from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.features._text import tokenizing
from dltrain.features.class_label import ClassLabel
from dltrain.features.tokens import Tokens
from dltrain.keras_internals import latest_output, merge_low_rank, without_low_rank
from dltrain.models import _hub_presets as presets
from dltrain.registry import MODELS
from dltrain.tasks.masked_lm import MaskedLanguageModel

TOKENS = Tokens(kind="words", max_length=40).fit([["one two three four five six seven eight nine ten"] * 3])
CLASSES = ClassLabel(class_names=("a", "b"))
SPEC = DataSpec.of(TOKENS, CLASSES)
SMALL = {"depth": 2, "heads": 2, "width": 8, "dense_width": 16, "positions": 40}

# Weights of the encoder as KerasHub states them of its presets; bert's with two classes are those of transformers'
# BertForSequenceClassification, distil_bert's of DistilBertForSequenceClassification.
COUNTS = [
    ("bert", "tiny", 30_522, 4_385_920),
    ("bert", "mini", 30_522, 11_170_560),
    ("bert", "small", 30_522, 28_763_648),
    ("bert", "medium", 30_522, 41_373_184),
    ("bert", "base", 30_522, 109_482_240),
    ("bert", "large", 30_522, 335_141_888),
    ("roberta", "base", 50_265, 124_052_736 + 768 * 768 + 768),
    ("roberta", "large", 50_265, 354_307_072 + 1024 * 1024 + 1024),
    ("xlm_roberta", "base", 250_002, 277_450_752 + 768 * 768 + 768),
    ("xlm_roberta", "large", 250_002, 558_837_760 + 1024 * 1024 + 1024),
    ("distil_bert", "base", 30_522, 66_362_880 + 768 * 768 + 768),
    ("deberta_v3", "extra_small", 128_100, 70_682_112 + 384 * 384 + 384),
    ("deberta_v3", "small", 128_100, 141_304_320 + 768 * 768 + 768),
    ("deberta_v3", "base", 128_100, 183_831_552 + 768 * 768 + 768),
    ("deberta_v3", "large", 128_100, 434_012_160 + 1024 * 1024 + 1024),
    ("albert", "base", 30_000, 11_683_584),
    ("albert", "large", 30_000, 17_683_968),
    ("albert", "extra_large", 30_000, 58_724_864),
    ("albert", "extra_extra_large", 30_000, 222_595_584),
    ("electra", "small", 30_522, 13_548_800),
    ("electra", "base", 30_522, 109_482_240),
    ("electra", "large", 30_522, 335_141_888),
]


@pytest.fixture
def no_values():
    """Weights have shapes and no values: those of all networks here would be 11 GB."""
    from keras.src.backend.common import global_state

    with keras.StatelessScope(initialize_variables=False):
        yield
    global_state.set_global_attribute("uninitialized_variables", [])  # else the next scope makes values of them


@pytest.mark.parametrize(("name", "size", "vocabulary", "count"), COUNTS)
def test_an_encoder_has_as_many_weights_as_the_published_one(no_values, name, size, vocabulary, count):
    model = MODELS[name](size=size, vocabulary_size=vocabulary).build(SPEC)
    width = MODELS[name](size=size).numbers.width
    assert model.count_params() == count + width * 2 + 2


def vocabulary_file(folder, count):
    """Writes a BERT's vocab.txt of so many tokens."""
    folder.mkdir(exist_ok=True, parents=True)
    tokens = [*tokenizing.SPECIAL, *(f"word{number}" for number in range(count - 5))]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    content = tokenizing.of_file(folder / "vocab.txt", lowercase=True, strip_accents=True, max_length=20)
    return Tokens(max_length=20, tokenizer=content)


def reference_weight(name, shape):
    """Returns the weights that the reference outputs were made with, by their PyTorch names."""
    z = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    if len(shape) > 1:
        return (0.2 * z).astype(np.float32)
    return ((1 + 0.1 * z) if name.endswith("weight") else 0.1 * z).astype(np.float32)


def hugging_face_bert(folder):
    """Writes the reference BERT, 3 blocks of 32, as transformers saves it; returns its tokens."""
    from safetensors.numpy import save_file

    tokens = vocabulary_file(folder, 97)
    shapes = {
        "embeddings.word_embeddings.weight": (97, 32),
        "embeddings.position_embeddings.weight": (24, 32),
        "embeddings.token_type_embeddings.weight": (2, 32),
        "embeddings.LayerNorm.weight": (32,),
        "embeddings.LayerNorm.bias": (32,),
        "pooler.dense.weight": (32, 32),
        "pooler.dense.bias": (32,),
    }
    for block in range(3):
        parts = {f"attention.self.{each}": (32, 32) for each in ("query", "key", "value")}
        parts |= {"attention.output.dense": (32, 32), "intermediate.dense": (64, 32), "output.dense": (32, 64)}
        parts |= {"attention.output.LayerNorm": (32,), "output.LayerNorm": (32,)}
        for part, shape in parts.items():
            shapes[f"encoder.layer.{block}.{part}.weight"] = shape
            shapes[f"encoder.layer.{block}.{part}.bias"] = shape[:1]
    arrays = {name: reference_weight(name, shape) for name, shape in shapes.items()}
    save_file(arrays, folder / "model.safetensors")
    config = {"model_type": "bert", "vocab_size": 97, "num_hidden_layers": 3, "num_attention_heads": 4}
    config |= {"hidden_size": 32, "intermediate_size": 64, "max_position_embeddings": 24}
    (folder / "config.json").write_text(json.dumps(config))
    return tokens


REFERENCE = {"depth": 3, "heads": 4, "width": 32, "dense_width": 64, "positions": 24, "dropout": 0.0}


def test_a_bert_of_hugging_face_gives_the_reference_outputs(tmp_path):
    from test_models import GOLDENS

    golden = GOLDENS["bert_3x32_gelu_new"]
    data = DataSpec.of(hugging_face_bert(tmp_path), CLASSES)
    chosen = MODELS["bert"](weights=tmp_path, **REFERENCE)
    chosen.check(data)
    model = chosen.build(data)
    chosen.initialize(model, data)
    random = np.random.RandomState(1)
    ids, segments = random.randint(1, 97, (3, 20)), random.randint(0, 2, (3, 20))
    mask = np.ones((3, 20), bool)
    mask[1, 12:] = mask[2, 5:] = False
    between = [model.input, *(latest_output(model.get_layer(name)) for name in ("segments", "mask"))]
    ends = [latest_output(model.get_layer(name)) for name in ("transformer_layer_2", "pooled_dense")]
    sequence, pooled = keras.Model(between, ends)([ids.astype(np.int32), segments.astype(np.int32), mask])
    assert golden["params"] + 2 * 32 + 2 == model.count_params()
    for found, expected in ((np.asarray(sequence)[mask], "sequence_valid"), (np.asarray(pooled), "pooled")):
        numbers = golden[expected]
        assert [*found.shape] == numbers["shape"]
        ends = np.concatenate([found.ravel()[:8], found.ravel()[-4:]])
        np.testing.assert_allclose(ends, numbers["first8"] + numbers["last4"], atol=1e-5 * numbers["absmax"])
        np.testing.assert_allclose(found.std(), numbers["std"], rtol=1e-5)


def test_a_folder_of_kerashub_is_loaded_whole(tmp_path):
    first = MODELS["bert"](**SMALL)
    backbone = first._backbone(TOKENS)
    backbone.save_to_preset(str(tmp_path / "mine"))
    # As KerasHub saves its own: a vocabulary, and settings in a file that others use for whole tokenizers.
    (tmp_path / "mine/assets/tokenizer").mkdir(parents=True)
    vocabulary = sorted(TOKENS.ids(), key=TOKENS.ids().get)
    (tmp_path / "mine/assets/tokenizer/vocabulary.txt").write_text("\n".join(vocabulary) + "\n")
    (tmp_path / "mine/tokenizer.json").write_text(
        json.dumps({"class_name": "BertTokenizer", "config": {"lowercase": True}})
    )
    chosen = MODELS["bert"](weights=tmp_path / "mine", **SMALL)
    chosen.check(SPEC)
    content = tokenizing.of_file(tmp_path / "mine", lowercase=True, strip_accents=True, max_length=20)
    assert Tokens(tokenizer=content).ids() == TOKENS.ids()
    with pytest.raises(KeyProblem, match="lowercase must be true, as"):
        tokenizing.of_file(tmp_path / "mine", lowercase=False, strip_accents=True, max_length=20)
    model = chosen.build(SPEC)
    chosen.initialize(model, SPEC)
    ids = np.array([[2, 6, 7, 3], [2, 9, 3, 0]], np.int32)
    expected = backbone({"token_ids": ids, "segment_ids": ids * 0, "padding_mask": (ids != 0).astype(np.int32)})
    found = keras.Model(model.input, latest_output(model.get_layer("pooled_dense")))(ids)
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected["pooled_output"]), atol=1e-6)


def test_another_network_or_other_tokens_than_the_pretrained_are_refused_by_key(tmp_path):
    hugging_face_bert(tmp_path)
    others = vocabulary_file(tmp_path / "others", 97)
    others = others.replaced(tokenizer=others.tokenizer.replace("word3", "other3"))
    chosen = MODELS["bert"](weights=tmp_path, **REFERENCE | {"depth": 2, "positions": 30})
    with pytest.raises(ExceptionGroup) as caught:
        chosen.check(DataSpec.of(others, CLASSES))
    found = {problem.key: problem.words for problem in caught.value.exceptions}
    assert found["depth"].startswith("must be 3 as in") and found["positions"].startswith("must be 24")
    assert "set dataset.tokenizer to the vocabulary of" in found["weights"]
    with pytest.raises(ExceptionGroup) as caught:
        MODELS["roberta"](weights=tmp_path, **REFERENCE).check(DataSpec.of(others, CLASSES))
    assert "must be of roberta" in caught.value.exceptions[0].words


@pytest.mark.parametrize(
    "content", ["", "[]", '{"model_type": ["bert"]}', "{" * 100_000, '{"class_name": "BertBackbone"}']
)
def test_a_strange_config_of_pretrained_weights_is_refused(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    (tmp_path / "model.weights.h5").write_bytes(b"")
    (tmp_path / "model.safetensors").write_bytes(b"")
    chosen = MODELS["bert"](weights=tmp_path, **SMALL)
    assert chosen.reads(tmp_path)
    with pytest.raises(ExceptionGroup) as caught:
        chosen.check(SPEC)
    assert {each.key for each in caught.value.exceptions} == {"weights"}


def test_a_name_that_cannot_be_downloaded_says_what_to_do(monkeypatch):
    import kagglehub

    def offline(handle, *args, **kwargs):
        raise ConnectionError(f"no internet here for {handle}")

    monkeypatch.setattr(kagglehub, "model_download", offline)
    chosen = MODELS["bert"](weights="bert_tiny_en_uncased")
    with pytest.raises(KeyProblem) as caught:
        chosen.initialize(chosen.build(SPEC), SPEC)
    assert caught.value.key == "weights"
    assert "no internet here" in caught.value.words
    assert "https://www.kaggle.com/models/keras/bert/keras/bert_tiny_en_uncased" in caught.value.words


def test_a_wrong_name_of_weights_has_the_nearest_and_a_folder_that_is_gone_is_no_fault_of_a_finished_run(tmp_path):
    chosen = MODELS["bert"](weights=tmp_path / "bert-tiny-en-uncased")
    assert 'did you mean "bert_tiny_en_uncased"' in chosen.hint("bert_tiny_en_uncase")
    chosen.check(SPEC)


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"positions": 20}, "positions"),
        ({"vocabulary_size": 7}, "vocabulary_size"),
        ({"heads": 3}, "width"),
        ({"lora_rank": 2}, "lora_rank"),
    ],
)
def test_numbers_that_do_not_fit_are_refused_by_key(keys, key):
    with pytest.raises((KeyProblem, ExceptionGroup)) as caught:
        MODELS["bert"](**SMALL | keys).check(SPEC)
    problems = getattr(caught.value, "exceptions", [caught.value])
    assert [each.key for each in problems] == [key]


def test_of_a_pair_the_separator_begins_the_second_segment():
    tokens = Tokens(kind="words", max_length=12, has_pairs=True).fit([[{"text": "one two", "pair": "three"}]])
    stored = tokens.encode([{"text": "one two", "pair": "three"}, {"text": "one", "pair": "two"}]).stored
    model = MODELS["bert"](**SMALL).build(DataSpec.of(tokens, CLASSES))
    segments = keras.Model(model.input, latest_output(model.get_layer("segments")))(stored.padded(tokens.padding))
    assert np.asarray(segments).tolist() == [[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0]]


def test_low_ranks_alone_are_trained_and_saved_as_sums(tmp_path):
    chosen = MODELS["bert"](lora_rank=2, weights=tmp_path, **SMALL)
    model, plain = chosen.build(SPEC), MODELS["bert"](**SMALL).build(SPEC)
    trained = [weight.path.split("/") for weight in model.trainable_weights]
    of_blocks = {path[-1] for path in trained if path[0].startswith("transformer")}
    assert of_blocks == {"lora_kernel_a", "lora_kernel_b"}
    assert {path[0] for path in trained if not path[0].startswith("transformer")} == {"pooled_dense", "logits"}
    for weight in model.trainable_weights:
        weight.assign(weight + 0.1)
    ids = np.array([[2, 6, 7, 8, 3]], np.int32)
    model.save(tmp_path / "model.keras")
    opened = keras.models.load_model(tmp_path / "model.keras")
    assert len(opened.weights) == len(plain.weights) < len(model.weights)
    np.testing.assert_allclose(np.asarray(opened(ids)), np.asarray(model(ids)), atol=1e-5)


def test_a_masked_model_answers_tokens_by_the_vectors_of_the_input(tmp_path):
    task = MaskedLanguageModel()
    data = DataSpec.of(TOKENS).bound(task)
    model = MODELS["bert"](**SMALL).build(data)
    assert model.output.shape == (None, None, TOKENS.vocabulary)
    tables = [weight for weight in model.weights if tuple(weight.shape) == (TOKENS.vocabulary, 8)]
    assert len(tables) == 1
    ids = np.array([[2, 6, 7, 8, 3, 0, 0]], np.int32)
    np.testing.assert_allclose(np.asarray(model(ids))[:, :5], np.asarray(model(ids[:, :5])), atol=1e-6)
    model.save(tmp_path / "model.keras")
    opened = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(np.asarray(opened(ids)), np.asarray(model(ids)), atol=1e-6)


def test_a_run_is_no_folder_of_pretrained_weights(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert presets.is_folder(tmp_path)
    (tmp_path / "config.yaml").write_text("")
    assert not presets.is_folder(tmp_path)


@pytest.mark.parametrize("folder", ["mine", "theirs"])
def test_a_folder_that_lacks_its_weights_or_a_number_is_refused_before_anything_starts(tmp_path, folder):
    tokens = hugging_face_bert(tmp_path / "theirs")
    chosen, data = MODELS["bert"](weights=tmp_path / folder, **REFERENCE), DataSpec.of(tokens, CLASSES)
    if folder == "mine":
        MODELS["bert"](**REFERENCE)._backbone(tokens).save_to_preset(str(tmp_path / "mine"))
    chosen.check(data)
    file = tmp_path / folder / "config.json"
    config = json.loads(file.read_text())
    (config if folder == "theirs" else config["config"]).pop(
        "num_hidden_layers" if folder == "theirs" else "num_layers"
    )
    file.write_text(json.dumps(config))
    with pytest.raises(ExceptionGroup) as caught:
        chosen.check(data)
    assert re.search(r"config.json does not say num_(hidden_)?layers", caught.value.exceptions[0].words)
    next(path for path in (tmp_path / folder).iterdir() if path.name.startswith("model.")).unlink()
    with pytest.raises(ExceptionGroup) as caught:
        chosen.check(data)
    assert re.search(r" has no model\.(weights\.h5|safetensors)$", caught.value.exceptions[0].words)


@pytest.mark.parametrize("change", [{"hidden_act": "relu"}, {"position_embedding_type": "relative_key"}])
def test_a_network_that_kerashub_computes_otherwise_is_refused(tmp_path, change):
    tokens = hugging_face_bert(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ExceptionGroup) as caught:
        MODELS["bert"](weights=tmp_path, **REFERENCE).check(DataSpec.of(tokens, CLASSES))
    assert str(next(iter(change.values()))) in caught.value.exceptions[0].words


def test_weights_whose_tokens_cannot_be_compared_say_so(tmp_path, caplog):
    tokens = hugging_face_bert(tmp_path)
    (tmp_path / "vocab.txt").unlink()
    chosen, data = MODELS["bert"](weights=tmp_path, **REFERENCE), DataSpec.of(tokens, CLASSES)
    chosen.check(data)
    with caplog.at_level("WARNING", logger="dltrain"):
        chosen.initialize(chosen.build(data), data)
    assert "could not be compared" in caplog.text
    with pytest.raises(KeyProblem, match=r"there is no tokenizer\.json of the tokenizers library, no vocab\.txt"):
        tokenizing.of_file(tmp_path, lowercase=True, strip_accents=True, max_length=20)


@pytest.mark.parametrize("name", [name for name, *_ in COUNTS])
def test_a_frozen_layer_with_low_ranks_keeps_these_too(name, tmp_path):
    model = MODELS[name](lora_rank=2, weights=tmp_path, **SMALL).build(SPEC)
    blocks = [layer.name for layer in model.layers if any("lora_kernel" in each.name for each in layer.weights)]
    assert blocks
    freeze(model, tuple(blocks))
    assert {weight.path.split("/")[0] for weight in model.trainable_weights} <= {"pooled_dense", "logits"}


def test_the_best_weights_of_a_run_with_low_ranks_are_their_sums(tmp_path):
    model = MODELS["bert"](lora_rank=2, weights=tmp_path, **SMALL).build(SPEC)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.1)
    ids = np.array([[2, 6, 7, 8, 3]], np.int32)
    before = np.asarray(model(ids))
    merge_low_rank(model)
    np.testing.assert_allclose(np.asarray(model(ids)), before, atol=1e-5)
    plain = MODELS["bert"](**SMALL).build(SPEC)
    for layer, source in zip(plain.layers, model.layers, strict=True):
        for weight, value in zip(layer.weights, without_low_rank(source), strict=True):
            weight.assign(value)
    np.testing.assert_allclose(np.asarray(plain(ids)), before, atol=1e-5)

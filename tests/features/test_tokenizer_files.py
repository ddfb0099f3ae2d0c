"""Tokenizers of GPT-2, RoBERTa and SentencePiece, from their files: the same tokens as the originals make."""

import io
import json

import pytest
from tokenizers import ByteLevelBPETokenizer

from dltrain.errors import KeyProblem
from dltrain.features._text import tokenizing
from dltrain.features.tokens import Tokens

sentencepiece = pytest.importorskip("sentencepiece")

TEXTS = [
    "The quick brown fox, jumped over 12 lazy dogs!",
    "Ünd das ist gut: 东京 は遠い。 don't say (it) was bad; café naïve résumé",
    "Привет мир 안녕하세요 مرحبا नमस्ते 😀 fun 👩‍👩‍👧 family 🇩🇪",
    "ﬁne ﬂow Ⅳ ½ ℃ ｆｕｌｌ　ｗｉｄｔｈ～ ｶﾞｷﾞ ™️ e\u0301te\u0301 \u1112\u1161\u11ab",
] * 8
STRANGE = [
    *TEXTS[:4],
    " one  two \u3000 three\n\tfour ",
    "▁a ▁ b▁",
    "\u200bx\u00adx\ufeff",
    "☃☃ ☃ ∂ß",
    "(a)(b))",
    "a" * 300,
    "\x01",
]
OF_BERT = {"pad_id": 0, "pad_piece": "[PAD]", "bos_id": 1, "bos_piece": "[CLS]", "eos_id": 2, "eos_piece": "[SEP]"}
OF_DEBERTA = {**OF_BERT, "unk_id": 3, "unk_piece": "[UNK]"}
OF_ALBERT = {"pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1, "control_symbols": "[CLS],[SEP],[MASK]"}


def model(**keys):
    made = io.BytesIO()
    keys = {"model_type": "unigram", "vocab_size": 320, "hard_vocab_limit": False, **keys}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(TEXTS), model_writer=made, minloglevel=2, **keys)
    return made.getvalue()


def tokens_of(path, **keys):
    content = tokenizing.of_file(path, lowercase=True, strip_accents=True, max_length=512, **keys)
    return Tokens(max_length=512, tokenizer=content)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        OF_DEBERTA,
        {**OF_ALBERT, "user_defined_symbols": "(,),-"},
        {"normalization_rule_name": "identity"},
        {"normalization_rule_name": "nmt_nfkc_cf"},
        {"add_dummy_prefix": False},
        {"remove_extra_whitespaces": False},
        {"split_by_whitespace": False},
    ],
)
def test_pieces_are_those_of_sentencepiece(tmp_path, keys):
    (tmp_path / "mine.model").write_bytes(model(**keys))
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "mine.model"))
    ours = tokenizing.tokenizer(tokens_of(tmp_path / "mine.model").tokenizer)
    unknown = theirs.id_to_piece(theirs.unk_id())
    for text in STRANGE[: -1 if keys == {"remove_extra_whitespaces": False} else None]:
        pieces = [
            unknown if theirs.piece_to_id(each) == theirs.unk_id() else each for each in theirs.encode_as_pieces(text)
        ]
        found = ours.encode(text, add_special_tokens=False)
        assert [ours.id_to_token(number) for number in found.ids] == pieces, text


def test_ids_are_those_of_the_networks_that_have_such_models(tmp_path):
    xlm_roberta, deberta, albert = model(), model(**OF_DEBERTA), model(**OF_ALBERT)
    (tmp_path / "sentencepiece.bpe.model").write_bytes(xlm_roberta)
    tokens = tokens_of(tmp_path)
    theirs = sentencepiece.SentencePieceProcessor(model_proto=xlm_roberta)
    names = [token for token, _ in sorted(tokens.ids().items(), key=lambda each: each[1])]
    pieces = [theirs.id_to_piece(number) for number in range(theirs.get_piece_size())]
    assert names == ["<s>", "<pad>", "</s>", "<unk>", *pieces[3:], "<mask>"]
    assert (tokens.padding, tokens.separator, tokens.mask) == (1, 2, len(names) - 1)
    (ids,) = tokens.encode(["The quick fox"]).stored
    assert ids.tolist() == [0, *(number + 1 for number in theirs.encode("The quick fox")), 2]
    pairs = tokens.replaced(has_pairs=True)
    assert pairs.decode(pairs.encode([{"text": "fox", "pair": "dogs"}]).stored)[0].count("</s>") == 3

    (tmp_path / "spm.spm").write_bytes(deberta)
    tokens = tokens_of(tmp_path / "spm.spm")
    theirs = sentencepiece.SentencePieceProcessor(model_proto=deberta)
    assert tokens.ids()["[MASK]"] == theirs.get_piece_size() == tokens.vocabulary - 1
    (ids,) = tokens.encode(["The quick fox"]).stored
    assert ids.tolist() == [1, *theirs.encode("The quick fox"), 2]

    (tmp_path / "albert").mkdir()
    (tmp_path / "albert/spiece.model").write_bytes(albert)
    theirs = sentencepiece.SentencePieceProcessor(model_proto=albert)
    exact = tokens_of(tmp_path / "albert")
    assert exact.encode(["The café"]).stored[0].tolist() == [2, *theirs.encode("The café"), 3]
    (tmp_path / "albert/config.json").write_text('{"model_type": "albert"}')
    small = tokens_of(tmp_path / "albert")
    assert small.encode(["The ``Café''"]).stored[0].tolist() == [2, *theirs.encode('the "cafe"'), 3]
    (tmp_path / "albert/tokenizer_config.json").write_text('{"do_lower_case": false, "keep_accents": true}')
    assert tokens_of(tmp_path / "albert").encode(["The café"]).stored[0].tolist() == [2, *theirs.encode("The café"), 3]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"model_type": "bpe"}, "is of the kind bpe, not unigram"),
        ({"model_type": "char"}, "is of the kind char"),
        ({"byte_fallback": True, "vocab_size": 600}, "has a token for each byte"),
        ({"treat_whitespace_as_suffix": True}, "has the spaces behind words"),
        ({"user_defined_symbols": "ｆｏｏ"}, "its symbol 'ｆｏｏ' is 'foo' behind its own normalisation"),
        ({"unk_id": 2, "eos_id": 0}, "must have the piece <pad>"),
    ],
)
def test_a_model_whose_tokens_would_be_others_is_refused(tmp_path, keys, words):
    (tmp_path / "mine.model").write_bytes(model(**keys))
    with pytest.raises(KeyProblem, match=words):
        tokens_of(tmp_path / "mine.model")


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 99, b"\x0a\x03\x0a\x01\xff", b"the\nfilm\n", b"\x0a\x80\x80\x80\x80\x7f"]
)
def test_bytes_that_are_no_model_are_told(tmp_path, content):
    (tmp_path / "mine.model").write_bytes(content)
    with pytest.raises(KeyProblem, match=r"or a SentencePiece model \(.model, .spm\), got .*mine.model"):
        tokens_of(tmp_path / "mine.model")


def test_a_model_that_is_cut_or_changed_gives_one_line_or_a_tokenizer(tmp_path):
    whole = model()
    for place in [*range(0, 400, 7), len(whole) // 2, len(whole) - 3]:
        for content in (whole[:place], whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]):
            (tmp_path / "mine.model").write_bytes(content)
            try:
                tokens_of(tmp_path / "mine.model").encode(["The quick fox"])
            except KeyProblem as error:
                assert error.key == "tokenizer"


@pytest.fixture(scope="module")
def bpe():
    made = ByteLevelBPETokenizer()
    made.train_from_iterator(TEXTS, vocab_size=400, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    return made


def test_the_two_files_of_byte_level_bpe_give_its_ids(tmp_path, bpe):
    bpe.save_model(str(tmp_path))
    for path in (tmp_path, tmp_path / "vocab.json"):
        tokens = tokens_of(path)
        assert tokens.ids() == bpe.get_vocab()
        found = tokens.encode(STRANGE).stored
        assert [ids.tolist() for ids in found] == [[0, *bpe.encode(text).ids, 2] for text in STRANGE]
        assert (tokens.padding, tokens.separator, tokens.mask) == (1, 2, 4)
    (ids,) = tokens.encode(["quick <mask>."]).stored
    assert tokens.decode([ids])[0][-3:] == ["<mask>", ".", "</s>"]
    (tmp_path / "tokenizer_config.json").write_text('{"add_prefix_space": true}')
    with_space = tokens_of(tmp_path)
    assert with_space.encode(["quick"]).stored[0].tolist() == [0, *bpe.encode(" quick").ids, 2]


def test_a_vocabulary_without_padding_gets_it_behind_its_own_ids(tmp_path):
    made = ByteLevelBPETokenizer()
    made.train_from_iterator(TEXTS, vocab_size=400, special_tokens=["<|endoftext|>"])
    made.save_model(str(tmp_path))
    tokens = tokens_of(tmp_path)
    assert tokens.ids() == {**made.get_vocab(), "<pad>": made.get_vocab_size(), "<mask>": made.get_vocab_size() + 1}
    assert tokens.encode(STRANGE[:1]).stored[0].tolist() == made.encode(STRANGE[0]).ids
    assert tokens.padding == made.get_vocab_size()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "merges.txt").unlink(), "needs its merges.txt beside it"),
        (
            lambda folder: (folder / "merges.txt").write_text("#version: 0.2\nt h e\n"),
            r"merges.txt:2: must be two tokens",
        ),
        (lambda folder: (folder / "merges.txt").write_text("t zebra\n"), r"merges.txt:1: must be two tokens"),
        (lambda folder: (folder / "vocab.json").write_text('{"a": 0}'), "it is no byte-level BPE, as it has no token"),
        (lambda folder: more(folder, "the</w>"), "its words end in </w>"),
        (lambda folder: more(folder, "far", 999), "must number its .* tokens from 0 without gaps"),
    ],
)
def test_files_that_are_no_byte_level_bpe_are_told(tmp_path, bpe, change, words):
    bpe.save_model(str(tmp_path))
    change(tmp_path)
    with pytest.raises(KeyProblem, match=words):
        tokens_of(tmp_path)


def more(folder, token, number=None):
    vocabulary = json.loads((folder / "vocab.json").read_text())
    (folder / "vocab.json").write_text(json.dumps(vocabulary | {token: number or len(vocabulary)}))


def test_a_mask_keeps_the_space_before_it_as_its_file_says(tmp_path, bpe):
    bpe.save_model(str(tmp_path))
    content = tokens_of(tmp_path).tokenizer
    (tmp_path / "again").mkdir()
    (tmp_path / "again/tokenizer.json").write_text(content)
    assert tokens_of(tmp_path / "again").tokenizer == content

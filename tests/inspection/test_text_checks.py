"""What is looked for in texts, on data that have it, and on the same data without."""

import dataclasses

import numpy as np
import pytest
from specs import data_spec

from dltrain.config import experiment as experiments
from dltrain.data import Examples, Split, Splits
from dltrain.datasets._texts.odd_texts import odd_texts
from dltrain.datasets.text_table import TextTable
from dltrain.diagnostics import data_report
from dltrain.features._text.likeness import LEAST_RUNS, pairs
from dltrain.features._text.words import Words, counted, words_of
from dltrain.features.tokens import Tokens
from dltrain.inspection.checks.give_away_words import give_away
from dltrain.inspection.findings import examine
from dltrain.inspection.inspected_data import InspectedData

SUBJECTS = {"ships": "harbour mast sail deck crew anchor", "bread": "oven flour crust dough yeast loaf"}
KINDS = ("words", "wordpiece", "bpe", "unigram")


def texts_of(count, seed=0, length=40):
    """Returns texts of two classes that share most of their words, and the classes."""
    random = np.random.RandomState(seed)
    plain = [
        f"{a}{b}" for a in ("ka", "lo", "mi", "nu", "pe") for b in ("bar", "dem", "fil", "gor", "hus", "jat", "kel")
    ]
    found = []
    for row in range(count):
        own = SUBJECTS[[*SUBJECTS][row % 2]].split()
        words = random.choice([*plain, *random.choice(own, 4)], length)
        found.append([*words])
    return found, np.array([[*SUBJECTS][row % 2] for row in range(count)])


def table(folder, texts, labels, **columns):
    """Writes a table of texts; the last fifth is the test part."""
    import polars

    texts = [text if isinstance(text, str) else " ".join(text) for text in texts]
    parts = ["train" if row < len(texts) * 0.8 else "test" for row in range(len(texts))]
    polars.DataFrame({"text": texts, "label": labels, "part": parts, **columns}).write_csv(folder / "texts.csv")
    return folder / "texts.csv"


def loaded(folder, keys="", task="", model="bag_of_words"):
    (folder / "c.yaml").write_text(
        f"dataset: {{name: text_table, path: texts.csv, split: part, tokenizer: words{keys}}}\n"
        f"model: {{name: {model}}}\n{task}optimizer: {{name: adam}}\ntrain: {{epochs: 1, batch_size: 8}}\n"
    )
    return experiments.load(folder / "c.yaml")


def inspected(folder, keys="", **settings):
    """Returns the findings by kind, as `inspect` shows them."""
    found = data_report.inspect(loaded(folder, keys, **settings))["findings"]
    return {finding["kind"]: finding for finding in found}


@pytest.fixture(scope="module")
def clean():
    return texts_of(200)


def test_clean_texts_are_left_alone(tmp_path, clean):
    table(tmp_path, *clean)
    assert inspected(tmp_path) == {}


def test_near_copies_are_named_with_lines_and_those_in_another_part_are_louder(tmp_path, clean):
    texts, labels = [[*text] for text in clean[0]], clean[1]
    texts[170] = [texts[2][0], "oven", *texts[2][2:]]
    texts[181] = texts[5][8:36]  # stands in the other
    texts[190] = [*texts[4][:18], *texts[6][:18]]  # halves of two
    texts[40] = [*texts[8], "oven"]
    table(tmp_path, texts, labels)
    found = inspected(tmp_path)
    assert found.keys() == {"near leak", "near duplicates"}
    across, within = found["near leak"], found["near duplicates"]
    assert (across["severity"], within["severity"]) == ("warning", "note")
    path = tmp_path / "texts.csv"
    assert [where.partition(" (")[0] for where in across["where"]] == [
        f"{path}:172 ~ {path}:4",
        f"{path}:183 ~ {path}:7",
    ]
    assert "(100% of the shorter one)" in across["where"][1]
    assert across["message"].startswith("2 texts of the test part (5.0%) are near copies of a text of the train part")
    assert within["where"] == (f"{path}:42 ~ {path}:10 (97% of both)",)


@pytest.mark.parametrize("kind", KINDS)
def test_near_copies_are_found_whatever_the_tokens(kind, clean):
    texts = [" ".join(text) for text in clean[0]]
    texts[150] = texts[7].upper().replace(" ", ", ", 3) + "!"
    tokens = Tokens(kind=kind, vocabulary_size=400).fit([texts])
    kept = np.array([any(map(str.isalnum, token)) for token in tokens._names()])
    kept[[*tokens.special_ids]] = False
    stored = tokens.encode(texts).stored
    assert [each[:2] for each in pairs(words_of(stored, tokens.begins_word(), kept), None)] == [(7, 150)]
    # A share of the runs tells the same.
    few = pairs(words_of(stored, tokens.begins_word(), kept), None, most=4000)
    assert [each[:2] for each in few] == [(7, 150)]


def words_in(codes):
    """Returns words of texts by their codes, (texts, words), in two pieces."""
    texts, half = np.arange(len(codes)), len(codes) // 2
    for some in (slice(half), slice(half, None)):
        words, owners = codes[some].ravel().astype(np.uint64), np.repeat(texts[some], codes.shape[1])
        yield Words(words, owners, words.astype(np.int64), np.arange(len(words) + 1))


@pytest.mark.parametrize(("length", "found"), [(24, []), (120, [(5, 7995), (6, 7996)])])
def test_a_phrase_that_short_texts_share_is_no_near_copy_where_a_share_of_runs_is_looked_at(length, found):
    codes = np.random.RandomState(0).randint(1, 2**60, (8000, length))
    codes[:, 7:17] = np.repeat(codes[::8, 7:17], 8, axis=0)
    codes[7995], codes[7996, :110] = codes[5], codes[6, :110]
    assert length - 4 >= LEAST_RUNS
    everything = pairs(words_in(codes), None)
    assert [each[:2] for each in everything] == [(5, 7995), (6, 7996)]
    most = (length - 4) * 8000 // 3
    assert [each[:2] for each in pairs(words_in(codes), None, most=most)] == found


def test_of_many_texts_that_are_alike_each_is_named_once(tmp_path, clean):
    texts, labels = [[*text] for text in clean[0]], clean[1]
    for row in range(20, 60):
        texts[row] = [*texts[2], f"signed{row}"]
    for row in range(165, 170):
        texts[row] = [*texts[2], f"signed{row}"]
    table(tmp_path, texts, labels)
    found = inspected(tmp_path)
    assert (len(found["near duplicates"]["where"]), len(found["near leak"]["where"])) == (40, 5)


def test_texts_of_unknown_words_are_not_alike(tmp_path, clean):
    texts, labels = [[*text] for text in clean[0]], clean[1]
    for row in range(160, 200):
        texts[row] = [f"strange{row}x{word}" for word in range(30)]
    table(tmp_path, texts, labels)
    assert "near leak" not in inspected(tmp_path)


def test_words_are_counted_by_text_and_have_names():
    tokens = Tokens(kind="wordpiece", vocabulary_size=40).fit([["sailing ships", "ships sail"]])
    terms = tokens.terms(tokens.encode(["ships sailing ships", "sail ships"]).stored, neighbours=True)
    found = {
        (int(text), terms.name(word)): count
        for text, word, count in zip(terms.examples, terms.terms.tolist(), terms.counts.tolist(), strict=True)
    }
    assert found == {
        (0, "ships"): 2, (0, "sailing"): 1, (0, "ships sailing"): 1, (0, "sailing ships"): 1,
        (1, "sail"): 1, (1, "ships"): 1, (1, "sail ships"): 1,
    }  # fmt: skip
    assert terms.count == 6
    assert counted(iter(()), True).words.tolist() == []


def test_a_word_that_gives_the_class_away_is_named_with_its_counts(tmp_path, clean):
    texts, labels = [[*text] for text in clean[0]], clean[1]
    for row in range(0, 120, 2):
        texts[row].insert(row % 30, "seamark")
    texts[1].append("seamark")
    table(tmp_path, texts, labels)
    assert "give-away words" not in inspected(tmp_path)  # 1 of 80 others is too many
    texts[1].remove("seamark")
    table(tmp_path, texts, labels)
    finding = inspected(tmp_path)["give-away words"]
    assert finding["severity"] == "warning"
    assert finding["where"] == (
        "'seamark' gives 'ships' away: in 60 of 80 examples of it (75.0%), and 0 of 80 others (0.0%), train part",
    )


@pytest.mark.parametrize("kind", ["words", "wordpiece", "unigram"])
def test_a_word_that_the_vocabulary_does_not_know_is_called_so(kind):
    tokens = Tokens(kind=kind, vocabulary_size=60).fit([["ships sail on", "ships sail far"]])
    terms = tokens.terms(tokens.encode(["ships \u4e00\u4e01 sail", "\u4e02"]).stored)
    names = {terms.name(word) for word in terms.terms.tolist()}
    assert names == {"ships", "sail", "(unknown word)"}


def test_a_word_that_half_of_a_class_has_is_asked_for(tmp_path, clean):
    texts, labels = [[*text] for text in clean[0]], clean[1]
    for row in range(0, 70, 2):
        texts[row].append("seamark")
    table(tmp_path, texts, labels)
    assert "give-away words" not in inspected(tmp_path)


def test_words_of_a_handful_of_texts_are_luck(tmp_path):
    texts, labels = texts_of(20)
    table(
        tmp_path,
        [[*text, "seamark"] if label == "ships" else text for text, label in zip(texts, labels, strict=True)],
        labels,
    )
    assert "give-away words" not in inspected(tmp_path)


def test_each_label_of_several_has_its_word(tmp_path, clean):
    texts, random = [[*text] for text in clean[0]], np.random.RandomState(1)
    first, second = random.randint(0, 2, (2, 200))
    texts = [[*text, "seamark"] if label else text for text, label in zip(texts, second, strict=True)]
    table(tmp_path, texts, clean[1], first=first, second=second)
    finding = inspected(tmp_path, ", label_column: [first, second]")["give-away words"]
    assert len(finding["where"]) == 1 and finding["where"][0].startswith("'seamark' gives 'second' away")


class Counting(Examples):
    """Values that count how many of them are read."""

    def __init__(self, values, reads):
        self.values, self.reads = values, reads

    shape, dtype = property(lambda self: self.values.shape), property(lambda self: self.values.dtype)

    def __len__(self):
        return len(self.values)

    def take(self, positions):
        return Counting(self.values[positions], self.reads)

    def read(self, positions, seeds=None):
        self.reads.append(len(positions))
        return self.values[positions]


def test_only_values_that_are_made_of_words_are_read_for_them(tmp_path, clean):
    images, labels, reads = np.zeros((30, 8, 8, 1), np.uint8), np.arange(30, dtype=np.int32) % 2, []
    spec = data_spec((8, 8, 1), ("a", "b"), (0.0,), (1.0,))
    assert [*give_away(InspectedData(Splits(spec, Split(Counting(images, reads), labels))))] == []
    assert reads == []
    table(tmp_path, [[*text, "seamark"] if row % 2 else text for row, text in enumerate(clean[0])], clean[1])
    splits = loaded(tmp_path).experiment.dataset.load()
    later = dataclasses.replace(splits.train, inputs=Counting(splits.train.inputs, reads))
    (finding,) = give_away(InspectedData(dataclasses.replace(splits, train=later)))
    assert "'seamark' gives 'bread' away" in finding.where[0]
    assert reads == [160]


def test_wrong_labels_of_texts_are_among_those_that_are_listed(tmp_path):
    texts, labels = texts_of(400, length=100)
    table(tmp_path, texts, labels)
    splits = loaded(tmp_path).experiment.dataset.load()
    wrong = [10, 33, 77, 120, 251]
    targets = splits.train.targets.copy()
    targets[wrong] = 1 - targets[wrong]
    planted = dataclasses.replace(splits, train=dataclasses.replace(splits.train, targets=targets))
    assert "doubtful labels" not in [each.kind for each in examine(InspectedData(splits))]
    finding = {each.kind: each for each in examine(InspectedData(planted))}["doubtful labels"]
    lines = {int(place.partition(": ")[0].rpartition(":")[2]) for place in finding.where}
    assert {row + 2 for row in wrong} <= lines


def test_texts_without_a_known_token_are_named(tmp_path, clean):
    texts, labels = [" ".join(text) for text in clean[0]], clean[1]
    texts[12], texts[190] = "\u200b\u200b", "zzz qqq"
    table(tmp_path, texts, labels)
    finding = inspected(tmp_path)["empty texts"]
    assert finding["where"] == (f"{tmp_path}/texts.csv:14", f"{tmp_path}/texts.csv:192")
    assert finding["severity"] == "warning"


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("das cafÃ© an der Ecke", "UTF-8 that was read as Latin-1: das cafÃ© an der Ecke"),
        ("aus MÃ¼nchen", "UTF-8 that was read as Latin-1: aus MÃ¼nchen"),
        ("KÃ¶ln und SÃ£o Paulo", "UTF-8 that was read as Latin-1"),
        ("NGÂ°", "UTF-8 that was read as Latin-1"),
        ("it\u00e2\u20ac\u2122s good", "UTF-8 that was read as Latin-1"),
        ("ÐŸÑ€Ð¸Ð²ÐµÑ‚", "UTF-8 that was read as Latin-1"),
        ("the caf\ufffd there", "letters that could not be read (U+FFFD)"),
        ("one\x1b[31mred", r"control characters: one\x1b[31mred"),
        ("caf\x92 there", "control characters"),
    ],
)
def test_signs_of_a_wrong_encoding_are_shown(tmp_path, clean, text, sign):
    texts, labels = [*clean[0]], clean[1]
    texts[12] = text
    table(tmp_path, texts, labels)
    finding = inspected(tmp_path)["wrong encoding"]
    (where,) = finding["where"]
    assert where.startswith(f"{tmp_path}/texts.csv:14: {sign}")
    assert finding["message"].startswith("1 of 200 texts (0.5%) show signs of a wrong encoding: 1 have ")


@pytest.mark.parametrize(
    "text",
    [
        "café Ärger ÂNGELO",
        "não, IRMÃ” disse",
        "«A IRMû, IRMÃ\u00a0e IRMÃ…",
        "naïve — “quoted” 5 £",
        "Привет, мир",
        "a\tb\r\nc",
    ],
)
def test_letters_of_all_languages_are_no_sign_of_a_wrong_encoding(text):
    assert [each.kind for each in odd_texts([text], ["here"])] == []


ENGLISH = "the ship was in the harbour for days and it is not clear that they have seen this from the deck"
OTHERS = {
    "German": "der Bäcker ist nicht mit dem Teig zufrieden und die Kruste wird auch zu dunkel",
    "French": "le boulanger est dans la rue et les enfants ne sont pas avec lui pour le pain",
    "Spanish": "el barco no se ve en el puerto y los hombres de la casa esperan por las noticias",
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_text_in_another_language_than_the_rest_is_named(name):
    texts = [f"{ENGLISH} {row}" for row in range(40)]
    assert [*odd_texts(texts, texts)] == []
    (finding,) = odd_texts([*texts, OTHERS[name]], [*texts, "here"])
    assert (finding.kind, finding.severity, finding.where) == ("other language", "note", (f"here: {name}",))
    assert "1 of 41 texts (2.4%) is in another language than the rest, English: 1 " in finding.message
    assert [*odd_texts([*texts, *[OTHERS[name]] * 30], [""] * 70)] == []  # of two languages neither is odd


def test_a_text_in_another_script_than_the_rest_is_named():
    texts = [f"{ENGLISH} {row}" for row in range(40)]
    odd = ["Привет, как дела сегодня", "東京は遠い町だと思います", "numbers 1 2 3", "def f(x): return de + la"]
    (finding,) = odd_texts([*texts, *odd], [*texts, *map(str, range(4))])
    assert (finding.kind, finding.where) == ("other script", ("0: Cyrillic", "1: Chinese or Japanese"))


def test_texts_that_are_cut_say_what_to_do(tmp_path, clean):
    table(tmp_path, *clean)
    finding = inspected(tmp_path, ", max_length: 20")["reading"]
    assert finding["message"].startswith("200 of 200 texts (100.0%): texts longer than 20 tokens")
    assert finding["advice"] == "where what is cut matters, raise dataset.max_length"


@pytest.mark.parametrize(
    ("tokenizer", "advice"),
    [
        ("words", "raise dataset.vocabulary_size, or take pieces of words: dataset.tokenizer=wordpiece"),
        ("wordpiece", "take dataset.tokenizer=bpe, which knows each byte"),
        ("unigram", "take dataset.tokenizer=bpe, which knows each byte"),
        ("own.json", "take the file of another tokenizer, or learn one: dataset.tokenizer=bpe knows each byte"),
    ],
)
def test_unknown_tokens_say_what_helps_with_such_a_tokenizer(tmp_path, clean, tokenizer, advice):
    texts = [*clean[0][:50]]
    texts[45] = ["\u4e00\u4e01", "oven"]
    table(tmp_path, texts, clean[1][:50])
    own = Tokens(kind="words").fit([[" ".join(text) for text in texts[:40]]])
    (tmp_path / "own.json").write_bytes(own.files()["tokenizer.json"])
    path = tmp_path / tokenizer if "." in tokenizer else tokenizer
    splits = TextTable(path=tmp_path / "texts.csv", split="part", tokenizer=path, max_length=20).load()
    found = {each.words.partition(": ")[2].split(",")[0]: each.advice for each in splits.noticed}
    assert found["tokens that are unknown"] == f"where they matter, {advice}"
    assert found["texts longer than 20 tokens"] == "where what is cut matters, raise dataset.max_length"

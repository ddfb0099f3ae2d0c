"""Sounds in a folder per class."""

import re
import shutil
import threading
import tracemalloc

import numpy as np
import pytest

from dltrain.data import spectra
from dltrain.datasets.audio_folder import AudioFolder
from dltrain.errors import DataError
from dltrain.features._audio.decoding import Decoding

soundfile = pytest.importorskip("soundfile")


@pytest.fixture
def folder(tmp_path):
    """Returns a folder of 10 sounds of each of two classes, the first of another rate and of two channels."""
    random = np.random.RandomState(0)
    for number in range(20):
        place = tmp_path / "sounds" / "ab"[number % 2] / "below" / f"{number:02}.wav"
        place.parent.mkdir(parents=True, exist_ok=True)
        samples = random.uniform(-0.5, 0.5, 1_500 if number else (3_000, 2))
        soundfile.write(place, samples, 1_000 if number else 2_000)
    return tmp_path / "sounds"


def source(folder, **keys):
    return AudioFolder(**{"path": folder, "rate": 1_000, "clip_seconds": 1.0, "bands": 8, **keys})


def test_folders_are_classes_and_parts_are_drawn_of_each(folder):
    data = source(folder, test_fraction=0.2, validation_fraction=0.25)
    splits = data.load()
    assert data.spec().target.class_names == splits.spec.target.class_names == ("a", "b")
    assert data.sizes() == {name: len(part) for name, part in splits.parts.items()}
    assert [np.bincount(part.targets).tolist() for part in splits.parts.values()] == [[6, 6], [2, 2], [2, 2]]
    for part in splits.parts.values():
        for file, label in zip(part.inputs.paths, part.targets, strict=True):
            assert file.parts[-3] == "ab"[label]
            if file.stem != "00":
                whole, _ = soundfile.read(file, dtype="float32")
                place = part.inputs.paths.index(file)
                np.testing.assert_array_equal(part.inputs[[place]][0], whole[250:1_250])


def test_the_users_own_parts_are_kept(folder):
    for number, (part, name) in enumerate([("train", "a"), ("train", "b"), ("test", "a"), ("test", "b")]):
        place = folder.parent / "parts" / part / name / f"{number}.flac"
        place.parent.mkdir(parents=True)
        soundfile.write(place, np.full(1_000, 0.1 * number), 1_000)
    splits = source(folder.parent / "parts", validation_fraction=0).load()
    assert [[file.name for file in part.inputs.paths] for part in splits.parts.values()] == [
        ["0.flac", "1.flac"],
        ["2.flac", "3.flac"],
    ]


def test_what_is_changed_is_said_by_kind(folder):
    said = [str(noticed) for noticed in source(folder, clip_seconds=2.0).load().noticed]
    assert any("1 of 20 sounds (5.0%): resampled from 2,000 to 1,000" in words for words in said)
    assert any("1 of 20 sounds (5.0%): of 2 channels, of which the mean of them" in words for words in said)
    assert any("20 of 20 sounds (100.0%): shorter than clip_seconds, 2 s" in words for words in said)


def test_files_that_are_no_sounds_are_all_named_or_left_out(folder):
    (folder / "a" / "below" / "10.wav").write_bytes(b"no sound")
    soundfile.write(folder / "b" / "empty.wav", np.zeros(0), 1_000)
    with pytest.raises(DataError) as told:
        source(folder).load()
    assert "10.wav: is no sound that can be read" in str(told.value)
    assert "empty.wav: has no samples" in str(told.value)
    splits = source(folder, on_bad_example="skip").load()
    assert sum(map(len, splits.parts.values())) == 19
    assert len(splits.skipped) == 2
    assert source(folder, on_bad_example="skip").sizes() is None


@pytest.mark.parametrize("eval_clips", [1, 3])
def test_how_many_clips_are_averaged_changes_nothing_that_is_learnt(folder, eval_clips):
    for file in folder.rglob("*.wav"):
        samples, rate = soundfile.read(file)
        samples[: len(samples) // 5] = 0
        soundfile.write(file, samples, rate)
    assert source(folder, eval_clips=eval_clips).load().spec.input.mean == source(folder).load().spec.input.mean


def test_sounds_that_cannot_be_decoded_are_skipped_too(folder):
    soundfile.write(folder / "a" / "nan.wav", np.full(1_500, np.nan), 1_000, "FLOAT")
    with pytest.raises(DataError, match=r"nan.wav: holds NaN"):
        source(folder, test_fraction=0, validation_fraction=0).load().train.read()
    splits = source(folder, on_bad_example="skip").load()
    assert [words.partition(": ")[2] for words in splits.skipped] == [
        "holds NaN, infinite values, or some beyond 2,147,483,648: samples are -1 to 1"
    ]


def test_a_class_whose_sounds_are_all_left_out_is_told(folder):
    (folder / "c").mkdir()
    (folder / "c" / "1.wav").write_bytes(b"no sound")
    with pytest.raises(DataError, match="has no sound of c that can be used in the train part"):
        source(folder, on_bad_example="skip").load()


def test_what_is_no_sound_of_a_class_is_told(folder):
    soundfile.write(folder / "loose.wav", np.zeros(100), 1_000)
    (folder / "a" / "song.m4a").write_bytes(b"m4a")
    splits = source(folder).load()
    assert [name.rpartition("/")[2] for name in splits.ignored] == ["song.m4a", "loose.wav"]
    assert any("2 files are ignored (1 .m4a, 1 .wav)" in str(noticed) for noticed in splits.noticed)
    assert "not used" in AudioFolder.proposed(folder, None).found[0]


def test_another_number_of_clips_than_the_runs_is_told(folder):
    like = source(folder, eval_clips=3).load().spec
    splits = source(folder).load(like)
    assert splits.test.inputs.read(np.arange(1)).shape == (1, 3, 1_000)
    assert any("dataset.eval_clips is 1: it stays 3" in str(noticed) for noticed in splits.noticed)


def test_statistics_come_from_the_train_part_alone(folder):
    before = source(folder).load()
    for file in before.test.inputs.paths:
        soundfile.write(file, np.full(1_500, 0.9), 1_000)
    after = source(folder).load()
    assert after.test.inputs.paths == before.test.inputs.paths
    assert before.spec.input.mean is not None
    assert after.spec.input.mean == before.spec.input.mean


def test_a_run_gives_its_classes_to_further_sounds(folder):
    like = source(folder).load().spec
    (folder / "c").mkdir()
    soundfile.write(folder / "c" / "1.wav", np.zeros(1_500), 1_000)
    with pytest.raises(DataError, match="has a class that the run does not know: 'c'"):
        source(folder).load(like)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"window_milliseconds": 1.0}, "window_milliseconds must be longer: a sample lasts 1 ms"),
        ({"hop_milliseconds": 0.1}, "hop_milliseconds must be longer"),
        ({"window_milliseconds": 5_000.0, "clip_seconds": 9.0}, "window_milliseconds must be at most 4,096 samples"),
        ({"clip_seconds": 0.01}, "clip_seconds must be at least window_milliseconds, 25 ms"),
        ({"front_end": "mfcc"}, "coefficients must be at most bands, 8, got 20"),
    ],
)
def test_settings_that_fit_no_clip_are_refused(folder, keys, words):
    with pytest.raises(ValueError, match=words):
        source(folder, **keys)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: None, "must be a folder of a folder per class"),
        (lambda folder: (folder / "a").mkdir(parents=True), "two classes or more, found only a"),
        (
            lambda folder: [(folder / name).mkdir(parents=True) for name in "ab"],
            "has no sound file in .*a",
        ),
    ],
)
def test_a_path_without_sounds_is_refused(tmp_path, make, words):
    make(tmp_path / "none")
    with pytest.raises(DataError, match=words):
        source(tmp_path / "none").load()


def test_init_proposes_rate_and_clips_of_what_is_there(folder):
    found = AudioFolder.proposed(folder, None)
    assert (found.keys["rate"], found.keys["clip_seconds"]) == (1_000, 1.5)
    assert found.examples == 20
    assert AudioFolder.proposed(folder / "a", None) is None


def table(folder, *lines, header="path,label,split,start,end", name="sounds.csv"):
    place = folder.parent / name
    place.write_text("\n".join([header, *lines]) + "\n")
    return place


LINES = (
    "sounds/a/below/02.wav,low,train,0.25,0.75",
    "sounds/a/below/02.wav,high,train,0.75,",
    "sounds/a/below/04,low,test,,0.5",
    "sounds/a/below/00.wav,high,val,1,1.5",
)


def test_a_table_names_sounds_their_parts_and_the_seconds_that_are_meant(folder):
    splits = source(table(folder, *LINES), clip_seconds=0.4, validation_fraction=0).load()
    assert splits.spec.target.class_names == ("high", "low")
    assert {part: split.targets.tolist() for part, split in splits.parts.items()} == {
        "train": [0, 1], "validation": [0], "test": [1]
    }  # fmt: skip
    file = folder / "a" / "below"
    whole = {name: soundfile.read(file / name, dtype="float32")[0] for name in ("02.wav", "04.wav", "00.wav")}
    second, first = splits.train.inputs.whole()
    np.testing.assert_array_equal(first, whole["02.wav"][250:750])
    np.testing.assert_array_equal(second, whole["02.wav"][750:])
    np.testing.assert_array_equal(splits.test.inputs.whole()[0], whole["04.wav"][:500])
    (resampled,) = splits.validation.inputs.whole()
    assert resampled.shape == (500,)
    expected = whole["00.wav"][2_000:3_000].mean(axis=1)
    assert np.corrcoef(resampled[50:-50], expected[100:-100:2])[0, 1] > 0.5
    data = source(table(folder, *LINES), clip_seconds=0.4)
    assert data.sizes() == {name: len(part) for name, part in splits.parts.items()}


def test_of_a_stretch_nothing_else_is_decoded(folder, monkeypatch):
    read = []
    original = soundfile.SoundFile.read
    monkeypatch.setattr(
        soundfile.SoundFile, "read", lambda self, *args, **more: read.append(args[0]) or original(self, *args, **more)
    )
    source(table(folder, *LINES), clip_seconds=0.4, validation_fraction=0).load().test.read()
    assert sorted({*read}) == [500, 750]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sounds/a/below/02.wav,low,train,x,", r"sounds.csv:6: start must be seconds .*, got 'x'"),
        ("sounds/a/below/02.wav,low,train,-1,", r"sounds.csv:6: start must be seconds .*, got '-1'"),
        ("sounds/a/below/02.wav,low,train,,nan", r"sounds.csv:6: end must be seconds .*, got 'nan'"),
        ("sounds/a/below/02.wav,low,train,1,0.5", r"sounds.csv:6: end must be behind start, 1 s, got 0.5"),
        ("sounds/a/below/02.wav,low,train,0.25,0.75", r"sounds.csv:6: .*02.wav is already in line 2"),
        ("sounds/a/below/06.wav,low,train,1.5,", r"sounds.csv:6: 06.wav: start is 1.5 s, .* 1.5 s"),
        ("sounds/a/below/06.wav,low,train,,9", r"sounds.csv:6: .*06.wav: end is 9 s, the sound lasts 1.5 s"),
        ("sounds/a/below/06.wav,low,train,0.1,0.1001", r"sounds.csv:6: 06.wav: has no samples"),
        ("sounds/a/below/99.wav,low,train,,", r"sounds.csv:6: no such file: .*99.wav"),
        ("/etc/passwd,low,train,,", r"sounds.csv:6: /etc/passwd is outside of the table's folder and has no sound"),
        ("sounds/a/below/06.wav,middle,test,,", r"sounds.csv:6: 'middle' is not a class of the train part"),
        ("sounds/a/below/06.wav,low,exam,,", r"sounds.csv:6: 'exam' is not a part"),
    ],
)
def test_lines_that_mean_no_sound_are_named(folder, line, words):
    with pytest.raises(DataError, match=words):
        source(table(folder, *LINES, line), clip_seconds=0.4, validation_fraction=0).load()


def test_lines_whose_sound_cannot_be_used_are_skipped_where_asked(folder):
    bad = ["sounds/a/below/06.wav,low,train,,9", "sounds/a/below/99.wav,low,train,,"]
    splits = source(table(folder, *LINES, *bad), clip_seconds=0.4, on_bad_example="skip", validation_fraction=0).load()
    assert len(splits.train) == 2
    assert [words.partition("sounds.csv:")[2][0] for words in splits.skipped] == ["7", "6"]


def test_init_proposes_a_table_of_sounds(folder):
    found = AudioFolder.proposed(table(folder, *LINES), None)
    assert (found.keys["rate"], found.examples) == (1_000, 4)
    assert "test_fraction" not in found.keys


@pytest.mark.parametrize(("bands", "empty"), [(8, 0), (40, 1)])
def test_mel_bands_that_hold_no_frequency_are_told(folder, bands, empty):
    said = [str(noticed) for noticed in source(folder, bands=bands).load().noticed if "mel bands" in str(noticed)]
    assert len(said) == empty
    if empty:
        window, most = 25, int(re.search(r"dataset.bands to (\d+)", said[0])[1])
        shares = spectra.mel_bands(1_000, 32, bands).sum(axis=0)
        assert f"{(shares == 0).sum()} of the mel bands hold no frequency" in said[0]
        assert (spectra.empty_bands(1_000, window, most), spectra.empty_bands(1_000, window, most + 1) > 0) == (0, True)
    waveforms = source(folder, bands=bands, front_end="waveform").load()
    assert not any("mel bands" in str(noticed) for noticed in waveforms.noticed)


def test_init_proposes_no_more_mel_bands_than_hold_a_frequency(folder):
    bands = AudioFolder.proposed(folder, None).keys["bands"]
    assert 1 < bands < 64
    assert not any("mel bands" in str(noticed) for noticed in source(folder, bands=bands).load().noticed)


def test_headers_are_read_in_threads_and_told_in_their_order(folder, monkeypatch):
    names = set()
    original = Decoding.header
    monkeypatch.setattr(
        Decoding, "header", lambda self, file: names.add(threading.current_thread().name) or original(self, file)
    )
    for number in (14, 6, 10):
        (folder / "a" / "below" / f"{number:02}.wav").write_bytes(b"no sound")
    with pytest.raises(DataError) as told:
        source(folder).load()
    assert names and all(name.startswith("headers") for name in names)
    assert re.findall(r"(\d+).wav", str(told.value)) == ["06", "10", "14"]


def test_sounds_that_are_decoded_already_are_read_without_threads(folder, monkeypatch):
    clips = source(folder).load().train.inputs
    everything = np.arange(len(clips))
    first = clips.read(everything)
    monkeypatch.setitem(vars(clips._sounds), "_threads", None)
    np.testing.assert_array_equal(clips.read(everything), first)


@pytest.fixture
def speakers(tmp_path):
    """Returns a folder of four sounds of each of ten speakers."""
    for number in range(40):
        place = tmp_path / "speakers" / f"s{number % 10}" / f"{number:02}.wav"
        place.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(place, np.full(1_000, number / 100), 1_000)
    return tmp_path / "speakers"


def owners(part):
    return {file.parent.name for file in part.inputs.paths}


def test_classes_are_held_out_whole_and_none_is_in_two_parts(speakers):
    data = source(speakers, hold_out="classes", test_fraction=0.2, validation_fraction=0.25)
    assert data.task == "verification"
    splits = data.load()
    assert data.sizes() == {name: len(part) for name, part in splits.parts.items()}
    found = [owners(part) for part in splits.parts.values()]
    assert [len(each) for each in found] == [6, 2, 2]
    assert len(set.union(*found)) == 10
    assert splits.spec.target.class_names == data.spec().target.class_names == tuple(sorted(found[0]))
    for part in splits.parts.values():
        assert [file.parent.name for file in part.inputs.paths] == part.metadata["identity"].tolist()
    assert (splits.test.targets == -1).all()
    assert (splits.train.targets >= 0).all()
    keys = {"hold_out": "classes", "validation_fraction": 0}
    others = [owners(source(speakers, split_seed=seed, **keys).load().test) for seed in range(4)]
    assert len({*map(frozenset, others)}) > 1


def test_each_class_is_in_one_fold(speakers):
    keys = {"hold_out": "classes", "validation_fraction": 0}
    folds = [source(speakers, test_fraction=f"fold {n} of 5", **keys).load().test for n in range(1, 6)]
    assert sorted(name for fold in folds for name in owners(fold)) == [f"s{number}" for number in range(10)]


def test_a_class_more_leaves_the_others_where_they_were_drawn(speakers):
    keys = {"hold_out": "classes", "test_fraction": 0.2, "validation_fraction": 0}
    before = owners(source(speakers, **keys).load().test)
    (speakers / "s99").mkdir()
    soundfile.write(speakers / "s99" / "x.wav", np.zeros(1_000), 1_000)
    after = owners(source(speakers, **keys).load().test)
    assert len(after - before) <= 1
    assert len(before - after) <= 1


def test_too_few_classes_to_hold_some_out_are_refused(folder):
    with pytest.raises(DataError, match="test_fraction holds out 1 of 2 classes: at least 2 are needed"):
        source(folder, hold_out="classes").load()


def test_parts_of_one_class_that_is_held_out_are_refused_with_what_to_set(speakers):
    with pytest.raises(DataError, match=r"validation_fraction holds out 1 of 8 classes.*; 0.25 gives 2"):
        source(speakers, hold_out="classes").load()
    with pytest.raises(DataError, match="leaves 1 of 10 classes to train on"):
        source(speakers, hold_out="classes", test_fraction=0.9).load()


def listed(speakers, *lines):
    path = speakers.parent / "trials.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_the_files_of_a_list_of_trials_are_the_test_part_and_are_not_trained_on(speakers):
    lines = ["1 s0/00.wav s0/10.wav", "0\ts0/00.wav\ts1/01.wav", "", "1 s1/11.wav s1/01.wav"]
    splits = source(speakers, trials=listed(speakers, *lines), validation_fraction=0.25).load()
    names = [file.name for file in splits.test.inputs.paths]
    assert sorted(names) == ["00.wav", "01.wav", "10.wav", "11.wav"]
    numbers = splits.test.metadata["number"].tolist()
    told = {
        (names[row], names[numbers.index(other)], bool(same))
        for row, trials in enumerate(splits.test.metadata["trials"])
        for other, same in trials.tolist()
    }
    assert told == {("00.wav", "10.wav", True), ("00.wav", "01.wav", False), ("11.wav", "01.wav", True)}
    heard = {file.name for part in (splits.train, splits.validation) for file in part.inputs.paths}
    assert len(heard) == 36
    assert not heard & {*names}
    said = [str(each) for each in splits.noticed]
    assert any("4 files are trained on no longer, for the list of trials" in words for words in said)
    assert any("has files of 2 classes that are trained on, such as s0" in words for words in said)


def test_speakers_of_a_list_that_are_nowhere_else_are_strangers(speakers):
    lines = [f"1 s0/{a:02}.wav s0/{b:02}.wav" for a, b in [(0, 10), (20, 30)]]
    splits = source(speakers, trials=listed(speakers, *lines), validation_fraction=0).load()
    assert "s0" not in splits.spec.target.class_names
    assert splits.test.targets.tolist() == [-1] * 4
    assert any("all that there is of s0" in str(each) for each in splits.noticed)


def test_lines_that_are_no_trials_are_all_named(speakers):
    lines = ["1 s0/00.wav s0/10.wav", "yes s0/00.wav s0/10.wav", "0 s0/00.wav", "1 s0/00.wav s0/99.wav"]
    with pytest.raises(DataError) as told:
        source(speakers, trials=listed(speakers, *lines)).load()
    words = str(told.value)
    assert "trials.txt:2: must be: 1 FILE FILE" in words
    assert "trials.txt:3: must be" in words
    assert "trials.txt:4: there is no file s0/99.wav in" in words
    with pytest.raises(DataError, match="has no trial"):
        source(speakers, trials=listed(speakers, "")).load()
    with pytest.raises(DataError, match="trials cannot be read: .*none.txt"):
        source(speakers, trials=speakers / "none.txt").load()


def test_trials_of_a_file_that_cannot_be_used_are_left_out_and_counted(speakers):
    (speakers / "s0" / "10.wav").write_bytes(b"no sound")
    lines = ["1 s0/00.wav s0/10.wav", "0 s0/00.wav s1/01.wav"]
    splits = source(speakers, trials=listed(speakers, *lines), on_bad_example="skip").load()
    assert splits.test.metadata["trials"].lengths.sum() == 1
    assert any("1 of 2 trials are left out" in str(each) for each in splits.noticed)


def test_classes_of_a_table_may_be_held_out_too(folder):
    lines = [
        f"{file.relative_to(folder.parent)},speaker{place % 5}" for place, file in enumerate(folder.rglob("*.wav"))
    ]
    named = table(folder, *lines, header="path,label")
    splits = source(named, hold_out="classes", test_fraction=0.4, validation_fraction=0).load()
    assert len(splits.spec.target.class_names) == 3
    assert (len(splits.train), len(splits.test)) == (12, 8)


def test_a_list_of_trials_stands_beside_a_table_too(speakers):
    lines = [f"{file.relative_to(speakers.parent)},{file.parent.name}" for file in sorted(speakers.rglob("*.wav"))]
    trials = listed(speakers, "1 speakers/s0/00.wav speakers/s0/10.wav", "0 speakers/s0/00.wav speakers/s1/01.wav")
    splits = source(table(speakers, *lines, header="path,label"), trials=trials, validation_fraction=0).load()
    assert [file.name for file in splits.test.inputs.paths] == ["00.wav", "10.wav", "01.wav"]
    assert splits.test.metadata["trials"].values[:, 1].tolist() == [1, 0]
    assert not {"00.wav", "10.wav", "01.wav"} & {file.name for file in splits.train.inputs.paths}
    stretches = table(speakers, *[f"{line},0,0.5" for line in lines], header="path,label,start,end")
    with pytest.raises(DataError, match=r"trials names whole files, .*sounds.csv has stretches"):
        source(stretches, trials=trials).load()


def test_folds_are_refused_before_the_first_where_one_would_have_a_single_class(speakers):
    with pytest.raises(DataError, match="has 6 folds of 10 classes, at most 5 have two each"):
        source(speakers, hold_out="classes", test_fraction="fold 1 of 6").load()


@pytest.fixture
def own_parts(tmp_path):
    """Returns a folder of parts, each of two speakers of its own, with two sounds of each."""
    for place, part in enumerate(["train", "validation", "test"]):
        for number in range(4):
            file = tmp_path / "own" / part / f"s{2 * place + number % 2}" / f"{number}.wav"
            file.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(file, np.full(1_000, number / 10), 1_000)
    return tmp_path / "own"


def test_speakers_of_a_part_that_training_lacks_are_refused_with_what_to_set_and_init_proposes_it(own_parts):
    with pytest.raises(DataError, match=r"has the class s2 .*set dataset.hold_out: classes"):
        source(own_parts).load()
    found = AudioFolder.proposed(own_parts, None)
    assert found.keys["hold_out"] == "classes"
    assert "4 classes of their own, such as s2" in found.remarks["hold_out"]
    assert len(source(own_parts, **{key: found.keys[key] for key in ["hold_out"]}).load().test) == 4


@pytest.mark.parametrize(("count", "expected"), [(3, 0), (4, 2), (7, 2), (10, 2), (14, 2), (15, 2), (26, 3)])
@pytest.mark.parametrize("part", ["test", "validation"])
def test_init_holds_out_two_speakers_at_least_or_none_where_parts_have_their_own(tmp_path, count, part, expected):
    for number in range(count + 2):
        for sound in "ab":
            file = tmp_path / ("train" if number < count else part) / f"s{number}" / f"{sound}.wav"
            file.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(file, np.full(1_000, number / 100), 1_000)
    found = AudioFolder.proposed(tmp_path, None)
    other = {"test": "validation", "validation": "test"}[part]
    chosen = {key: value for key, value in found.keys.items() if key != "path"}
    splits = source(tmp_path, **chosen).load()
    held = 0 if other not in splits.parts else len(owners(splits.parts[other]))
    assert held == (expected if part == "test" else max(2, round(0.2 * count)) * (expected > 0))
    assert ("too few" in found.remarks[f"{other}_fraction"]) == (not expected)


def test_init_says_one_class_of_a_parts_own(own_parts):
    for name in ("validation/s2", "validation/s3", "test/s4"):
        shutil.copytree(own_parts / name, own_parts / "train" / name[-2:])
    remark = AudioFolder.proposed(own_parts, None).remarks["hold_out"]
    assert remark == "the parts have 1 class of their own, such as s5"


def test_sounds_that_no_trial_names_and_the_list_itself_are_called_what_they_are(own_parts):
    trials = own_parts / "trials.txt"
    trials.write_text("1 test/s4/0.wav test/s4/2.wav\n0 test/s4/0.wav test/s5/1.wav\n")
    splits = source(own_parts, hold_out="classes", trials=trials, test_fraction=0.3).load()
    assert len(splits.test) == 3 and not splits.ignored
    said = [str(each) for each in splits.noticed]
    assert any("1 sound of the test part is in no trial and not used" in words for words in said)
    assert any("dataset.test_fraction is not used: there is the list of trials" in words for words in said)


@pytest.mark.parametrize("part", ["validation", "test"])
def test_the_share_of_a_part_that_is_there_is_said_to_be_unused(own_parts, part):
    splits = source(own_parts, hold_out="classes", **{f"{part}_fraction": 0.37}).load()
    said = [str(each) for each in splits.noticed if "is not used" in str(each)]
    assert len(said) == 1 and f"dataset.{part}_fraction is not used: there is a part for {part}" in said[0]
    assert not any("is not used" in str(each) for each in source(own_parts, hold_out="classes").load().noticed)


def test_a_listed_file_is_one_by_whatever_name_it_goes(speakers):
    lines = ["1 ./s0/00.wav s0/10.wav", "0 s1/../s0/00.wav s1/01.wav"]
    splits = source(speakers, trials=listed(speakers, *lines), validation_fraction=0).load()
    assert sorted(file.name for file in splits.test.inputs.paths) == ["00.wav", "01.wav", "10.wav"]
    assert splits.test.metadata["trials"].lengths.sum() == 2
    assert not {"00.wav", "01.wav", "10.wav"} & {file.name for file in splits.train.inputs.paths}
    assert set(splits.test.metadata["identity"]) == {"s0", "s1"}


def test_classes_of_a_list_are_nowhere_else_where_classes_are_held_out(speakers):
    path = listed(speakers, "1 s0/00.wav s0/10.wav", "0 s0/00.wav s1/01.wav")
    splits = source(speakers, trials=path, hold_out="classes", validation_fraction=0.25).load()
    heard = owners(splits.train) | owners(splits.validation)
    assert heard == {f"s{number}" for number in range(2, 10)}
    assert any("8 files are trained on no longer" in str(each) for each in splits.noticed)
    assert not any("classes that are trained on" in str(each) for each in splits.noticed)


def test_a_run_is_asked_about_a_list_with_classes_that_it_was_trained_on(speakers):
    run = source(speakers, hold_out="classes", test_fraction=0.2, validation_fraction=0).load()
    known = run.spec.target.class_names[0]
    first, second = sorted((speakers / known).iterdir())[:2]
    path = listed(speakers, f"1 {known}/{first.name} {known}/{second.name}")
    splits = source(speakers, trials=path, validation_fraction=0).load(run.spec)
    said = [str(each) for each in splits.noticed]
    assert any(f"1 classes that are trained on, such as {known}, perhaps of the very files" in words for words in said)
    assert not any("no longer" in words for words in said)


def test_trials_that_say_nothing_or_two_things_are_refused_and_repeats_are_told(speakers, caplog):
    lines = ["1 s0/00.wav s0/00.wav", "1 s0/00.wav s0/10.wav", "0 s0/10.wav s0/00.wav"]
    with pytest.raises(DataError) as told:
        source(speakers, trials=listed(speakers, *lines)).load()
    assert "trials.txt:1: compares s0/00.wav with itself" in str(told.value)
    assert "trials.txt:3: says the opposite of line 2" in str(told.value)
    lines = ["1 s0/00.wav s0/10.wav", "1 s0/10.wav s0/00.wav"]
    splits = source(speakers, trials=listed(speakers, *lines), validation_fraction=0).load()
    assert any("1 of 2 trials are there more than once" in str(each) for each in splits.noticed)


def test_two_thousand_files_that_are_not_kept_take_the_memory_of_a_batch(tmp_path):
    place = tmp_path / "sounds" / "a" / "0000.wav"
    place.parent.mkdir(parents=True)
    soundfile.write(place, np.random.RandomState(0).uniform(-0.5, 0.5, 8_000), 8_000)
    (tmp_path / "sounds" / "b").mkdir()
    for number in range(1, 2_000):
        (tmp_path / "sounds" / "ab"[number % 2] / f"{number:04}.wav").hardlink_to(place)
    data = source(
        tmp_path / "sounds", rate=8_000, clip_seconds=1.0, cache="none", validation_fraction=0, test_fraction=0
    )
    train = data.load().train
    tracemalloc.start()
    try:
        for start in range(0, 2_000, 50):
            clips = train.inputs.read(np.arange(start, start + 50), np.zeros((50, 2), np.int32))
            assert clips.shape == (50, 8_000)
        assert tracemalloc.get_traced_memory()[1] < 10 * clips.nbytes  # all of them are 40 times as much
    finally:
        tracemalloc.stop()

"""MER2023 to MER2026: both layouts, splits without a single label of a candidate, released truth, and every trap."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mertools import Corpus, cli
from mertools.corpora import CORPORA, Prepared, prepare
from mertools.corpora.challenge import open_labels
from mertools.corpora.editions import EDITIONS, contains, seen_in
from mertools.corpora.fakes import fake_table, fake_wav
from mertools.corpora.pairs import Pair, pairs_text, read_pairs
from mertools.errors import CorpusError
from mertools.labels import MER_EMOTIONS

NEWER = ("mer2024", "mer2025", "mer2026")


def fake_of(name: str, tmp_path: Path) -> Path:
    raw = tmp_path / "raw"
    raw.mkdir()
    CORPORA.get(name)().fake(raw)
    return raw


def write_npz(path: Path, **entries: dict[str, dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **entries)  # type: ignore[arg-type]
    return path


def splits_of(made: Prepared) -> dict[str, str]:
    return {clip.name: clip.split for clip in made.corpus.clips}


def refused(name: str, raw: Path, tmp_path: Path, **options: Any) -> CorpusError:
    with pytest.raises(CorpusError) as raised:
        prepare(name, raw, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
    assert raised.value.hint
    return raised.value


# -- MER2023 ---------------------------------------------------------------------------------------------------------


def test_mer2023_has_its_splits_targets_and_order_of_classes(tmp_path: Path) -> None:
    prepare("mer2023", fake_of("mer2023", tmp_path), tmp_path / "out")
    corpus = Corpus.read(tmp_path / "out")
    assert {s.name: s.role for s in corpus.splits} == {
        **{"train": "train", "test1": "test", "test2": "test", "test3": "test", "unlabelled": "unlabelled"}
    }
    assert corpus.target("discrete").classes == ("neutral", "angry", "happy", "sad", "worried", "surprise")
    assert corpus.target("valence").range == (-5.0, 5.0)
    clip = corpus.clip("sample_00000000")
    assert (clip.cells["discrete"], clip.cells["valence"], clip.text(), clip.text("text_en")) == (
        *("neutral", "-1.25", "你好", "hello"),
    )
    assert corpus.annotations("valence", corpus.select(["test3"])) == [None, None], "test3 has no valence"
    assert corpus.clip("samplenew_00000099").split == "unlabelled"
    assert corpus.transcripts == {"text": "human", "text_en": "machine translation"}
    assert not (corpus.terms.may_edit)
    assert not (corpus.terms.may_upload)
    assert not (corpus.terms.closed_models)


def test_mer2023_as_mertools_processed_it(tmp_path: Path) -> None:
    raw = tmp_path / "mer2023-dataset-process"
    write_npz(
        raw / "label-6way.npz",
        train_corpus={"sample_1": {"emo": "sad", "val": np.float64(-1.25)}, "sample_0": {"emo": "happy", "val": ""}},
        test1_corpus={"sample_2": {"emo": "angry", "val": 0.5}},
        test2_corpus={"sample_3": {"emo": "neutral", "val": 0.25}},
        test3_corpus={"samplenew_4": {"emo": "worried", "val": -10}, "samplenew_5": {"emo": "sad", "val": -10}},
    )
    for name in ("sample_0", "sample_1", "sample_2", "sample_3", "samplenew_4"):
        fake_wav(raw / "audio" / f"{name}.wav")
    rows = [
        {"name": "samplenew_5", "chinese": "你,好", "english": "NA"},
        {"name": "sample_1", "chinese": "", "english": ""},
    ]
    fake_table(raw / "transcription-engchi-polish.csv", rows)
    made = prepare("mer2023", tmp_path, tmp_path / "out")  # the parent folder does as well
    corpus = Corpus.read(tmp_path / "out")
    assert [c.name for c in corpus.clips] == [
        "sample_1",
        "sample_0",
        "sample_2",
        "sample_3",
        "samplenew_4",
        "samplenew_5",
    ]
    assert corpus.annotations("valence", corpus.clips) == [-1.25, None, 0.5, 0.25, None, None]
    assert corpus.clip("samplenew_5").video is None, "kept for its text"
    assert corpus.clip("samplenew_5").text() == "你,好"
    assert corpus.clip("samplenew_5").text("text_en") == "NA", "a word, not a missing value"
    assert [s.role for s in corpus.splits] == ["train", "test", "test", "test"]
    assert any("1 clips have no media; 1 are kept for their text: samplenew_5" in w for w in made.warnings)


def test_mer2023_placeholders_of_the_challenges_time_are_no_labels(tmp_path: Path) -> None:
    neutral = {"emo": "neutral", "val": -10}
    raw = tmp_path / "raw"
    write_npz(
        raw / "label-6way.npz",
        train_corpus={"a": {"emo": "sad", "val": 1.0}},
        test1_corpus={"b": neutral, "c": neutral},
        test2_corpus={"d": {"emo": "neutral", "val": 0.5}},
        test3_corpus={"e": neutral},
    )
    for name in "abcde":
        fake_wav(raw / "audio" / f"{name}.wav")
    corpus = prepare("mer2023", raw, tmp_path / "out").corpus
    assert {s.name: s.role for s in corpus.splits} == {
        **{"train": "train", "test1": "candidate", "test2": "test", "test3": "candidate"}
    }
    assert all(not corpus.clip(name).cells.get("discrete") for name in "bce")


def test_mer2023_test_clips_without_a_label_file_are_candidates(tmp_path: Path) -> None:
    raw = fake_of("mer2023", tmp_path)
    for split in ("test1", "test3"):
        (raw / f"{split}-label.csv").rename(tmp_path / f"{split}.csv")
    (raw / "test2-label.csv").rename(raw / "test2" / "test2-label.csv")
    corpus = prepare("mer2023", raw, tmp_path / "out").corpus
    roles = {s.name: s.role for s in corpus.splits}
    assert roles == {"train": "train", "test1": "candidate", "test2": "test", "test3": "candidate"}
    assert len(corpus.select(["test3"])) == 3


@pytest.mark.parametrize(
    ("file", "content", "code"),
    [
        ("train-label.csv", None, "MER-C130"),
        ("train-label.csv", "name,emotion\nx,sad\n", "MER-C131"),
        ("train-label.csv", "name;discrete\nx;sad\n", "MER-C131"),
        ("train-label.csv", "name,discrete,valence\nx,sad,1,2\n", "MER-C131"),
        ("train-label.csv", "name,discrete,valence\nsample_00000000,sad,0\nsample_00000000,happy,0\n", "MER-C132"),
        ("train-label.csv", "name,discrete,valence\n,sad,0\n", "MER-C132"),
        ("train-label.csv", "name,discrete,valence\nsample_00000000,suprise,0\n", "MER-C133"),
        ("train-label.csv", "name,discrete,valence\nsample_00000000,sad,7\n", "MER-C142"),
        ("train-label.csv", "name,discrete,valence\nsample_00000000,sad,high\n", "MER-C142"),
        ("test1-label.csv", "name,discrete,valence\nsample_00000000,sad,0\n", "MER-C139"),
        ("test1/sample_00000000.mp4", "", "MER-C135"),
        ("transcription-engchi-polish.csv", "name,german\nsample_00000000,hallo\n", "MER-C131"),
    ],
)
def test_mer2023_each_wrong_file_has_its_code(tmp_path: Path, file: str, content: str | None, code: str) -> None:
    raw = fake_of("mer2023", tmp_path)
    if content is None:
        (raw / file).unlink()
    else:
        (raw / file).write_text(content, encoding="utf-8")
    error = refused("mer2023", raw, tmp_path)
    assert error.code == code, error
    if code in ("MER-C133", "MER-C142"):
        assert "train-label.csv, row 2 ('sample_00000000')" in error.message


@pytest.mark.parametrize(
    ("entries", "code", "says"),
    [
        ({"train_corpus": {}}, "MER-C136", "test1_corpus"),
        ({"train_corpus": {"a": {"val": 0}}}, "MER-C136", "'emo'"),
        ({"train_corpus": ["a"]}, "MER-C136", "not a dict"),
        ({"train_corpus": {"a": {"emo": "bored"}}}, "MER-C133", "bored"),
        ({"train_corpus": {"a": {"emo": 6}}}, "MER-C133", "'6'"),
        ({"train_corpus": {"a": {"emo": "sad", "val": 9}}}, "MER-C142", "'9'"),
        ({"train_corpus": {"a": {"emo": "sad"}}, "test1_corpus": {"a": {"emo": "sad"}}}, "MER-C136", "train and test1"),
    ],
)
def test_mer2023_each_wrong_label_file_has_its_code(
    tmp_path: Path, entries: dict[str, Any], code: str, says: str
) -> None:
    empty = {} if "test1_corpus" in says else {f"test{n}_corpus": {} for n in (1, 2, 3)}
    write_npz(tmp_path / "raw/label-6way.npz", **{**empty, **entries})
    error = refused("mer2023", tmp_path / "raw", tmp_path)
    assert error.code == code
    assert says in error.message


def test_labels_without_any_media_or_text_are_refused(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    fake_table(raw / "train-label.csv", [{"name": "a", "discrete": "sad"}])
    fake_wav(raw / "elsewhere" / "a.wav")
    assert refused("mer2023", raw, tmp_path).code == "MER-C134"


def test_clips_without_media_are_told_in_one_sentence(tmp_path: Path) -> None:
    raw = fake_of("mer2023", tmp_path)
    rows = [{"name": f"gone_{n}", "discrete": "sad", "valence": "0"} for n in range(7)]
    fake_table(raw / "train-label.csv", [{"name": "sample_00000001", "discrete": "sad", "valence": "0"}, *rows])
    made = prepare("mer2023", raw, tmp_path / "out")
    told = [w for w in made.warnings if "have no media" in w]
    assert told == [
        "7 clips have no media; 7 have no text either and are left out: gone_0, gone_1, gone_2, gone_3, gone_4 and 2 "
        "more."
    ]
    assert splits_of(made)["sample_00000000"] == "unlabelled", "a clip that the label file does not name"


def test_a_name_that_begins_another_is_not_taken_for_it(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    fake_table(raw / "train-label.csv", [{"name": n, "discrete": "sad"} for n in ("sample_1.mp4", "sample_10")])
    fake_wav(raw / "train/sample_10.wav")
    fake_wav(raw / "train/sample_1.wav")
    corpus = prepare("mer2023", raw, tmp_path / "out").corpus
    assert {c.name: c.audio.name for c in corpus.clips if c.audio} == {
        "sample_1": "sample_1.wav",
        "sample_10": "sample_10.wav",
    }


def test_class_counts_of_another_version_are_told(tmp_path: Path) -> None:
    counts = {"neutral": 89, "angry": 104, "happy": 93, "sad": 50, "worried": 57, "surprise": 18}
    labels = [label for label, n in counts.items() for _ in range(n)]
    raw = tmp_path / "raw"
    fake_table(raw / "train-label.csv", [{"name": "t", "discrete": "sad"}])
    fake_table(raw / "test1-label.csv", [{"name": f"c{n}", "discrete": e} for n, e in enumerate(labels)])
    names = [{"name": n, "chinese": "好", "english": ""} for n in ("t", *(f"c{n}" for n in range(len(labels))))]
    fake_table(raw / "transcription-engchi-polish.csv", names)
    made = prepare("mer2023", raw, tmp_path / "out")
    assert len(made.corpus.select(["test1"])) == 411
    assert (
        "split test1 has the published size but other classes than published: neutral 89 (not 88), angry 104 (not 105)."
    ) in made.warnings
    assert not any("split test1, published" in w for w in made.warnings)


# -- the newer editions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NEWER)
def test_candidates_carry_no_label_of_any_kind(name: str, tmp_path: Path) -> None:
    prepare(name, fake_of(name, tmp_path), tmp_path / "out")
    corpus = Corpus.read(tmp_path / "out")
    roles = {s.name: s.role for s in corpus.splits}
    assert roles["candidate"] == "candidate"
    assert roles["unlabelled"] == "unlabelled"
    for clip in corpus.select(["candidate", "unlabelled"]):
        assert not any(clip.cells.get(column) for column in ("discrete", "valence", "openset", "description"))
    assert corpus.target("discrete").classes == MER_EMOTIONS
    assert corpus.target("openset").kind == "labels"


def test_mer2025_has_open_labels_descriptions_and_where_they_are_from(tmp_path: Path) -> None:
    corpus = prepare("mer2025", fake_of("mer2025", tmp_path), tmp_path / "out").corpus
    assert {c.name[-1]: c.split for c in corpus.clips} == {
        **{"a": "train", "b": "train", "c": "candidate", "d": "candidate", "e": "train_openset", "f": "unlabelled"}
    }
    labels = dict(zip("abcdef", corpus.annotations("openset", corpus.clips), strict=False))
    a, e = corpus.clip("sample_a"), corpus.clip("sample_e")
    assert (a.cells["openset"], a.cells["openset_origin"], a.cells["description"]) == ("glad", "human", "A smile.")
    assert (e.cells["openset"], e.cells["openset_origin"]) == ("calm, kind", "model")
    assert ("calm", "kind") in labels.values()
    assert corpus.transcripts["text"] == "asr"


def test_people_come_before_the_model_where_both_gave_open_labels(tmp_path: Path) -> None:
    raw = fake_of("mer2026", tmp_path)
    fake_table(raw / "track2_train_mercaptionplus.csv", [{"name": "samplenew3_00000001", "openset": "[furious]"}])
    clip = prepare("mer2026", raw, tmp_path / "out").corpus.clip("samplenew3_00000001")
    assert (clip.cells["openset"], clip.cells["openset_origin"]) == ("shocked, care", "human")
    assert clip.split == "train"


def test_open_labels_of_a_candidate_are_left_out_and_told(tmp_path: Path) -> None:
    raw = fake_of("mer2026", tmp_path)
    fake_table(raw / "track2_train_mercaptionplus.csv", [{"name": "samplenew3_00000002", "openset": "[furious]"}])
    made = prepare("mer2026", raw, tmp_path / "out")
    assert made.corpus.clip("samplenew3_00000002").split == "candidate"
    assert any("1 candidates stand in tables to learn from" in w for w in made.warnings)


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("['happy', 'self-deprecating']", "happy, self-deprecating"),
        ("[concern, pessimism]", "concern, pessimism"),
        ("shocked,care,serious", "shocked, care, serious"),
        ('["don\'t care"]', "don't care"),
        ("[]", ""),
        ("", ""),
        (" calm ", "calm"),
    ],
)
def test_open_labels_are_one_comma_list_however_they_were_written(cell: str, labels: str) -> None:
    assert open_labels(cell) == labels


def test_mer2024_truth_of_the_open_vocabulary_track_is_given_to_training_clips(real_data: Path, tmp_path: Path) -> None:
    truth = real_data / "mer2024_ov" / "check-openset.csv"
    with truth.open(encoding="utf-8") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    raw = tmp_path / "raw"
    fake_table(raw / "label-disdim.csv", [{"name": n, "discrete": "neutral"} for n in names])
    fake_table(raw / "label-transcription.csv", [{"name": n, "chinese": "好", "english": "good"} for n in names])
    made = prepare("mer2024", raw, tmp_path / "out", truth2=str(truth))
    corpus = made.corpus
    assert Counter(c.split for c in corpus.clips) == {"train": 332}
    assert sum(len(labels) for labels in corpus.annotations("openset", corpus.clips) if labels) == 1_121
    assert len({label for labels in corpus.annotations("openset", corpus.clips) for label in labels or ()}) == 248
    assert any("332 clips of truth2 are training clips" in w for w in made.warnings)
    assert corpus.transcripts["text"] == "human", "the checked transcripts alone"


@pytest.mark.parametrize("name", NEWER)
def test_the_processed_layout_gives_candidates_without_its_placeholder(name: str, tmp_path: Path) -> None:
    raw = tmp_path / f"{name}-dataset-process"
    npz = "label-6way.npz" if name == "mer2024" else "track1_label_6way.npz"
    write_npz(
        raw / npz,
        train_corpus={"a": {"emo": "sad"}, "b": {"emo": "happy", "val": -10}},
        test1_corpus={"c": {"emo": "neutral"}, "d": {"emo": "neutral"}},
    )
    for clip in "abcde":
        fake_wav(raw / "audio" / f"{clip}.wav")
    made = prepare(name, raw, tmp_path / "out")
    assert splits_of(made) == {"a": "train", "b": "train", "c": "candidate", "d": "candidate", "e": "unlabelled"}
    assert not any(made.corpus.clip(clip).cells.get("discrete") for clip in "cde")
    assert [t.name for t in made.corpus.targets] == ["discrete"]
    listed = fake_table(tmp_path / "mine.csv", [{"name": "c"}])
    again = prepare(name, raw, tmp_path / "out", candidates=str(listed))
    assert splits_of(again)["d"] == "unlabelled", "the list is smaller than the processed pool"


def test_processed_labels_of_candidates_that_are_not_placeholders_are_told(tmp_path: Path) -> None:
    write_npz(
        tmp_path / "raw/track1_label_6way.npz",
        train_corpus={"a": {"emo": "sad"}},
        test1_corpus={"c": {"emo": "neutral"}, "d": {"emo": "angry"}},
    )
    for clip in "acd":
        fake_wav(tmp_path / "raw/audio" / f"{clip}.wav")
    made = prepare("mer2026", tmp_path / "raw", tmp_path / "out")
    assert any("truth1=FILE" in w for w in made.warnings)
    assert not made.corpus.clip("d").cells.get("discrete")


@pytest.mark.parametrize("name", NEWER)
def test_released_truth_becomes_a_test_split(name: str, tmp_path: Path) -> None:
    raw = fake_of(name, tmp_path)
    before = prepare(name, raw, tmp_path / "before").corpus
    candidate, other = (c.name for c in before.select(["candidate"]))
    training = before.select(["train"])[1]
    rows = [{"name": candidate, "discrete": "angry"}, {"name": "elsewhere", "discrete": "sad"}]
    fake_table(raw / "track1_test.csv", [*rows, {"name": training.name, "discrete": "surprise"}])
    truth2 = fake_table(tmp_path / "t2.csv", [{"name": other, "openset": "['cross', 'tired']"}])
    made = prepare(name, raw, tmp_path / "out", truth1="track1_test.csv", truth2=str(truth2))
    corpus = Corpus.read(tmp_path / "out")
    assert {c.name for c in corpus.select(["test"])} == {candidate, other}
    assert corpus.split("test").role == "test"
    assert corpus.clip(candidate).cells["discrete"] == "angry"
    assert corpus.annotations("openset", [corpus.clip(other)]) == [("cross", "tired")]
    assert corpus.clip(training.name).cells["discrete"] == training.cells["discrete"], "a training clip keeps its label"
    assert corpus.clip(training.name).split == "train"
    warnings = "\n".join(made.warnings)
    assert "2 candidates now carry the organisers' truth (split test); looks at it are counted" in warnings
    assert f"1 clips of truth1 are training clips and stay where they are: {training.name}." in warnings
    assert "1 names in truth1 are no clips of this corpus: elsewhere." in warnings
    assert "in split candidate, published" not in warnings


def test_truth_of_another_edition_is_refused(tmp_path: Path) -> None:
    raw = fake_of("mer2025", tmp_path)
    truth = fake_table(tmp_path / "truth.csv", [{"name": "samplenew9_1", "discrete": "sad"}])
    assert refused("mer2025", raw, tmp_path, truth1=str(truth)).code == "MER-C140"
    fake_table(truth, [{"name": "sample_c", "discrete": "Sad"}])
    error = refused("mer2025", raw, tmp_path, truth1=str(truth))
    assert error.code == "MER-C133"
    assert "Did you mean 'sad'" in error.message
    assert refused("mer2025", raw, tmp_path, truth1=str(tmp_path / "none.csv")).code == "MER-C131"
    assert refused("mer2025", raw, tmp_path, truth2=str(truth)).code == "MER-C131"


@pytest.mark.parametrize("name", NEWER)
def test_a_clip_is_not_learned_from_and_predicted(name: str, tmp_path: Path) -> None:
    raw = fake_of(name, tmp_path)
    training = prepare(name, raw, tmp_path / "before").corpus.select(["train"])[0].name
    swapped = fake_table(tmp_path / "swapped.csv", [{"name": training}])
    error = refused(name, raw, tmp_path, candidates=str(swapped))
    assert error.code == "MER-C139"
    assert training in error.message


def test_a_missing_list_of_candidates_is_told(tmp_path: Path) -> None:
    raw = fake_of("mer2024", tmp_path)
    (raw / "candidate_20000.csv").unlink()
    made = prepare("mer2024", raw, tmp_path / "out")
    assert any("candidates=FILE" in w for w in made.warnings)
    assert {s.name for s in made.corpus.splits} == {"train", "unlabelled"}


def test_mer2024_takes_the_unlabelled_folder_with_the_noisy_test_clips(tmp_path: Path) -> None:
    raw = fake_of("mer2024", tmp_path)
    fake_wav(raw / "video-unlabeled" / "x.wav")
    (raw / "video-unlabeled" / "d.mp4").write_bytes(b"the clean one")
    corpus = prepare("mer2024", raw, tmp_path / "out").corpus
    assert corpus.clip("d").video == raw / "video-unlabeled-with-test2noise" / "d.mp4"


# -- preferences -----------------------------------------------------------------------------------------------------


def test_mer2026_preferences_stand_in_pairs_csv(tmp_path: Path) -> None:
    raw = fake_of("mer2026", tmp_path)
    made = prepare("mer2026", raw, tmp_path / "out")
    with (tmp_path / "out/pairs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["name", "a1", "a2", "preference", "split"]
    assert [(r["preference"], r["split"]) for r in rows] == [("a2", "train"), ("same", "train_v2"), ("", "candidate")]
    assert rows[0]["a2"] == "He is moved, and smiles."
    assert [p.preference for p in read_pairs(tmp_path / "out")] == ["a2", "same", ""]
    told = [w for w in made.warnings if "are published" in w]
    assert told == [
        "track3_emoprefer.csv holds 1 pairs, 574 are published.",
        "track3_emopreferv2.csv holds 1 pairs, 2096 are published.",
        "track3_candidate.csv holds 1 pairs, 10000 are published.",
    ]


def test_pairs_that_were_edited_are_kept_beside_the_new_ones(tmp_path: Path) -> None:
    raw = fake_of("mer2026", tmp_path)
    prepare("mer2026", raw, tmp_path / "out")
    (tmp_path / "out/pairs.csv").write_text("name,a1,a2,preference,split\n")
    made = prepare("mer2026", raw, tmp_path / "out")
    assert (tmp_path / "out/pairs.csv.old").is_file()
    assert any("pairs.csv.old" in w for w in made.warnings)
    assert len(read_pairs(tmp_path / "out")) == 3


def test_candidates_of_preference_keep_their_order_and_their_repeated_names(tmp_path: Path) -> None:
    raw = fake_of("mer2026", tmp_path)
    rows = [{"name": n, "a1": f"x{i}", "a2": 'y\r\n, "z"'} for i, n in enumerate(("s2", "s1", "s2"))]
    fake_table(raw / "track3_candidate.csv", rows)
    made = prepare("mer2026", raw, tmp_path / "out")
    found = [p for p in read_pairs(tmp_path / "out") if p.split == "candidate"]
    assert [(p.name, p.a1) for p in found] == [("s2", "x0"), ("s1", "x1"), ("s2", "x2")]
    assert found[0].a2 == 'y\r\n, "z"'
    assert any("2 clips of pairs.csv are not in mer2026 as it lies here: s1, s2." in w for w in made.warnings)


def test_an_unknown_preference_is_refused(tmp_path: Path) -> None:
    raw = fake_of("mer2026", tmp_path)
    fake_table(raw / "track3_emoprefer.csv", [{"name": "a", "a1": "x", "a2": "y", "preference": "tie"}])
    error = refused("mer2026", raw, tmp_path)
    assert error.code == "MER-C141"
    assert "row 2 ('a'): the preference 'tie'" in error.message


def test_a_corpus_without_pairs_has_none(tmp_path: Path) -> None:
    assert read_pairs(tmp_path) == []
    (tmp_path / "pairs.csv").write_text(pairs_text([Pair("a", "\r", "", "a1", "train")]))
    assert read_pairs(tmp_path) == [Pair("a", "\r", "", "a1", "train")]


# -- which edition holds what ----------------------------------------------------------------------------------------


def test_the_chain_of_editions_adds_up() -> None:
    assert contains("mer2024")["mer2023"].n_clips == 5_030 == 3_373 + 411 + 412 + 834
    assert contains("mer2025")["mer2024"].n_clips == 7_369 == 5_030 + 1_169 + 1_170
    assert contains("mer2026")["mer2025"].n_clips == 9_395 == 7_369 + 2_026
    assert contains("mer2026")["mer2023"].n_clips == 5_030
    assert "scored candidates of SEMI" in contains("mer2026")["mer2024"].what
    assert contains("emodb") == {}
    assert contains("simsv2")["sims"].n_clips == 2_281


def test_sharing_is_mutual_and_every_edition_says_so(tmp_path: Path) -> None:
    for name in (*EDITIONS, "sims", "simsv2"):
        for other, part in contains(name).items():
            assert contains(other)[name].n_clips == part.n_clips
            assert part.what
    for name in EDITIONS:
        assert seen_in(name) == tuple(e for e in EDITIONS if e != name)
    corpus = prepare("mer2023", fake_of("mer2023", tmp_path), tmp_path / "out").corpus
    assert corpus.seen_in == ("mer2024", "mer2025", "mer2026")


# -- size ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_whole_pool_is_prepared(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    names = [f"samplenew3_{n:08d}" for n in range(132_171)]
    (raw / "video").mkdir(parents=True)
    for name in names:
        (raw / "video" / f"{name}.mp4").touch()
    fake_table(raw / "track1_train.csv", [{"name": n, "discrete": "sad"} for n in names[:9_395]])
    fake_table(raw / "track1_track2_candidate.csv", [{"name": n} for n in names[9_395:29_395]])
    fake_table(raw / "subtitle_chieng.csv", [{"name": n, "chinese": "好", "english": ""} for n in names])
    made = prepare("mer2026", raw, tmp_path / "out")
    assert not any("published are" in w for w in made.warnings)
    assert any("durations of 132171 clips are not read" in w for w in made.warnings)
    corpus = Corpus.read(tmp_path / "out")
    assert Counter(c.split for c in corpus.clips) == {"train": 9_395, "candidate": 20_000, "unlabelled": 102_776}


def test_the_verb_says_what_it_found_and_refuses_with_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = fake_of("mer2026", tmp_path)
    assert cli.main(["prepare", "mer2026", "--raw", str(raw), "--out", str(tmp_path / "out")]) == 0
    assert "mer2026: 7 clips" in capsys.readouterr().out
    assert cli.main(["prepare", "mer2026", "--raw", str(tmp_path / "out"), "--out", str(tmp_path / "no")]) == 2
    assert "MER-C130" in capsys.readouterr().err

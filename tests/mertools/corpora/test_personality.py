"""Personality: ChaLearn First Impressions and MER2025's track."""

import json
import pickle
from pathlib import Path

import pytest

from mertools import Corpus, get_track
from mertools.corpora import CORPORA, prepare
from mertools.corpora.fakes import fake_table, fake_video
from mertools.errors import CorpusError

TRAITS = ("Extraversion", "Agreeableness", "Conscientiousnes", "Neuroticism", "Open Mindedness")


@pytest.fixture
def chalearn(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    CORPORA.get("chalearn-fi")().fake(folder)
    return folder


@pytest.fixture
def mdpe(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    CORPORA.get("mer25-personality")().fake(folder)
    return folder


def test_first_impressions_have_traits_texts_and_sources(chalearn: Path, tmp_path: Path) -> None:
    prepare("chalearn-fi", chalearn, tmp_path / "out")
    corpus = Corpus.read(tmp_path / "out")
    assert {s.name: s.role for s in corpus.splits} == {"train": "train", "val": "validation", "test": "test"}
    assert all(t.range == (0, 1) for t in corpus.targets)
    clip = corpus.clip("-abc_1efgh.000")
    assert clip.split == "val"
    assert clip.cells["source"] == "-abc_1efgh"
    assert clip.cells["openness"] == "0.5"
    assert clip.text() == "Hello there."
    assert corpus.transcripts == {"text": "human"}


def test_annotations_may_be_a_table(chalearn: Path, tmp_path: Path) -> None:
    folder = chalearn / "annotation"
    content = json.loads((folder / "annotation_training.json").read_text())
    names = list(content["openness"])
    (folder / "annotation_training.json").unlink()
    fake_table(folder / "annotation_training.csv", [{"name": n, **{t: content[t][n] for t in content}} for n in names])
    assert len(prepare("chalearn-fi", chalearn, tmp_path / "out").corpus.select(["train"])) == 2


def test_pickles_are_never_run(chalearn: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (str(tmp_path / "touched"),))

    path = chalearn / "annotation" / "annotation_training.json"
    path.unlink()
    path.with_suffix(".pkl").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CorpusError):
        prepare("chalearn-fi", chalearn, tmp_path / "out")
    assert not (tmp_path / "touched").exists()


def test_official_pickles_are_read(chalearn: Path, tmp_path: Path) -> None:
    for path in (chalearn / "annotation").glob("*.json"):
        path.with_suffix(".pkl").write_bytes(pickle.dumps(json.loads(path.read_text()), protocol=2))
    plain = prepare("chalearn-fi", chalearn, tmp_path / "json").corpus
    for path in (chalearn / "annotation").glob("*.json"):
        path.unlink()
    assert prepare("chalearn-fi", chalearn, tmp_path / "pkl").corpus.clips == plain.clips


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ('{"openness": {"a.mp4": 0.5}}', "MER-C202"),
        ("[]", "MER-C201"),
        ("{", "MER-C201"),
        (json.dumps({t: {"-abc_0efgh.000.mp4": 1.5} for t in ("extraversion",)}), "MER-C205"),
        (json.dumps({"extraversion": {"-abc_0efgh.000.mp4": "high"}}), "MER-C205"),
        (None, "MER-C209"),
    ],
)
def test_each_bad_annotation_has_its_code(chalearn: Path, tmp_path: Path, content: str | None, code: str) -> None:
    folder = chalearn / "annotation"
    content = (folder / "annotation_test.json").read_text() if content is None else content
    (folder / "annotation_training.json").write_text(content)
    with pytest.raises(CorpusError) as raised:
        prepare("chalearn-fi", chalearn, tmp_path / "out")
    assert raised.value.code == code


def test_people_of_the_track_have_their_traits_in_every_recording(mdpe: Path, tmp_path: Path) -> None:
    prepare("mer25-personality", mdpe, tmp_path / "out")
    corpus = Corpus.read(tmp_path / "out")
    track = get_track("mer2025-pr")
    assert tuple(t.name for t in corpus.targets) == TRAITS == tuple(t.name for t in track.targets)
    assert {s.name: s.role for s in corpus.splits} == {"train": "train", "val": "validation", "test": "candidate"}
    assert set(track.test_splits) <= {s.name for s in corpus.splits}
    clip = corpus.clip("deception-130-130-2-1")
    assert (clip.split, clip.cells["speaker"], clip.cells["id"]) == ("val", "130", "130")
    assert clip.cells["Conscientiousnes"] == "0.4"
    assert clip.audio is not None
    assert corpus.clip("deception-001-1-1-1").cells["id"] == "001"
    assert not any(corpus.clip("deception-194-194-1-1").cells.get(trait) for trait in TRAITS)


def test_the_right_spelling_is_taken_too_and_people_without_part_or_recording_are_told(
    mdpe: Path, tmp_path: Path
) -> None:
    (mdpe / "label_personality_normalized3.csv").unlink()
    right = ("Extraversion", "Agreeableness", "Conscientiousness", "Neuroticism", "Open Mindedness")
    rows = [{"id": n, **dict.fromkeys(right, 3.5)} for n in (1, 2, 130, 131)]
    fake_table(mdpe / "all_label_personality.csv", rows)
    made = prepare("mer25-personality", mdpe, tmp_path / "out")
    assert made.corpus.clip("deception-001-1-1-1").cells["Conscientiousnes"] == "3.5"
    assert made.corpus.target("Neuroticism").range is None, "these are not scaled to [0, 1]"
    assert any("no recordings" in w and "131" in w for w in made.warnings)
    assert any("no partition file" in w and "131" in w for w in made.warnings)


def test_recordings_of_both_parts_do_not_collide(mdpe: Path, tmp_path: Path) -> None:
    fake_video(mdpe / "emotion" / "raw_video" / "001" / "1-1-1.mp4")
    fake_video(mdpe / "emotion" / "raw_video" / "002" / "1-1-1.mp4")
    assert len(prepare("mer25-personality", mdpe, tmp_path / "one").corpus) == 8
    assert len(prepare("mer25-personality", mdpe, tmp_path / "two", part="emotion").corpus) == 2
    assert len(prepare("mer25-personality", mdpe, tmp_path / "all", part="both").corpus) == 10


@pytest.mark.parametrize(
    ("file", "rows", "code"),
    [
        ("label_personality_normalized3.csv", [{"id": "x", **dict.fromkeys(TRAITS, 0)}], "MER-C201"),
        ("label_personality_normalized3.csv", [{"id": 1, **dict.fromkeys(TRAITS, 0)}] * 2, "MER-C204"),
        ("label_personality_normalized3.csv", [{"id": 1, **dict.fromkeys(TRAITS[1:], 0)}], "MER-C202"),
        ("label_personality_normalized3.csv", [{"id": 1, **dict.fromkeys(TRAITS, "low")}], "MER-C205"),
        ("label_personality_normalized3.csv", [{"person": 1}], "MER-C202"),
        ("partition3.csv", [{"id": 1, "partition": "dev"}], "MER-C203"),
        ("partition3.csv", [{"id": 1, "partition": "train"}, {"id": "001", "partition": "val"}], "MER-C204"),
    ],
)
def test_each_bad_table_has_its_code(
    mdpe: Path, tmp_path: Path, file: str, rows: list[dict[str, object]], code: str
) -> None:
    fake_table(mdpe / file, rows)
    with pytest.raises(CorpusError) as raised:
        prepare("mer25-personality", mdpe, tmp_path / "out")
    assert raised.value.code == code


def test_a_folder_without_recordings_names_the_place(mdpe: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="emotion/raw_video") as raised:
        prepare("mer25-personality", mdpe, tmp_path / "out", part="emotion")
    assert raised.value.code == "MER-C200"

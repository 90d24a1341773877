"""The raw folder: what lies there, that it repeats, that the truth is withheld."""

import csv
from pathlib import Path

import av
import pytest

from mertools.demo import DemoSettings, RawFolder, make_raw

TINY = DemoSettings(speakers=2, test_speakers=1, takes=1, seconds=0.8, size=96, fps=10)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> RawFolder:
    return make_raw(tmp_path_factory.mktemp("raw"), TINY)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_clip_has_picture_and_sound_of_its_length(raw: RawFolder) -> None:
    for scene in raw.scenes:
        with av.open(raw.clips / f"{scene.name}.mp4") as container:
            assert (container.streams.video[0].codec_context.name, container.streams.audio[0].codec_context.name) == (
                "h264",
                "aac",
            )
            assert sum(1 for _ in container.decode(video=0)) == round(scene.duration_s * TINY.fps)


def test_labels_of_test_clips_are_withheld(raw: RawFolder) -> None:
    labels = {row["name"]: row for row in rows(raw.clips / "labels.csv")}
    truth = {row["name"]: row for row in rows(raw.truth)}
    assert set(labels) == {s.name for s in raw.scenes}
    for scene in raw.scenes:
        if scene.speaker.split == "test1":
            assert not any(labels[scene.name][c] for c in ("discrete", "valence", "openset", "caption"))
            assert truth[scene.name]["discrete"] == scene.emotion
        else:
            assert labels[scene.name]["discrete"] == scene.emotion
            assert scene.name not in truth
    assert [r["name"] for r in rows(raw.candidates)] == list(truth)


def test_every_clip_has_a_transcript(raw: RawFolder) -> None:
    assert {r["name"] for r in rows(raw.clips / "transcripts.csv") if r["text"]} == {s.name for s in raw.scenes}


def test_same_settings_give_the_same_bytes(raw: RawFolder, tmp_path: Path) -> None:
    again = make_raw(tmp_path, TINY)
    mine = {p.relative_to(raw.folder): p.read_bytes() for p in raw.folder.rglob("*") if p.is_file()}
    theirs = {p.relative_to(again.folder): p.read_bytes() for p in again.folder.rglob("*") if p.is_file()}
    assert mine == theirs


def test_clips_that_are_there_are_kept_and_missing_ones_are_made(tmp_path: Path) -> None:
    raw = make_raw(tmp_path, TINY)
    kept, lost = (raw.clips / f"{scene.name}.mp4" for scene in raw.scenes[:2])
    before, content = kept.stat().st_mtime_ns, lost.read_bytes()
    lost.unlink()
    make_raw(tmp_path, TINY)
    assert kept.stat().st_mtime_ns == before
    assert lost.read_bytes() == content


def test_other_settings_replace_all_clips(tmp_path: Path) -> None:
    first = make_raw(tmp_path, TINY)
    size = (first.clips / "demo_0001.mp4").read_bytes()
    make_raw(tmp_path, DemoSettings(speakers=2, test_speakers=1, takes=1, seconds=0.8, size=128, fps=10))
    assert (first.clips / "demo_0001.mp4").read_bytes() != size


def test_the_folder_says_that_it_is_synthetic(raw: RawFolder) -> None:
    assert "Synthetic" in (raw.folder / "README.txt").read_text()

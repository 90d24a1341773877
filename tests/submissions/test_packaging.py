"""The upload: exactly its columns, the same bytes always, and a receipt."""

import hashlib
import json
import struct
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mertools.errors import SubmissionError
from mertools.labels import MER_EMOTIONS
from mertools.predictions import Predictions
from mertools.tracks import get_track
from submissions import is_valid, package, score, validate


def predictions(n: int) -> Predictions:
    rng = np.random.default_rng(0)
    names = tuple(f"sample_{i:08d}" for i in range(n))
    return Predictions(names, MER_EMOTIONS, rng.dirichlet(np.ones(6), n), {"valence": rng.normal(size=n)})


def test_probabilities_are_dropped_and_the_rest_kept_to_the_digit(multi, tmp_path: Path) -> None:
    made = predictions(12)
    made.write(tmp_path / "test1.csv")
    out = tmp_path / "upload.csv"
    receipt = package(multi.track, tmp_path / "test1.csv", out)
    lines = out.read_text().splitlines()
    assert lines[0] == "name,discrete,valence"
    assert lines[1:] == [
        f"{n},{d},{float(v)!r}" for n, d, v in zip(made.names, made.discrete, made.values["valence"], strict=True)
    ]
    assert receipt.dropped == tuple(f"prob_{label}" for label in MER_EMOTIONS)
    assert validate(multi.track, out) == []


def upload_name(m, stem: str) -> str:
    """A name for the upload in the track's own container."""
    return stem + (".zip" if m.track.upload.container == "zip" else m.track.upload.suffix)


def test_the_receipt_says_what_was_written(made, tmp_path: Path) -> None:
    out = tmp_path / upload_name(made, "predictions")
    receipt = package(made.track, made.write(), out, candidates=made.candidates)
    stored = json.loads(out.with_name(out.name + ".receipt.json").read_text())
    assert stored == json.loads(json.dumps(receipt.as_json()))
    assert receipt.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert (receipt.rows, receipt.bytes) == (12, out.stat().st_size)
    for name, counts in receipt.labels.items():
        column = made.track.upload.column(name)
        cells = [row[made.rows[0].index(name)] for row in made.rows[1:]]
        if column.kind == "labels":
            assert sum(counts.values()) == 24
        else:
            assert counts == {label: cells.count(label) for label in column.allowed}
    for name, values in receipt.values.items():
        cells = [float(row[made.rows[0].index(name)]) for row in made.rows[1:]]
        assert values == pytest.approx({"low": min(cells), "mean": np.mean(cells), "high": max(cells)})
    assert {p.code for p in validate(made.track, out, made.candidates)} <= {"MER-S035"}


def test_the_bytes_depend_on_the_cells_alone(made, tmp_path: Path) -> None:
    first, second = tmp_path / upload_name(made, "a"), tmp_path / upload_name(made, "b")
    shuffled = made.text([made.rows[0], *reversed(made.rows[1:])])
    if made.track.upload.kind == "csv":
        shuffled = shuffled.replace(b"\n", b"\r\n")
    package(made.track, made.write(), first, candidates=made.candidates)
    package(made.track, made.write(shuffled), second, candidates=made.candidates)
    assert first.read_bytes() == second.read_bytes()


def test_an_upload_packaged_again_stays_as_it_is(made, tmp_path: Path) -> None:
    first, second = tmp_path / upload_name(made, "a"), tmp_path / upload_name(made, "b")
    package(made.track, made.write(), first, candidates=made.candidates)
    package(made.track, first, second, candidates=made.candidates)
    assert first.read_bytes() == second.read_bytes()


OURS = {
    "abaw6-expr": (
        "name,frame,expression,prob_Neutral\nv,1,Fear,0.1\nv,2,Neutral,0.9\n",
        "v/00001.jpg,3\nv/00002.jpg,0\n",
    ),
    "abaw6-va": (
        "name,frame,valence,arousal\nv,1,0.5,-0.25\n",
        "image_location,valence,arousal\nv/00001.jpg,0.5,-0.25\n",
    ),
    "mer2024-ov": ('name,openset\nc,"happy, sad"\nd,calm\n', "name,openset\nc,\"['happy', 'sad']\"\nd,['calm']\n"),
    "mer2025-des": ("name,description\nc,He smiles.\n", "name,reason\nc,He smiles.\n"),
    "mer2026-fg": ('name,openset\nc,"happy, sad"\n', 'name,openset\nc,"happy, sad"\n'),
    "mer2026-prefer": (
        "name,a1,a2,preference,prob_a1\nc,x,y,a1,0.7\nc,x,z,a2,0.2\n",
        "name,a1,a2,preference\nc,x,y,a1\nc,x,z,a2\n",
    ),
}


@pytest.mark.parametrize("track", OURS)
def test_predictions_in_their_own_form_become_the_upload(track: str, tmp_path: Path) -> None:
    ours, wanted = OURS[track]
    found = get_track(track)
    found = replace(found, candidates=replace(found.candidates, count=ours.count("\n") - 1))
    (tmp_path / "p.csv").write_text(ours)
    assert is_valid(validate(found, tmp_path / "p.csv"))
    out = tmp_path / f"up{found.upload.suffix}"
    package(found, tmp_path / "p.csv", out)
    text = out.read_text()
    assert text.endswith(wanted)
    if track == "abaw6-expr":
        assert text.split("\n")[0] == "image_location,Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other"


def test_predictions_become_arrays_and_texts(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text('name,openset\nc,"happy, sad"\nd,[]\n')
    track = get_track("mer2025-fg")
    track = replace(track, candidates=replace(track.candidates, count=2))
    package(track, tmp_path / "p.csv", tmp_path / "up-openset.npz")
    with np.load(tmp_path / "up-openset.npz", allow_pickle=False) as written:
        assert written["filenames"].tolist() == ["c", "d"]
        assert written["fileitems"].tolist() == ["happy, sad", "[]"]
    (tmp_path / "q.csv").write_text("name,discrete,prob_Sad\n011145880,Sad,0.7\n")
    afew = get_track("emotiw-afew")
    package(replace(afew, candidates=replace(afew.candidates, count=1)), tmp_path / "q.csv", tmp_path / "team.zip")
    with zipfile.ZipFile(tmp_path / "team.zip") as archive:
        assert {n: archive.read(n) for n in archive.namelist()} == {"011145880.txt": b"Sad"}


def test_candidates_may_be_listed_by_clip_and_frame(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("name,frame,valence,arousal\nv,2,0,0\nv,1,0.5,-0.25\n")
    (tmp_path / "c.csv").write_text("name,frame\nv,1\nv,2\n")
    package("abaw6-va", tmp_path / "p.csv", tmp_path / "o.txt", candidates=tmp_path / "c.csv")
    assert (tmp_path / "o.txt").read_text().split("\n")[1:] == ["v/00001.jpg,0.5,-0.25", "v/00002.jpg,0,0", ""]


def test_the_zip_has_one_member_at_its_root_and_no_time_of_its_own(zipped, tmp_path: Path) -> None:
    out = tmp_path / "answer.zip"
    receipt = package(zipped.track, zipped.write(), out)
    with zipfile.ZipFile(out) as archive:
        (member,) = archive.infolist()
        assert archive.read(member) == zipped.text()
    assert (member.filename, receipt.member) == ("answer.csv", "answer.csv")
    assert member.date_time == (1980, 1, 1, 0, 0, 0)
    assert member.compress_type == zipfile.ZIP_STORED


def test_the_zip_is_the_one_that_the_format_prescribes(zipped, tmp_path: Path) -> None:
    """Every byte is put together here from the format's description: nothing may depend on the machine."""
    track = replace(zipped.track, candidates=replace(zipped.track.candidates, count=1))
    content, name = b"name,discrete\na,sad\n", b"answer.csv"
    (tmp_path / "p.csv").write_bytes(content)
    package(track, tmp_path / "p.csv", tmp_path / "o.zip")
    sizes = struct.pack("<III", zlib.crc32(content), len(content), len(content))
    stamp = struct.pack("<HHHH", 0, 0, 0, 0x21)  # no flags, stored, 00:00, 1980-01-01
    lengths = struct.pack("<HH", len(name), 0)
    local = b"PK\3\4" + struct.pack("<H", 20) + stamp + sizes + lengths + name + content
    entry = b"PK\1\2" + bytes([20, 3]) + struct.pack("<H", 20) + stamp + sizes + lengths
    entry += struct.pack("<HHHII", 0, 0, 0, 0o644 << 16, 0) + name
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(local), 0)
    assert (tmp_path / "o.zip").read_bytes() == local + entry + end


def test_package_does_not_write_over_its_source_or_into_a_wrong_container(zipped, multi, tmp_path: Path) -> None:
    path = multi.write()
    with pytest.raises(SubmissionError, match="is the file itself"):
        package(multi.track, path, path)
    with pytest.raises(SubmissionError, match=r"ends in \.csv"):
        package(multi.track, path, tmp_path / "o.zip")
    with pytest.raises(SubmissionError, match=r"ends in \.zip"):
        package(zipped.track, zipped.write(), tmp_path / "o.csv")


def test_a_name_without_a_suffix_is_a_folder_for_the_upload(multi, tmp_path: Path) -> None:
    receipt = package(multi.track, multi.write(), tmp_path / "upload")
    assert (tmp_path / "upload" / receipt.file).is_file()
    assert receipt.file.endswith(".csv")


def test_a_container_that_is_only_inferred_follows_the_suffix(zipped, tmp_path: Path) -> None:
    track = replace(zipped.track, upload=replace(zipped.track.upload, container_source="inferred"))
    package(track, zipped.write(), tmp_path / "o.csv")
    assert (tmp_path / "o.csv").read_bytes() == zipped.text()


def test_upload_and_predictions_have_the_same_score(multi, tmp_path: Path) -> None:
    made = predictions(12)
    made.write(tmp_path / "p.csv")
    package(multi.track, tmp_path / "p.csv", tmp_path / "upload.csv")
    truth = multi.write(name="truth.csv")
    scores = [score(multi.track, tmp_path / file, truth, n_draws=20).metrics for file in ("p.csv", "upload.csv")]
    assert scores[0] == scores[1]

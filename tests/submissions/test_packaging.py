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
from submissions import package, score, validate


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


def test_the_receipt_says_what_was_written(made, tmp_path: Path) -> None:
    out = tmp_path / ("upload" + (".zip" if made.track.upload.container == "zip" else ".csv"))
    receipt = package(made.track, made.write(), out, candidates=made.candidates)
    stored = json.loads(out.with_name(out.name + ".receipt.json").read_text())
    assert stored == json.loads(json.dumps(receipt.as_json()))
    assert receipt.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert (receipt.rows, receipt.bytes) == (12, out.stat().st_size)
    assert receipt.labels == {"discrete": dict.fromkeys(MER_EMOTIONS, 2)}
    assert validate(made.track, out, made.candidates) == []


def test_the_bytes_depend_on_the_cells_alone(made, tmp_path: Path) -> None:
    suffix = ".zip" if made.track.upload.container == "zip" else ".csv"
    shuffled = made.text([made.rows[0], *reversed(made.rows[1:])]).replace(b"\n", b"\r\n")
    package(made.track, made.write(), tmp_path / f"a{suffix}", candidates=made.candidates)
    package(made.track, made.write(shuffled), tmp_path / f"b{suffix}", candidates=made.candidates)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


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

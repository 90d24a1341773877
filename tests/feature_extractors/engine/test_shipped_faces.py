"""Faces that come with a data set: folders of frames named by the manifest, and what OpenFace measured."""

import cv2
import numpy as np
import pytest

from feature_extractors import extract
from mertools.corpus import Clip, Corpus, Split
from mertools.errors import ExtractionError

QUIET = {"quiet": True, "device": "cpu", "flush_s": 0.0}


def write_frames(place, numbers):
    place.mkdir(parents=True)
    for number in numbers:
        cv2.imwrite(str(place / f"{number}.jpg"), np.full((16, 16, 3), 10 * number, np.uint8))


def corpus_of(folder, cells):
    clips = tuple(Clip(name, "train", None, None, {"faces": faces}) for name, faces in cells.items())
    corpus = Corpus("frames", folder, clips, folder, (Split("train"),))
    corpus.write()
    return Corpus.read(folder)


def statuses(store, space):
    return {clip: status for clip, (status, _) in store.status(space).items()}


@pytest.fixture
def framed(tmp_path):
    write_frames(tmp_path / "raw" / "00001", [0, 1, 2, 10, 11])
    (tmp_path / "raw" / "00002").mkdir()
    return corpus_of(tmp_path, {"one": "raw/00001", "two": "raw/00002", "three": "raw/gone", "none": ""})


def test_the_cell_faces_says_where_frames_lie(framed, store, fakes):
    (space,) = extract(framed, ["face/plain:crop=openface-folder"], store, level="frame", **QUIET).spaces
    assert statuses(store, space.fingerprint) == {"one": "ok", "two": "missing", "three": "missing", "none": "missing"}
    values = store.read(space.fingerprint, "one").values
    np.testing.assert_allclose(values[:, 0] / 10, [0, 1, 2, 10, 11], atol=0.2)
    assert extract(framed, ["face/plain:crop=openface-folder"], store, level="frame", **QUIET).rows == 0


def test_a_frame_that_changes_makes_the_row_stale(framed, store, fakes):
    extract(framed, ["face/plain:crop=openface-folder"], store, **QUIET)
    cv2.imwrite(str(framed.media_root / "raw/00001/1.jpg"), np.full((16, 16, 3), 200, np.uint8))
    assert extract(framed, ["face/plain:crop=openface-folder"], store, **QUIET).rows == 1


def test_a_folder_that_is_named_goes_before_the_cells(framed, store, fakes, tmp_path):
    write_frames(tmp_path / "other" / "one", [5])
    (space,) = extract(
        framed, [f"face/plain:crop=openface-folder:folder={tmp_path / 'other'}"], store, level="frame", **QUIET
    ).spaces
    np.testing.assert_allclose(store.read(space.fingerprint, "one").values[:, 0], [50], atol=2)


def test_faces_and_measurements_are_not_taken_for_each_other(framed, store, fakes, tmp_path):
    for name in ("face/plain:crop=openface-csv:folder=here", "face/hog:crop=openface-hog:folder=here"):
        with pytest.raises(ExtractionError, match="MER-E156"):
            extract(framed, [name], store, **QUIET)
    with pytest.raises(ExtractionError, match=r"MER-E008.*\n?.*face/openface:folder=DIR"):
        extract(framed, ["face/openface"], store, **QUIET)


def test_a_cell_that_leaves_the_media_root_is_refused(tmp_path, store, fakes):
    clips = (Clip("a", "train", None, None, {"faces": "../elsewhere"}),)
    corpus = Corpus("frames", tmp_path, clips, tmp_path / "media", (Split("train"),))
    with pytest.raises(Exception, match="MER-C009"):
        extract(corpus, ["face/plain:crop=openface-folder"], store, **QUIET)


def test_tables_of_openface_become_rows_and_statuses(framed, store, tmp_path):
    """Fact 10, rows 6 and 40: no face, no table and half a table are three different things."""
    head = "frame, face_id, timestamp, confidence, success, gaze_angle_x, p_scale, "
    names = ["p_rx", "p_ry", "p_rz", "p_tx", "p_ty", *(f"p_{i}" for i in range(34))]
    folder = tmp_path / "openface"
    folder.mkdir()

    def write(clip, success, n_cells=39):
        rows = [
            ", ".join(map(str, [t + 1, 0, t / 10, 0.9, flag, 0.5, t, *[1] * n_cells])) for t, flag in enumerate(success)
        ]
        (folder / f"{clip}.csv").write_text("\n".join([head + ", ".join(names), *rows]))

    write("one", [1, 0, 1])
    write("two", [0, 0])
    write("three", [1, 1], n_cells=3)
    name = f"face/openface:folder={folder}:parts=shape"
    (space,) = extract(framed, [name], store, level="frame", **QUIET).spaces
    found = {"one": "ok", "two": "no_face", "three": "decode_error", "none": "missing"}
    assert statuses(store, space.fingerprint) == found
    rows = store.read(space.fingerprint, "one")
    assert rows.values[:, 0].tolist() == [0, 2]
    np.testing.assert_allclose(rows.times_s, [0, 0.2])
    name = f"face/openface:folder={folder}:parts=shape:min_confidence=0.95"
    (space,) = extract(framed, [name], store, **QUIET).spaces
    assert statuses(store, space.fingerprint)["one"] == "no_face"
    (space,) = extract(framed, [f"face/openface:folder={folder}:parts=au"], store, **QUIET).spaces
    status, reason = store.status(space.fingerprint)["one"]
    assert status == "decode_error"
    assert "AU01_r" in reason

"""What OpenFace wrote: tables of both modes, HOG files, masks, and everything that a broken run leaves behind."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_extractors import create_extractor
from feature_extractors.base import DamagedError, FaceCrops, NoFaceError
from feature_extractors.face.openface import PARTS
from feature_extractors.facetrack.openface import read_hog, read_table
from mertools.config import fingerprint
from mertools.errors import ExtractionError, MediaError

LEAD = ["frame", "face_id", "timestamp", "confidence", "success"]
COLUMNS = [column for part in PARTS.values() for column in part]


def write_table(folder, name, n=6, *, success=None, confidence=None, face_id=None, columns=COLUMNS, lead=LEAD):
    """A table as OpenFace writes it: a space behind each comma, values that say where they are."""
    lines = [", ".join([*lead, *columns])]
    for t in range(n):
        values = {
            "frame": t + 1,
            "face": t,
            "face_id": face_id[t] if face_id else 0,
            "timestamp": f"{t / 25:.3f}",
            "confidence": confidence[t] if confidence else 0.98,
            "success": success[t] if success else 1,
        }
        row = [values[column] for column in lead]
        lines.append(", ".join(map(str, [*row, *(1000 * t + COLUMNS.index(column) for column in columns)])))
    path = folder / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def write_hog(folder, name, valid, shape=(12, 12, 31)):
    content, values = b"", []
    for t, flag in enumerate(valid):
        row = np.random.default_rng(t).random(4464).astype("<f4")
        content += struct.pack("<3i", *shape) + struct.pack("<f", flag) + row.tobytes()
        values.append(row)
    (folder / f"{name}.hog").write_bytes(content)
    return np.stack(values)


def embed(measured, **options):
    return create_extractor("face/openface", **options).embed([measured], "frame")[0]


def test_the_parts_are_the_709_values_of_a_table():
    assert [len(part) for part in PARTS.values()] == [8, 280, 6, 136, 204, 40, 35]
    assert len(set(COLUMNS)) == 709
    assert sum(name.endswith("_r") for name in PARTS["au"]) == 17
    assert sum(name.endswith("_c") for name in PARTS["au"]) == 18


def test_rows_are_the_named_columns_at_their_timestamps(tmp_path):
    write_table(tmp_path, "clip")
    rows = embed(read_table(tmp_path, "clip"))
    made = create_extractor("face/openface")
    assert rows.values.dtype == np.float32
    assert rows.values.shape == (6, made.dim) == (6, 49)
    np.testing.assert_allclose(rows.times_s, np.arange(6) / 25)
    for i, column in enumerate(made.facts["dimension_names"]):
        np.testing.assert_array_equal(rows.values[:, i], 1000 * np.arange(6) + COLUMNS.index(column))


def test_all_parts_are_the_table_without_its_first_five_columns(tmp_path):
    path = write_table(tmp_path, "clip")
    table = np.array([line.split(",") for line in path.read_text().splitlines()[1:]], float)
    np.testing.assert_array_equal(embed(read_table(tmp_path, "clip"), parts="all").values, table[:, 5:])


def test_a_table_of_image_mode_lacks_two_columns_and_the_surest_face_is_taken(tmp_path):
    write_table(tmp_path, "photo", 3, confidence=[0.5, 0.9, 0.7], lead=["face", "confidence"])
    rows = embed(read_table(tmp_path, "photo"))
    assert len(rows.values) == 1
    assert rows.values[0, 0] == 1000
    assert rows.times_s.tolist() == [0]


def test_badly_tracked_frames_are_left_out_unless_asked_for(tmp_path):
    """Row 40: what the reference keeps."""
    write_table(tmp_path, "clip", success=[1, 0, 1, 1, 0, 1], confidence=[0.9, 0.0, 0.7, 0.95, 0.1, 0.98])
    measured = read_table(tmp_path, "clip")
    assert (embed(measured).values[:, 0] // 1000).tolist() == [0, 2, 3, 5]
    assert (embed(measured, min_confidence=0.8).values[:, 0] // 1000).tolist() == [0, 3, 5]
    assert len(embed(measured, tracked=False).values) == 6
    np.testing.assert_allclose(embed(measured, min_confidence=0.8).times_s, [0, 0.12, 0.2])
    with pytest.raises(NoFaceError, match=r"none of 6 .* 4 are tracked.*0\.98"):
        embed(measured, min_confidence=1.0)


def test_frames_with_values_that_are_no_numbers_are_left_out(tmp_path):
    path = write_table(tmp_path, "clip", 3)
    lines = path.read_text().splitlines()
    cells = lines[2].split(", ")
    cells[-1] = "-nan"
    path.write_text("\n".join([*lines[:2], ", ".join(cells), lines[3]]))
    assert (embed(read_table(tmp_path, "clip")).values[:, 0] // 1000).tolist() == [0, 2]


def test_of_several_faces_that_of_the_most_tracked_frames_is_taken(tmp_path):
    path = write_table(tmp_path, "clip", 6, face_id=[0, 1, 0, 1, 0, 1], success=[1, 1, 0, 1, 0, 1])
    rows = embed(read_table(tmp_path, "clip"))
    assert (rows.values[:, 0] // 1000).tolist() == [1, 3, 5]
    assert path.is_file()


def test_a_clip_without_a_face_has_none_and_does_not_crash(tmp_path):
    """Fact 10."""
    write_table(tmp_path, "clip", success=[0] * 6)
    assert read_table(tmp_path, "clip") is None
    write_table(tmp_path, "photo", 0, lead=["face", "confidence"])
    assert read_table(tmp_path, "photo") is None
    write_hog(tmp_path, "clip", [-1, -1])
    assert read_hog(tmp_path, "clip") is None


@pytest.mark.parametrize("read", [read_table, read_hog])
def test_what_an_aborted_run_leaves_is_missing_or_damaged_never_faceless(tmp_path, read):
    """Rows 6 and 7: a folder that exists says nothing, and half a file is not a result."""
    (tmp_path / "clip").mkdir()
    with pytest.raises(MediaError) as caught:
        read(tmp_path, "clip")
    assert (caught.value.code, caught.value.status) == ("MER-E159", "missing")
    for path in (write_table(tmp_path, "cut"), tmp_path / "cut.hog"):
        write_hog(tmp_path, "cut", [1, 1])
        whole = path.read_bytes()
        for part in (whole[:0], whole[:7], whole[: len(whole) // 2], whole[:-40]):
            path.write_bytes(part)
            with pytest.raises(MediaError) as caught:
                (read_table if path.suffix == ".csv" else read_hog)(tmp_path, "cut")
            assert caught.value.status == "decode_error"
    write_table(tmp_path, "header", 0)
    with pytest.raises(MediaError, match="before its first frame"):
        read_table(tmp_path, "header")


@pytest.mark.parametrize("name", ["../clip", "..", ".", "", "a/../../b"])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path, name):
    for read in (read_table, read_hog):
        with pytest.raises(MediaError) as caught:
            read(tmp_path / "inner", name)
        assert caught.value.code == "MER-E158"


def test_a_table_one_folder_deeper_is_found(tmp_path):
    write_table(tmp_path / "clip", "clip")
    assert len(read_table(tmp_path, "clip")) == 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,label\na,happy\n", "begins with the columns 'name, label'"),
        ("frame,face_id,timestamp,confidence,success,x,x\n1,0,0,1,1,2,3\n", "two columns of one name"),
        ("frame,face_id,timestamp,confidence,success,x\n1,0,0,1,1,low\n", "no table of numbers"),
        ("frame,face_id,timestamp,confidence,success,x\n1,0,0,1,1,2,3\n", "6 names and 7 columns"),
        ("frame,face_id,timestamp,confidence,success,x\n1,0,0,nan,1,2\n", "not finite"),
        ("frame,face_id,timestamp,confidence,success,x\n1,0,0,1,1,2\n2,0,0,1,1,2\n", "do not rise"),
    ],
)
def test_what_is_no_table_of_openface_is_named(tmp_path, content, message):
    (tmp_path / "clip.csv").write_text(content)
    with pytest.raises(MediaError, match=message) as caught:
        read_table(tmp_path, "clip")
    assert (caught.value.code, caught.value.status) == ("MER-E160", "decode_error")


@settings(max_examples=60, deadline=None)
@given(
    content=st.one_of(
        st.binary(max_size=200),
        st.text(max_size=100).map(lambda t: ", ".join(LEAD).encode() + b"\n" + t.encode("utf-8", "replace")),
    )
)
def test_any_file_is_read_or_refused_with_a_status(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("any")
    for suffix, read in ((".csv", read_table), (".hog", read_hog)):
        (folder / f"clip{suffix}").write_bytes(content)
        assert outcome(read, folder) in ("no face", "a table", "decode_error")


def outcome(read, folder):
    try:
        return "no face" if read(folder, "clip") is None else "a table"
    except MediaError as error:
        return error.status


def test_a_table_of_a_run_with_fewer_outputs_serves_the_parts_that_it_has(tmp_path):
    write_table(tmp_path, "clip", columns=PARTS["au"])
    measured = read_table(tmp_path, "clip")
    assert embed(measured, parts="au").values.shape == (6, 35)
    with pytest.raises(DamagedError, match=r"no column gaze_0_x \(14 of 49"):
        embed(measured)


def test_hog_is_read_frame_by_frame_with_the_times_of_the_table(tmp_path):
    expected = write_hog(tmp_path, "clip", [1, -1, 1, 1])
    rows = embed(read_hog(tmp_path, "clip", rate_hz=10), parts="hog")
    assert create_extractor("face/openface", parts="hog").dim == 4464
    np.testing.assert_array_equal(rows.values, expected[[0, 2, 3]])
    np.testing.assert_allclose(rows.times_s, [0, 0.2, 0.3])
    assert np.isnan(read_hog(tmp_path, "clip").times_s).all()
    write_table(tmp_path, "clip", 4, success=[1, 1, 0, 1])
    np.testing.assert_allclose(embed(read_hog(tmp_path, "clip"), parts="hog").times_s, [0, 0.12])


@pytest.mark.parametrize("shape", [(12, 12, 30), (2**31 - 1,) * 3, (-1, 12, 31)])
def test_hog_of_another_size_is_refused(tmp_path, shape):
    write_hog(tmp_path, "clip", [1], shape=shape)
    with pytest.raises(MediaError, match="MER-E160"):
        read_hog(tmp_path, "clip")


def test_pieces_and_batches_equal_the_whole(tmp_path):
    write_table(tmp_path, "clip", success=[1, 0, 1, 1, 1, 1])
    measured, made = read_table(tmp_path, "clip"), create_extractor("face/openface")
    (whole,) = made.embed([measured], "frame")
    parts = made.embed([measured.piece(0, 3), measured.piece(3, 6)], "frame")
    np.testing.assert_array_equal(np.concatenate([part.values for part in parts]), whole.values)
    np.testing.assert_array_equal(np.concatenate([part.times_s for part in parts]), whole.times_s)


def test_the_order_of_parts_makes_no_other_space_and_the_folder_none_either():
    one = create_extractor("face/openface", parts="pose+au", folder="here").settings()
    two = create_extractor("face/openface", parts="au+pose", folder="there").settings()
    assert fingerprint(one) == fingerprint(two)
    assert fingerprint(one) != fingerprint(create_extractor("face/openface", parts="au").settings())


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"parts": "au+hog"}, "MER-E161"),
        ({"parts": "mouth"}, "MER-E161"),
        ({"parts": "au+au"}, "MER-E161"),
        ({"parts": ""}, "MER-E161"),
        ({"min_confidence": 2.0}, "MER-E162"),
        ({"crop": "aligned-112"}, "MER-E163"),
        ({"fps": 5.0}, "MER-E163"),
    ],
)
def test_options_that_make_no_sense_are_errors(options, code):
    with pytest.raises(ExtractionError, match=code):
        create_extractor("face/openface", **options)


def test_crops_are_refused():
    with pytest.raises(ExtractionError, match="MER-E164"):
        embed(FaceCrops(np.zeros((1, 112, 112, 3), np.uint8), np.zeros(1)))

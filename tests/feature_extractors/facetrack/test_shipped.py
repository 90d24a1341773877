"""Crops that a data set ships."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from feature_extractors.facetrack import read_openface_folder
from feature_extractors.facetrack.shipped import frame_index, read_frame_folder
from mertools.errors import MediaError


@pytest.fixture
def bgr() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (12, 112, 112, 3), np.uint8)


def write_array(folder: Path, name: str, array: np.ndarray) -> None:
    (folder / name).mkdir(parents=True)
    np.save(folder / name / f"{name}.npy", array)


def test_an_array_is_read_as_rgb_with_times(tmp_path: Path, bgr: np.ndarray) -> None:
    write_array(tmp_path, "clip", bgr)
    crops = read_openface_folder(tmp_path, "clip", rate_hz=25)
    np.testing.assert_array_equal(crops.pixels, bgr[..., ::-1])
    np.testing.assert_allclose(crops.times_s, np.arange(12) * 0.04)
    assert crops.index.tolist() == list(range(12))


def test_without_a_rate_times_are_unknown(tmp_path: Path, bgr: np.ndarray) -> None:
    write_array(tmp_path, "clip", bgr)
    assert np.isnan(read_openface_folder(tmp_path, "clip").times_s).all()


@pytest.mark.parametrize("suffix", [".bmp", ".png"])
@pytest.mark.parametrize("inner", ["", "clip_aligned"])
def test_a_folder_of_images_is_read_in_name_order(tmp_path: Path, bgr: np.ndarray, suffix: str, inner: str) -> None:
    place = tmp_path / "clip" / inner
    place.mkdir(parents=True)
    for i in reversed(range(12)):
        cv2.imwrite(str(place / f"frame_det_00_{i + 1:06d}{suffix}"), bgr[i])
    np.testing.assert_array_equal(read_openface_folder(tmp_path, "clip").pixels, bgr[..., ::-1])


@pytest.mark.parametrize("empty", [np.array([]), np.zeros((0, 112, 112, 3), np.uint8)])
def test_an_empty_array_means_no_face(tmp_path: Path, empty: np.ndarray) -> None:
    write_array(tmp_path, "clip", empty)
    assert read_openface_folder(tmp_path, "clip") is None


def test_a_folder_left_empty_by_an_aborted_run_is_missing_not_faceless(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    with pytest.raises(MediaError) as caught:
        read_openface_folder(tmp_path, "clip")
    assert (caught.value.code, caught.value.status) == ("MER-E211", "missing")


def test_no_folder_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MediaError) as caught:
        read_openface_folder(tmp_path, "clip")
    assert caught.value.status == "missing"


@pytest.mark.parametrize("name", ["../clip", ".", "", "a/../../b"])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError) as caught:
        read_openface_folder(tmp_path, name)
    assert caught.value.code == "MER-E210"


@pytest.mark.parametrize(
    "array", [np.zeros((3, 4, 4), np.uint8), np.zeros((3, 4, 4, 3)), np.zeros((2, 4, 4, 1), np.uint8)]
)
def test_an_array_of_another_form_is_an_error(tmp_path: Path, array: np.ndarray) -> None:
    write_array(tmp_path, "clip", array)
    with pytest.raises(MediaError) as caught:
        read_openface_folder(tmp_path, "clip")
    assert (caught.value.code, caught.value.status) == ("MER-E212", "decode_error")


def test_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    np.save(tmp_path / "clip" / "clip.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(MediaError, match="pickle"):
        read_openface_folder(tmp_path, "clip")


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00v\x00{'descr': '|u1'"])
def test_a_broken_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "clip.npy").write_bytes(content)
    with pytest.raises(MediaError) as caught:
        read_openface_folder(tmp_path, "clip")
    assert caught.value.status == "decode_error"


def test_images_of_different_sizes_or_broken_ones_are_an_error(tmp_path: Path, bgr: np.ndarray) -> None:
    place = tmp_path / "clip"
    place.mkdir()
    cv2.imwrite(str(place / "1.png"), bgr[0])
    cv2.imwrite(str(place / "2.png"), bgr[1, :50])
    with pytest.raises(MediaError, match=r"2\.png"):
        read_openface_folder(tmp_path, "clip")
    (place / "2.png").write_bytes(b"broken")
    with pytest.raises(MediaError, match="not an image"):
        read_openface_folder(tmp_path, "clip")


def write_jpgs(place: Path, numbers: list[int], form: str = "{}.jpg") -> None:
    """Flat grey images, as bright as their number says."""
    place.mkdir(parents=True)
    for number in numbers:
        cv2.imwrite(str(place / form.format(number)), np.full((16, 16, 3), 10 * number, np.uint8))


def shades(crops) -> list[int]:
    return np.rint(crops.pixels.mean(axis=(1, 2, 3)) / 10).astype(int).tolist()


def test_jpgs_with_bare_numbers_are_read_in_order_of_number(tmp_path: Path) -> None:
    write_jpgs(tmp_path / "clip", [0, 1, 2, 9, 10, 11, 20])
    assert shades(read_frame_folder(tmp_path / "clip")) == [0, 1, 2, 9, 10, 11, 20]
    assert shades(read_openface_folder(tmp_path, "clip")) == [0, 1, 2, 9, 10, 11, 20]


def test_images_as_openface_writes_them_are_found_beside_its_table(tmp_path: Path) -> None:
    write_jpgs(tmp_path / "clip_aligned", [1, 2, 3], "frame_det_00_{:06d}.bmp")
    crops = read_openface_folder(tmp_path, "clip", rate_hz=10, n_frames=3)
    assert shades(crops) == [1, 2, 3]
    np.testing.assert_allclose(crops.times_s, [0, 0.1, 0.2])


@pytest.mark.parametrize(
    ("names", "n_frames", "expected"),
    [
        (["00001", "00002", "00005"], 10, [0, 1, 4]),  # no image where the face was lost
        (["0", "1", "3"], 10, [0, 1, 3]),
        (["00001", "00002", "00005"], None, [0, 1, 2]),  # nothing says that these are frames of the video
        (["1001", "1002", "1005"], 10, [0, 1, 2]),  # beyond the video
        (["frame_det_00_000002", "frame_det_00_000003"], 3, [1, 2]),
        (["a_01_0", "b_02_0"], 9, [0, 1]),  # the last number does not rise
        (["first", "second"], 9, [0, 1]),
        (["9" * 40], 9, [0]),
    ],
)
def test_the_number_of_an_image_is_its_frame(names: list[str], n_frames: int | None, expected: list[int]) -> None:
    assert frame_index(names, n_frames).tolist() == expected


def test_hidden_files_and_other_files_are_no_frames(tmp_path: Path) -> None:
    write_jpgs(tmp_path / "clip", [1])
    (tmp_path / "clip" / "._1.jpg").write_bytes(b"resource fork")
    (tmp_path / "clip" / "Thumbs.db").write_bytes(b"")
    assert shades(read_frame_folder(tmp_path / "clip")) == [1]


def test_a_frame_folder_without_images_is_missing(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    for place in (tmp_path / "clip", tmp_path / "gone"):
        with pytest.raises(MediaError) as caught:
            read_frame_folder(place)
        assert (caught.value.code, caught.value.status) == ("MER-E213", "missing")

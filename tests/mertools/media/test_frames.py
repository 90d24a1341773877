"""Frames: order, times, grid, cuts, rotation, chunks."""

import csv
import struct
import zlib
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from mertools.errors import MediaError
from mertools.media import frames as frames_module
from mertools.media import iter_frames, probe, read_frames


def test_native_frames_come_in_order_with_presentation_times(clip_path, make):
    frames = read_frames(clip_path)
    truth = make.ramp(50)
    assert frames.pixels.shape == (50, 48, 64, 3)
    assert frames.pixels.dtype == np.uint8
    assert np.abs(frames.pixels[:, 40:, 40:].astype(int) - truth[:, 40:, 40:]).max() <= 6
    np.testing.assert_allclose(frames.times_s, np.arange(50) / 25, atol=1e-3)
    assert frames.index.tolist() == list(range(50))


def test_colours_are_red_green_blue(tmp_path, make):
    pixels = np.zeros((5, 48, 64, 3), np.uint8)
    pixels[..., 0] = 200
    decoded = read_frames(make.media(tmp_path / "red.mp4", pixels)).pixels.mean(axis=(0, 1, 2))
    assert decoded[0] > 180
    assert decoded[1:].max() < 20


@pytest.mark.parametrize("chunk", [1, 7, 50, 64])
def test_chunk_size_changes_nothing_but_the_cuts(clip_path, chunk):
    parts = list(iter_frames(clip_path, chunk=chunk))
    assert all(len(p) == chunk for p in parts[:-1])
    whole = read_frames(clip_path)
    np.testing.assert_array_equal(np.concatenate([p.pixels for p in parts]), whole.pixels)
    np.testing.assert_array_equal(np.concatenate([p.index for p in parts]), whole.index)


def test_chunks_are_bounded_in_bytes(clip_path, monkeypatch):
    monkeypatch.setattr(frames_module, "CHUNK_BYTES", 3 * 48 * 64 * 4)
    assert {len(p) for p in iter_frames(clip_path)} == {4, 2}


def slow_grid(times, last_end, fps):
    """The specification in words: at k / fps the last frame whose time is not later (1 ms of rounding allowed)."""
    chosen, k = [], 0
    while k / fps < last_end - 1e-3:
        shown = [i for i, t in enumerate(times) if t <= k / fps + 1e-3]
        if shown:
            chosen.append((shown[-1], k / fps))
        k += 1
    return chosen


@pytest.mark.parametrize("fps", [1, 5, 10, 12.5, 25, 30, 60])
def test_grid_takes_the_frame_on_show(clip_path, fps):
    native, grid = read_frames(clip_path), read_frames(clip_path, fps=fps)
    expected = slow_grid(native.times_s, 2.0, fps)
    np.testing.assert_array_equal(grid.pixels, native.pixels[[i for i, _ in expected]])
    np.testing.assert_allclose(grid.times_s, [t for _, t in expected], atol=1e-9)
    assert grid.index.tolist() == list(range(len(expected)))


def test_variable_frame_rate_goes_by_time_stamps(tmp_path, make):
    times_ms = [0, 40, 80, 600, 1000, 1040, 1900]
    path = make.media(tmp_path / "vfr.mkv", make.ramp(7), times_ms=times_ms)
    native = read_frames(path)
    np.testing.assert_allclose(native.times_s, np.array(times_ms) / 1000, atol=1e-3)
    grid = read_frames(path, fps=5)
    assert grid.times_s[:10].tolist() == pytest.approx([k / 5 for k in range(10)])
    np.testing.assert_array_equal(grid.pixels[:10], native.pixels[[0, 2, 2, 3, 3, 4, 5, 5, 5, 5]])


@pytest.mark.parametrize(("start", "end"), [(0.4, 1.2), (None, 0.5), (1.5, None), (0.0, 2.0), (1.0, 1.04)])
def test_a_part_is_what_the_whole_holds_there(clip_path, start, end):
    whole = read_frames(clip_path)
    part = read_frames(clip_path, start_s=start, end_s=end)
    low, high = start or 0.0, 9.0 if end is None else end
    inside = (whole.times_s >= low - 1e-3) & (whole.times_s < high - 1e-3)
    np.testing.assert_array_equal(part.pixels, whole.pixels[inside])
    np.testing.assert_allclose(part.times_s, np.maximum(whole.times_s[inside] - low, 0), atol=1e-6)


def test_grid_of_a_part_begins_with_the_frame_on_show(clip_path):
    whole, part = read_frames(clip_path), read_frames(clip_path, fps=10, start_s=0.99, end_s=1.5)
    np.testing.assert_array_equal(part.pixels[0], whole.pixels[24])
    assert part.times_s.tolist() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_a_part_beyond_the_end_is_an_error_that_says_where_the_picture_ends(clip_path):
    with pytest.raises(MediaError, match=r"no frame between 5 s and 6 s; its picture ends at 2\.000 s") as caught:
        read_frames(clip_path, start_s=5, end_s=6)
    assert (caught.value.code, caught.value.status) == ("MER-M008", "decode_error")


@pytest.mark.parametrize(
    ("angle", "turns"), [(90, 1), (180, 2), (270, 3)], ids=["counter-clockwise", "upside down", "clockwise"]
)
def test_rotation_in_side_data_is_applied(tmp_path, make, angle, turns):
    upright = read_frames(make.media(tmp_path / "a.mp4", make.ramp(4)))
    turned = read_frames(make.media(tmp_path / "b.mp4", make.ramp(4), rotation=angle))
    np.testing.assert_array_equal(turned.pixels, np.rot90(upright.pixels, turns, axes=(1, 2)))


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """A JPEG with an Exif orientation tag."""
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0) + bytes(4)
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_photos_is_applied_with_mirroring(tmp_path, orientation):
    picture = np.zeros((32, 48, 3), np.uint8)
    picture[:16, :16] = 255
    stored = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    path = tmp_path / "photo.jpg"
    path.write_bytes(with_orientation(stored, orientation))
    shown = read_frames(path).pixels[0]
    expected = cv2.imread(str(path))[..., ::-1]  # OpenCV applies Exif orientation on its own
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected).max() < 60


def test_a_picture_that_pillow_thinks_too_large_is_still_decoded(tmp_path, monkeypatch):
    path = tmp_path / "large.png"
    path.write_bytes(png(np.full((40, 40, 3), 7, np.uint8)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(path)
    assert read_frames(path).pixels.shape == (1, 40, 40, 3)


def png(pixels: np.ndarray) -> bytes:
    """An independent PNG writer: 8-bit grey, RGB or RGBA."""
    height, width = pixels.shape[:2]
    kind = {1: 0, 3: 2, 4: 6}[1 if pixels.ndim == 2 else pixels.shape[2]]
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)

    def block(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + block(b"IHDR", head) + block(b"IDAT", zlib.compress(lines)) + block(b"IEND", b"")


@pytest.mark.parametrize("shape", [(5, 7, 3), (5, 7, 4), (5, 7)], ids=["rgb", "alpha", "grey"])
@pytest.mark.parametrize("fps", [None, 25])
def test_a_still_image_is_one_frame_at_time_zero(tmp_path, shape, fps):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    path = tmp_path / "still.png"
    path.write_bytes(png(pixels))
    frames = read_frames(path, fps=fps, start_s=3.0)
    expected = pixels[..., :3] if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    np.testing.assert_array_equal(frames.pixels[0], expected)
    assert frames.times_s.tolist() == [0.0]
    assert probe(path).video.still
    assert probe(path).duration_s is None


def test_a_name_that_looks_like_a_pattern_is_one_file(tmp_path):
    for name, grey in (("img%d.png", 10), ("img1.png", 200)):
        (tmp_path / name).write_bytes(png(np.full((4, 4, 3), grey, np.uint8)))
    assert read_frames(tmp_path / "img%d.png").pixels.mean() == 10


@pytest.mark.parametrize("size", [(33, 47), (1, 2), (17, 640)])
def test_odd_sizes_keep_their_size(tmp_path, make, size):
    pixels = np.full((3, *size, 3), 90, np.uint8)
    path = make.media(tmp_path / "odd.mkv", pixels, video_codec="ffv1", pix_fmt="bgr0")
    np.testing.assert_array_equal(read_frames(path).pixels, pixels)


def test_cover_art_is_no_video(tmp_path, make):
    path = tmp_path / "song.mp3"
    make.media(path, sound=make.tone(44100, 44100), audio_codec="libmp3lame")
    picture = png(np.zeros((4, 4, 3), np.uint8))
    body = b"\0image/png\0\x03\0" + picture
    frame = b"APIC" + struct.pack(">I", len(body)) + b"\0\0" + body
    size = len(frame)
    header = b"ID3\x03\0\0" + bytes([(size >> 21) & 127, (size >> 14) & 127, (size >> 7) & 127, size & 127])
    content = path.read_bytes()
    assert content[:3] == b"ID3"
    old = (content[6] << 21) + (content[7] << 14) + (content[8] << 7) + content[9] + 10
    path.write_bytes(header + frame + content[old:])
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1, "the picture must be seen as a stream for this test to mean anything"
    assert probe(path).video is None
    with pytest.raises(MediaError) as caught:
        read_frames(path)
    assert caught.value.status == "no_video_stream"


def test_seeking_into_a_long_clip_gives_the_frames_that_decoding_from_the_top_gives(tmp_path, make, monkeypatch):
    path = make.media(tmp_path / "long.mp4", make.ramp(400), gop=50)
    sought = read_frames(path, start_s=9.0, end_s=10.0)
    monkeypatch.setattr(frames_module, "_seek", lambda *_: False)
    np.testing.assert_array_equal(sought.pixels, read_frames(path, start_s=9.0, end_s=10.0).pixels)


def test_wrong_arguments_are_refused(clip_path):
    with pytest.raises(ValueError, match="positive"):
        iter_frames(clip_path, fps=0)
    with pytest.raises(ValueError, match="positive"):
        iter_frames(clip_path, chunk=0)


def test_probe_tells_what_the_header_says(clip_path):
    info = probe(clip_path)
    assert (info.video.codec, info.video.width, info.video.height, info.video.n_frames) == ("h264", 64, 48, 50)
    assert info.video.fps == Fraction(25)
    assert (info.audio.codec, info.audio.rate_hz, info.audio.channels) == ("aac", 44100, 2)
    assert info.duration_s == pytest.approx(2.0, abs=0.06)


@pytest.mark.slow
def test_real_clips_have_the_frames_of_their_manifest(real_data):
    folder = real_data / "clips"
    for row in csv.DictReader((folder / "manifest.csv").open(encoding="utf-8")):
        last, n = 0.0, 0
        for part in iter_frames(folder / row["file"]):
            n, last = n + len(part), part.times_s[-1]
            assert part.pixels.shape[1:] == (int(row["height"]), int(row["width"]), 3), row["file"]
            assert (np.diff(part.times_s) > 0).all(), row["file"]
        gap = 1 / float(row["fps"])
        assert n == int(row["frames_decoded"]), row["file"]
        # The manifest's seconds are frames over the average rate: 2 clips of variable rate differ by a frame more.
        assert last + gap == pytest.approx(float(row["video_s"]), abs=2 * gap if n in (95, 169) else gap), row["file"]
        assert probe(folder / row["file"]).duration_s == pytest.approx(last + gap, abs=2 * gap), row["file"]


def test_seeking_in_real_clips_gives_the_same_frames(real_data):
    for name in ("grid_bbaf2n.mpg", "pyfeat_noface_face.mov", "lp_d18.mp4"):
        whole = read_frames(real_data / "clips" / name)
        part = read_frames(real_data / "clips" / name, start_s=1.5, end_s=2.5)
        inside = (whole.times_s >= 1.499) & (whole.times_s < 2.499)
        np.testing.assert_array_equal(part.pixels, whole.pixels[inside], err_msg=name)

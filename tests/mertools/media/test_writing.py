"""What is written is read back: pixels, times, sound in step; as a stream, and the same bytes again."""

import errno
import io

import numpy as np
import pytest

from mertools.errors import MediaError
from mertools.media import probe, read_audio, read_frames
from mertools.media.writing import EncodedFrame, Sound, VideoEncoder, copy_movie, write_movie, write_png, write_wav

SIZE = (64, 48)


def encoded(frames, times_s=None, fps=25):
    """Frames one by one, as they are asked for."""
    encoder = VideoEncoder(frames.shape[2], frames.shape[1], fps)
    for pixels, time_s in zip(frames, np.arange(len(frames)) / fps if times_s is None else times_s, strict=True):
        yield encoder.encode(pixels, time_s)


def chirp(n: int) -> np.ndarray:
    """A tone that climbs, so that no shift of it looks like itself."""
    return (9000 * np.sin(2 * np.pi * (200 + 2e-3 * np.arange(n)) * np.arange(n) / 16000)).astype(np.int16)


def test_frames_come_back_upright_in_colour_and_on_time(tmp_path, make):
    frames = make.ramp(30)
    frames[:, 24:, :32] = (220, 60, 30)
    times_s = np.cumsum([0.0, *([0.04] * 14), *([0.1] * 15)])  # a rate that changes
    with (tmp_path / "a.mp4").open("wb") as file:
        write_movie(file, encoded(frames, times_s), SIZE)
    found = read_frames(tmp_path / "a.mp4")
    np.testing.assert_allclose(found.times_s, times_s, atol=1e-3)
    assert np.abs(found.pixels.astype(int) - frames).mean() < 3
    assert np.abs(found.pixels[:, 30:44, 4:28].astype(int) - (220, 60, 30)).max() <= 6
    info = probe(tmp_path / "a.mp4")
    assert (info.video.codec, info.audio) == ("h264", None)
    assert info.duration_s == pytest.approx(times_s[-1] + 0.1, abs=0.01)


@pytest.mark.parametrize("n_samples", [1, 1023, 16000, 70_000])
def test_sound_is_in_step_and_of_its_length(tmp_path, make, n_samples):
    sound = chirp(n_samples)
    with (tmp_path / "a.mp4").open("wb") as file:
        write_movie(file, encoded(make.ramp(5)), SIZE, Sound(sound))
    found = read_audio(tmp_path / "a.mp4")
    assert found.start_s == 0
    assert 0 <= len(found) - n_samples < 1024  # AAC fills its last block
    if n_samples > 10_000:
        lags = range(-50, 51)
        likeness = [np.dot(np.roll(found.samples[:n_samples], lag)[100:-100], sound[100:-100] * 1.0) for lag in lags]
        assert lags[int(np.argmax(likeness))] == 0
    assert len(read_frames(tmp_path / "a.mp4")) == 5


def test_no_sound_at_all_is_no_stream(tmp_path, make):
    with (tmp_path / "a.mp4").open("wb") as file:
        write_movie(file, encoded(make.ramp(5)), SIZE, Sound(np.zeros(0, np.int16)))
    assert probe(tmp_path / "a.mp4").audio is None


def test_the_same_frames_and_sound_give_the_same_bytes(make):
    written = []
    for _ in range(2):
        file = io.BytesIO()
        write_movie(file, encoded(make.ramp(40)), SIZE, Sound(chirp(20_000)))
        written.append(file.getvalue())
    assert written[0] == written[1]


def test_every_frame_comes_out_at_once_and_is_written_before_the_last_is_made(make):
    file = io.BytesIO()
    sizes = []

    def noticing():
        rng = np.random.default_rng(0)
        for frame in encoded(rng.integers(0, 256, (60, 48, 64, 3), dtype=np.uint8)):
            sizes.append(file.tell())
            yield frame

    write_movie(file, noticing(), SIZE, Sound(chirp(16_000 * 3)))
    assert sizes[40] > sizes[20] > 10_000


def test_equal_and_falling_times_are_moved_on(tmp_path, make):
    with (tmp_path / "a.mp4").open("wb") as file:
        write_movie(file, encoded(make.ramp(4), [0.0, 0.04, 0.04, 0.03]), SIZE)
    found = read_frames(tmp_path / "a.mp4")
    assert len(found) == 4
    assert np.all(np.diff(found.times_s) > 0)


def test_one_frame_makes_a_movie(tmp_path, make):
    with (tmp_path / "a.mp4").open("wb") as file:
        write_movie(file, encoded(make.ramp(1)), SIZE)
    assert len(read_frames(tmp_path / "a.mp4")) == 1


def test_encoding_itself_does_not_blur(tmp_path):
    rng = np.random.default_rng(0)
    coarse = rng.integers(40, 216, (36, 48, 1)).repeat(3, 2)
    still = np.kron(coarse, np.ones((4, 4, 1)))
    frames = np.stack([np.roll(still, shift, 1) for shift in range(12)]).astype(np.uint8)
    with (tmp_path / "a.mp4").open("wb") as file:
        write_movie(file, encoded(frames), (192, 144))
    found = read_frames(tmp_path / "a.mp4").pixels

    def edges(pixels):
        grey = pixels[..., 1].astype(float)
        return np.square(np.diff(grey, n=2, axis=1)).mean() + np.square(np.diff(grey, n=2, axis=2)).mean()

    assert 0.95 < edges(found) / edges(frames) < 1.05


def test_odd_sizes_are_refused_in_words():
    with pytest.raises(MediaError, match="63 x 48") as caught:
        VideoEncoder(63, 48)
    assert caught.value.code == "MER-M200"


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_a_copied_picture_is_the_same_under_other_sound(tmp_path, make, codec):
    source = make.media(tmp_path / "a.mp4", make.ramp(50), make.tone(88200, 44100, 2), video_codec=codec)
    with (tmp_path / "b.mp4").open("wb") as file:
        copy_movie(file, source, Sound(chirp(32_000)))
    before, after = read_frames(source), read_frames(tmp_path / "b.mp4")
    np.testing.assert_array_equal(before.pixels, after.pixels)
    np.testing.assert_allclose(before.times_s, after.times_s, atol=1e-3)
    assert probe(tmp_path / "b.mp4").audio.rate_hz == 16000


def test_rotation_survives_copying(tmp_path, make):
    source = make.media(tmp_path / "a.mp4", make.ramp(10), rotation=90)
    with (tmp_path / "b.mp4").open("wb") as file:
        copy_movie(file, source)
    np.testing.assert_array_equal(read_frames(source).pixels, read_frames(tmp_path / "b.mp4").pixels)


def test_sound_cannot_be_copied_as_picture(tmp_path, make):
    source = make.media(
        tmp_path / "a.wav", sound=make.tone(1600, 16000), rate=16000, audio_codec="pcm_s16le", sample_format="s16"
    )
    with pytest.raises(MediaError) as caught:
        copy_movie(io.BytesIO(), source)
    assert (caught.value.code, caught.value.status) == ("MER-M201", "no_video_stream")


def test_what_mp4_does_not_take_is_refused_in_words(make):
    frames = [EncodedFrame(b"\0" * 10, ticks, True) for ticks in (0, 9000, 0)]
    with pytest.raises(MediaError) as caught:
        write_movie(io.BytesIO(), frames, SIZE)
    assert caught.value.code == "MER-M201"


@pytest.mark.parametrize("room", [0, 5_000, 60_000])
def test_a_full_disk_is_told_as_one(room):
    class Full(io.BytesIO):
        def write(self, content):
            if self.tell() >= room:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(content)

    rng = np.random.default_rng(0)
    with pytest.raises(OSError, match="No space left") as caught:
        write_movie(Full(), encoded(rng.integers(0, 256, (40, 48, 64, 3), dtype=np.uint8)), SIZE)
    assert caught.value.errno == errno.ENOSPC


def test_wav_and_png_give_back_what_they_were_given(tmp_path, make):
    samples = np.array([0, 1, -1, 32767, -32768, 5], np.int16)
    with (tmp_path / "a.wav").open("wb") as file:
        write_wav(file, Sound(samples))
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav").samples * 32768, samples)
    picture = make.ramp(1)[0, :, ::-1]
    with (tmp_path / "a.png").open("wb") as file:
        write_png(file, picture)
    np.testing.assert_array_equal(read_frames(tmp_path / "a.png").pixels[0], picture)

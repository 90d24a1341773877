"""Broken and strange media: each ends with a status of the closed list, in this process and in a worker."""

import os
import shutil

import numpy as np
import pytest

from mertools.errors import MediaError
from mertools.media import MediaSource, media_digest, probe, read_audio, read_frames

GOOD = "ok"


def outcome(call):
    try:
        call()
    except MediaError as error:
        return str(error.status)
    return GOOD


@pytest.fixture
def corpus(tmp_path, clip_path, make):
    """name -> (path, expected status of the picture, of the sound)."""
    whole = clip_path.read_bytes()
    fast = make.media(
        tmp_path / "fast.mp4", make.ramp(100), make.tone(4 * 44100, 44100), options={"movflags": "faststart"}
    )
    fast_bytes = fast.read_bytes()
    found = {}

    def put(name, content, picture, sound):
        path = tmp_path / name
        path.write_bytes(content)
        found[name] = (path, picture, sound)

    put("empty.mp4", b"", "decode_error", "decode_error")
    put("text.mp4", b"this is no video\n" * 100, "decode_error", "decode_error")
    put("zeros.mp4", bytes(100_000), "decode_error", "decode_error")
    for percent in (10, 50, 99):
        put(f"cut{percent}.mp4", whole[: len(whole) * percent // 100], "decode_error", "decode_error")
    for percent in (10, 50):
        put(f"fast{percent}.mp4", fast_bytes[: len(fast_bytes) * percent // 100], "decode_error", "decode_error")
    put("fast99.mp4", fast_bytes[: len(fast_bytes) * 99 // 100], GOOD, GOOD)
    holes = bytearray(whole)
    start = whole.index(b"mdat") + 64
    holes[start : start + len(whole) // 2] = np.random.default_rng(0).bytes(len(whole) // 2)
    put("noise.mp4", bytes(holes), None, None)  # whatever the decoder makes of it, but an end
    put("wrong_extension.wav", whole, GOOD, GOOD)
    put("no_extension", whole, GOOD, GOOD)
    put(
        "playlist.m3u8",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nclip.mp4\n#EXT-X-ENDLIST\n",
        "decode_error",
        "decode_error",
    )
    put("concat.mp4", b"ffconcat version 1.0\nfile clip.mp4\n", "decode_error", "decode_error")
    put(
        "session.sdp",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
        "decode_error",
        "decode_error",
    )
    put(
        "script.dash",
        b'<?xml version="1.0"?><MPD><BaseURL>http://localhost/</BaseURL></MPD>',
        "decode_error",
        "decode_error",
    )
    put("n" * 251 + ".mp4", whole, GOOD, GOOD)
    put(os.fsdecode(b"\xff\xfe \xe9.mp4"), whole, GOOD, GOOD)
    put("concat:a.mp4|b.mp4", whole, GOOD, GOOD)
    put("-loglevel.mp4", whole, GOOD, GOOD)

    def add(name, path, picture, sound):
        found[name] = (path, picture, sound)

    add("audio_only", make.media(tmp_path / "a.m4a", sound=make.tone(8000, 16000), rate=16000), "no_video_stream", GOOD)
    add("video_only", make.media(tmp_path / "v.mp4", make.ramp(5)), GOOD, "no_audio_stream")
    add("one_frame", make.media(tmp_path / "one.mp4", make.ramp(1)), GOOD, "no_audio_stream")
    add("0.05 s", make.media(tmp_path / "short.mp4", make.ramp(2), make.tone(2205, 44100)), GOOD, GOOD)
    six = make.media(tmp_path / "six.mkv", make.ramp(5), make.tone(8000, 16000, 6), rate=16000)
    add("six_channels", six, GOOD, GOOD)
    for name, one in (("mpeg4.avi", "mpeg4"), ("old.mpg", "mpeg1video"), ("vp.webm", "libvpx")):
        add(name, make.media(tmp_path / name, make.ramp(25), video_codec=one), GOOD, "no_audio_stream")
    fifo, loop, dangling = tmp_path / "fifo.mp4", tmp_path / "loop.mp4", tmp_path / "dangling.mp4"
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    dangling.symlink_to(tmp_path / "nowhere.mp4")
    add("fifo", fifo, "decode_error", "decode_error")
    add("symlink loop", loop, "missing", "missing")
    add("dangling link", dangling, "missing", "missing")
    add("device", type(fifo)("/dev/zero"), "decode_error", "decode_error")
    add("folder", tmp_path, "decode_error", "decode_error")
    add("missing", tmp_path / "missing.mp4", "missing", "missing")
    add("file as folder", clip_path / "x.mp4", "missing", "missing")
    add("name too long", tmp_path / ("x" * 300), "missing", "missing")
    add("zero byte in name", tmp_path / "a\0b.mp4", "missing", "missing")
    link = tmp_path / "link.mp4"
    link.symlink_to(clip_path)
    add("link", link, GOOD, GOOD)
    return found


def test_every_strange_file_ends_with_the_right_status_here(corpus):
    wrong = {}
    for name, (path, picture, sound) in corpus.items():
        got = (outcome(lambda p=path: read_frames(p)), outcome(lambda p=path: read_audio(p)))
        if (picture is not None and got[0] != picture) or (sound is not None and got[1] != sound):
            wrong[name] = (got, (picture, sound))
    assert not wrong


def test_every_strange_file_ends_with_the_same_status_in_a_worker(corpus, pool, fakes):
    for name, (path, _, _) in corpus.items():
        here = (outcome(lambda p=path: read_frames(p)), outcome(lambda p=path: read_audio(p)))
        with pool.session(MediaSource(path)) as session:
            there = (outcome(lambda s=session: list(s.map_frames(fakes.shape))), outcome(session.audio))
        assert there == here, name


def test_probing_and_digesting_strange_files_ends_with_a_media_error_or_a_result(corpus):
    for name, (path, picture, _) in corpus.items():
        assert outcome(lambda p=path: probe(p)) in (GOOD, "missing", "decode_error"), name
        assert outcome(lambda p=path: media_digest(p)) == (picture if picture == "missing" else outcome_of_digest(path))


def outcome_of_digest(path):
    return GOOD if path.is_file() else "decode_error"


def test_messages_show_names_that_are_not_utf8(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.mp4")
    path.write_bytes(b"")
    with pytest.raises(MediaError) as caught:
        probe(path)
    assert str(caught.value).encode("utf-8")
    assert "\\xff.mp4" in caught.value.message


def test_digest_is_of_the_content(tmp_path, clip_path):
    copy = shutil.copy(clip_path, tmp_path / "copy.mp4")
    assert media_digest(copy) == media_digest(clip_path)
    assert len(media_digest(copy)) == 32
    with open(copy, "ab") as file:
        file.write(b"x")
    assert media_digest(copy) != media_digest(clip_path)


def test_an_unreadable_file_says_so(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(MediaError, match="cannot be read: Permission denied") as caught:
        probe(path)
    assert caught.value.status == "decode_error"

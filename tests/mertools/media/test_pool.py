"""Decoder processes: results in order, and a clip that hangs or crashes costs only itself."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from itertools import chain

import numpy as np
import pytest

from mertools.errors import MediaError
from mertools.media import DecoderPool, MediaSource, read_audio, read_frames
from mertools.media import pool as pool_module
from mertools.status import Status


def statuses(pool, path, *functions):
    """The status each function ends with, each in a session of its own."""
    found = []
    for function in functions:
        with pool.session(MediaSource(path)) as session:
            try:
                list(session.map_frames(function))
                found.append("ok")
            except MediaError as error:
                found.append(error.status)
    return found


def test_frames_and_sound_are_those_of_this_process(pool, fakes, clip_path):
    with pool.session(MediaSource(clip_path)) as session:
        parts = list(session.map_frames(fakes.whole))
        audio = session.audio()
    here = read_frames(clip_path)
    np.testing.assert_array_equal(np.concatenate([p.pixels for p in parts]), here.pixels)
    np.testing.assert_array_equal(np.concatenate([p.times_s for p in parts]), here.times_s)
    np.testing.assert_array_equal(audio.samples, read_audio(clip_path).samples)
    assert audio.rms == read_audio(clip_path).rms


def test_start_end_fps_and_rate_reach_the_decoder(pool, fakes, clip_path):
    with pool.session(MediaSource(clip_path, None, 0.5, 1.5)) as session:
        (grid,) = session.map_frames(fakes.whole, fps=5)
        audio = session.audio(8000)
    np.testing.assert_array_equal(grid.pixels, read_frames(clip_path, fps=5, start_s=0.5, end_s=1.5).pixels)
    assert len(audio) == pytest.approx(8000, abs=1)


def test_sound_comes_from_its_own_file_if_there_is_one(pool, tmp_path, clip_path, make):
    other = make.media(
        tmp_path / "other.wav", sound=make.tone(3200, 16000), rate=16000, audio_codec="pcm_s16le", sample_format="s16"
    )
    with pool.session(MediaSource(clip_path, other)) as session:
        assert len(session.audio()) == 3200


@pytest.mark.parametrize("hold_bytes", [0, 64 * 48 * 3 * 20, 1 << 28], ids=["none", "too little", "all"])
def test_a_second_pass_sees_the_same_frames(fakes, clip_path, hold_bytes):
    with DecoderPool(1, hold_bytes=hold_bytes) as pool, pool.session(MediaSource(clip_path)) as session:
        passes = [list(chain.from_iterable(session.map_frames(fakes.first_grey))) for _ in range(3)]
        grid = list(chain.from_iterable(session.map_frames(fakes.first_grey, fps=5)))
    assert passes[0] == passes[1] == passes[2]
    assert len(passes[0]) == 50
    assert len(grid) == 10


def test_held_frames_need_no_second_decoding(pool, fakes, tmp_path, make):
    path = make.media(tmp_path / "gone.mp4", make.ramp(20))
    with pool.session(MediaSource(path)) as session:
        first = list(session.map_frames(fakes.shape))
        path.unlink()
        assert list(session.map_frames(fakes.shape)) == first


def test_functions_cannot_change_frames_for_the_next_pass(pool, fakes, clip_path):
    assert statuses(pool, clip_path, fakes.scribble) == ["crash"]


def test_leaving_early_leaves_the_worker_usable(pool, fakes, tmp_path, make, monkeypatch):
    path = make.media(tmp_path / "long.mp4", make.ramp(300))
    with pool.session(MediaSource(path)) as session:
        process = next(session.map_frames(fakes.process))
        chunks = session.map_frames(fakes.shape)
        next(chunks)
        with pytest.raises(RuntimeError, match="finish or close"):
            session.audio()
        chunks.close()
        assert sum(s[0] for s in session.map_frames(fakes.shape)) == 300
    with pool.session(MediaSource(path)) as session:
        assert next(session.map_frames(fakes.process)) == process


def test_one_worker_serves_many_clips_until_it_is_worn(fakes, clip_path, monkeypatch):
    monkeypatch.setattr(pool_module, "CLIPS_PER_WORKER", 3)
    found = []
    with DecoderPool(1) as pool:
        for _ in range(6):
            with pool.session(MediaSource(clip_path)) as session:
                found.append(next(session.map_frames(fakes.process)))
    assert len(set(found[:3])) == 1
    assert len(set(found)) == 2
    assert os.getpid() not in found


@pytest.mark.parametrize("name", ["abort", "segfault", "killed", "leave", "wrong"])
def test_a_crash_costs_one_clip(pool, fakes, clip_path, name):
    assert statuses(pool, clip_path, getattr(fakes, name), fakes.shape) == ["crash", "ok"]


@pytest.mark.parametrize("name", ["hang", "hang_holding_the_interpreter"])
def test_a_hang_costs_one_clip(fakes, clip_path, name):
    with DecoderPool(1, timeout_s=1.5) as pool:
        assert statuses(pool, clip_path, getattr(fakes, name), fakes.shape) == ["timeout", "ok"]


def test_running_out_of_memory_costs_one_clip(fakes, clip_path):
    with DecoderPool(1, memory_bytes=1 << 30) as pool:
        assert statuses(pool, clip_path, fakes.greedy, fakes.shape) == ["oom", "ok"]


def test_a_kill_by_the_kernel_for_memory_is_told_from_other_kills(pool, fakes, clip_path, monkeypatch):
    counts = iter([4, 5])
    monkeypatch.setattr(pool_module, "_oom_kills", lambda: next(counts))
    assert statuses(pool, clip_path, fakes.killed) == ["oom"]


def test_the_sound_survives_a_crash_of_the_picture(pool, fakes, clip_path):
    with pool.session(MediaSource(clip_path)) as session:
        with pytest.raises(MediaError, match="SIGABRT"):
            list(session.map_frames(fakes.abort))
        assert len(session.audio()) > 30000


def test_the_time_limit_is_per_clip_not_per_call(fakes, clip_path):
    with DecoderPool(1, timeout_s=1.5) as pool, pool.session(MediaSource(clip_path)) as session:
        for call in (lambda: list(session.map_frames(fakes.hang)), session.audio):
            with pytest.raises(MediaError) as caught:
                call()
            assert caught.value.status == Status.TIMEOUT


def test_a_failing_function_says_where(pool, fakes, clip_path):
    with pool.session(MediaSource(clip_path)) as session, pytest.raises(MediaError) as caught:
        list(session.map_frames(fakes.wrong))
    assert "ValueError: a bug in a function at fake_decoders.py:" in caught.value.message
    assert caught.value.code == "MER-M010"


@pytest.mark.parametrize(("source", "status"), [(MediaSource(), "no_video_stream"), ("gone.mp4", "missing")])
def test_media_errors_keep_their_status_across_the_process_border(pool, fakes, tmp_path, source, status):
    source = source if isinstance(source, MediaSource) else MediaSource(tmp_path / source)
    with pool.session(source) as session, pytest.raises(MediaError) as caught:
        list(session.map_frames(fakes.shape))
    assert caught.value.status == status


def test_a_clip_without_files_has_no_sound(pool):
    with pool.session(MediaSource()) as session, pytest.raises(MediaError) as caught:
        session.audio()
    assert caught.value.status == "no_audio_stream"


def test_functions_that_cannot_travel_are_programming_errors(pool, fakes, clip_path, monkeypatch):
    with pool.session(MediaSource(clip_path)) as session:
        with pytest.raises(TypeError, match="cannot use this function or its result"):
            list(session.map_frames(fakes.unpicklable))
        assert list(session.map_frames(fakes.shape))
    monkeypatch.setattr(fakes.shape, "__module__", "__main__")
    with pool.session(MediaSource(clip_path)) as session, pytest.raises(TypeError, match="__main__"):
        session.map_frames(fakes.shape)


def test_workers_do_not_import_torch(pool, fakes, clip_path):
    assert "torch" in sys.modules, "this process has it, so the child would inherit it by fork"
    with pool.session(MediaSource(clip_path)) as session:
        assert list(session.map_frames(fakes.modules)) == [[]]


def test_workers_ignore_interrupts(pool, fakes, clip_path):
    with pool.session(MediaSource(clip_path)) as session:
        assert list(session.map_frames(fakes.interrupted)) == ["still here"]
        process = next(session.map_frames(fakes.process))
    assert os.getpgid(process) != os.getpgid(0), "Ctrl-C of the terminal does not reach them"


def test_threads_share_a_pool(fakes, clip_path):
    found, problems = [], []

    def work(pool):
        try:
            for _ in range(4):
                with pool.session(MediaSource(clip_path)) as session:
                    found.append((sum(s[0] for s in session.map_frames(fakes.shape)), len(session.audio())))
        except Exception as error:
            problems.append(error)

    with DecoderPool(2) as pool:
        threads = [threading.Thread(target=work, args=(pool,)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not problems
    assert found == [found[0]] * 20


def test_a_closed_pool_says_so(clip_path):
    pool = DecoderPool(1)
    pool.close()
    with pool.session(MediaSource(clip_path)) as session, pytest.raises(RuntimeError, match="closed"):
        session.audio()


def test_wrong_numbers_are_refused():
    for options in ({"n_workers": 0}, {"timeout_s": 0}):
        with pytest.raises(ValueError, match="positive"):
            DecoderPool(**options)


@pytest.mark.parametrize("busy", ["idle", "hang"])
def test_workers_end_when_the_parent_is_killed(tmp_path, clip_path, busy):
    """Each worker holds a pipe of ours; its end shows that all of them are gone."""
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, signal, sys
            sys.path.insert(0, sys.argv[1])
            import fake_decoders
            from pathlib import Path
            from mertools.media import DecoderPool, MediaSource, pool
            real = pool.subprocess.Popen
            fd = int(sys.argv[4])
            pool.subprocess.Popen = lambda *a, pass_fds=(), **k: real(*a, pass_fds=[*pass_fds, fd], **k)
            workers = DecoderPool(1)
            with workers.session(MediaSource(Path(sys.argv[2]))) as session:
                next(session.map_frames(fake_decoders.process))
                if sys.argv[3] == "hang":
                    session._tell(session._worker, ("map", __import__("pickle").dumps(fake_decoders.hang), None, 60))
                os.kill(os.getpid(), signal.SIGKILL)
            """
        ),
        encoding="utf-8",
    )
    reading, writing = os.pipe()
    parent = subprocess.run(
        [
            sys.executable,
            str(script),
            str(os.path.join(os.path.dirname(__file__), "importable")),
            str(clip_path),
            busy,
            str(writing),
        ],
        pass_fds=[writing],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=120,
    )
    os.close(writing)
    assert parent.returncode == -signal.SIGKILL
    assert os.read(reading, 1) == b""  # blocks until the last holder is gone; the suite's time limit is the judge
    os.close(reading)

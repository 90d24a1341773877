from contextlib import contextmanager

import pytest

from feature_extractors.engine.asked import InputKey
from feature_extractors.engine.channel import Stopped
from feature_extractors.engine.items import ClipJob
from feature_extractors.engine.reader import ClipReader
from feature_extractors.engine.sources import ClipSource, MediaCatalog
from feature_extractors.engine.tasks import Task
from mertools.errors import MediaError


class DyingPool:
    """Every decoder dies, as they do when a run is stopped."""

    @contextmanager
    def session(self, source):
        raise MediaError("MER-M010", "the decoder process died.", status="crash")
        yield


class Kept(list):
    """A keeper of geometry that only remembers failures."""

    def fail(self, clip, status, reason, media):
        self.append((clip, status))


@pytest.mark.parametrize("stopped", [False, True])
def test_a_decoder_that_dies_because_the_run_is_stopped_says_nothing_about_the_clip(tmp_path, store, stopped):
    def check():
        if stopped:
            raise Stopped

    (tmp_path / "a.mp4").write_bytes(b"video")
    source = ClipSource("a", "train", tmp_path / "a.mp4", None, None, None, "")
    job = ClipJob(0, Task(0, "media", (source,), {}, {}), source, (InputKey("face", "aligned-112", "largest"),), True)
    kept, put = Kept(), []
    reader = ClipReader(DyingPool(), MediaCatalog(store), kept, "cpu", lambda _, item: put.append(item.status), check)
    if stopped:
        with pytest.raises(Stopped):
            reader.read(job)
        assert (kept, put) == ([], [])
    else:
        reader.read(job)
        assert (kept, put) == ([("a", "crash")], ["crash"])

import pytest

from feature_extractors.engine import progress as module
from feature_extractors.engine.progress import Progress, duration
from feature_extractors.engine.report import Beat, Kept, TaskReport
from feature_extractors.engine.tasks import Task


@pytest.fixture
def tasks():
    text = Task(0, "text", (), {}, {"a": 100.0, "b": 200.0})
    return [text, Task(1, "media", (), {}, {"a": 1.0, "b": 3.0}), Task(2, "media", (), {}, {"c": 4.0})]


def test_the_line_is_about_media_and_does_not_call_kept_what_is_only_read(tasks, monkeypatch, capsys):
    monkeypatch.setattr(module, "PLAIN_EVERY_S", 0.0)
    with Progress(tasks, quiet=False) as progress:
        progress.add(Beat(0, 100.0, 0.5, 0.0))
        progress.add(Beat(0, 200.0, 1.0, 0.0))
        progress.add(Beat(1, 1.0, 3.0, 0.6))
        progress.add(Beat(1, 3.0, 5.0, 1.0))
        progress.add(Kept(0))
        progress.add(Kept(1))
        progress.add(Kept(1))
        progress.add(TaskReport(1, 2, 8, 4.0, 5.0, 1.0))
        progress.add(Beat(2, 4.0, 9.0, 1.8))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "extract: 1/3 clips, 0 in the store, 0.5 clips/s, 14 s left, waiting for decoders 20%",
        "extract: 2/3 clips, 0 in the store, 0.5 clips/s, 4 s left, waiting for decoders 20%",
        "extract: 3/3 clips, 2 in the store, 0.4 clips/s, 0 s left, waiting for decoders 20%",
    ]


def test_quiet_says_nothing(tasks, monkeypatch, capsys):
    monkeypatch.setattr(module, "PLAIN_EVERY_S", 0.0)
    with Progress(tasks, quiet=True) as progress:
        progress.add(Beat(1, 1.0, 3.0, 0.6))
    assert capsys.readouterr().err == ""


def test_clips_of_unknown_length_have_a_time_left_all_the_same(monkeypatch, capsys):
    monkeypatch.setattr(module, "PLAIN_EVERY_S", 0.0)
    with Progress([Task(0, "media", (), {}, {"a": 0.0, "b": 0.0})], quiet=False) as progress:
        progress.add(Beat(0, 0.0, 3.0, 0.0))
    assert "3 s left" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "0 s"), (59.7, "1 min 0 s"), (75, "1 min 15 s"), (4000, "1 h 6 min")]
)
def test_durations_are_for_people(seconds, said):
    assert duration(seconds) == said

"""Groups by a language model: a real server behaves well and badly; nothing answered is lost, nothing asked twice."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from mertools.errors import MachineError, SubmissionError
from mertools.wheels import Groups
from mertools.wheels.answers import Question
from mertools.wheels.asking import Link, NonsenseError, read_answer
from mertools.wheels.endpoint import Endpoint, Usage, ask_groups

HERE = Path(__file__).parent
KEY = "secret-key"
NAMES = ["clip_a", "clip_b", "clip_c", "clip_d"]
TRUTH = [("Apple", "axe"), ("bad", "axe"), (), ("alone",)]
SAID = [("bad",), (), (), ("ALONE",)]
GROUPS = {
    "clip_a": (("apple", "axe"), ("bad",)),
    "clip_b": (("axe",), ("bad",)),
    "clip_c": (),
    "clip_d": (("alone",),),
}


class Server:
    """A process that serves in the given modes."""

    def __init__(self, *modes: str) -> None:
        command = [sys.executable, str(HERE / "llm_server.py"), *modes]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.next_line())}/v1"

    def next_line(self) -> str:
        return self.process.stdout.readline().strip()

    def stop(self) -> list[str]:
        """End it and give the lines of the requests it had since the last call."""
        self.process.kill()
        self.process.wait()
        return [] if self.process.stdout.closed else self.process.communicate()[0].splitlines()


@pytest.fixture
def serve(monkeypatch) -> Iterator[Callable[..., Server]]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    started: list[Server] = []

    def start(*modes: str) -> Server:
        started.append(Server(*modes))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def asked(url: str, store: Path, **settings) -> tuple[Groups, Usage]:
    options = {"runs": 1, "workers": 1, "ask": True}
    given = {key: settings.pop(key) for key in (*options, "progress") if key in settings}
    patience = {"first_wait_s": 0.001, "longest_wait_s": 0.01, "timeout_s": 20.0, "tries": 3, **settings}
    endpoint = Endpoint(url, "tiny", KEY, **patience)
    return ask_groups(NAMES, TRUTH, SAID, endpoint=endpoint, store=store, **{**options, **given})


def refused(code: str, url: str, store: Path, **settings) -> str:
    with pytest.raises(SubmissionError) as error:
        asked(url, store, **settings)
    assert error.value.code == code
    assert KEY not in str(error.value)
    return error.value.message


def test_answers_are_asked_once_and_kept(serve, tmp_path) -> None:
    server = serve("good")
    steps: list[tuple[int, int]] = []
    groups, usage = asked(server.url, tmp_path, runs=2, workers=4, progress=lambda *step: steps.append(step))
    assert groups.runs == (GROUPS, GROUPS)
    assert "tiny" in groups.label
    assert "not official" in groups.label
    assert usage == Usage(needed=4, kept=0, asked=4, requests=4, prompt_tokens=40, completion_tokens=12)
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    lines = server.stop()
    assert sorted(lines) == sorted([f"good Bearer {KEY} 3", f"good Bearer {KEY} 2"] * 2)
    again, usage = asked("http://127.0.0.1:1", tmp_path, runs=2, ask=False)
    assert again.runs == groups.runs
    assert usage == Usage(4, 4, 0, 0, 0, 0)
    assert KEY not in (tmp_path / "answers.jsonl").read_text()
    assert found_rows(groups)


def found_rows(groups: Groups) -> bool:
    """The groups fit the clips they were made for."""
    return groups.columns(NAMES, TRUTH, SAID).rows.tolist() == [0, 1, 2, 3]


def test_nothing_is_asked_unless_allowed(serve, tmp_path) -> None:
    server = serve("good")
    assert "2 of 2 answers of tiny" in refused("MER-S152", server.url, tmp_path, ask=False)
    assert server.stop() == []


def test_a_clip_with_fewer_than_two_words_is_not_asked_about(serve, tmp_path) -> None:
    server = serve("good")
    groups, usage = ask_groups(
        ["a", "b"], [("x",), ()], [("X",), ()], endpoint=Endpoint(server.url, "tiny"), store=tmp_path, ask=True
    )
    assert groups.runs == ({"a": (("x",),), "b": ()},) * 5
    assert usage.requests == 0
    assert server.stop() == []


@pytest.mark.parametrize("bad", ["429", "429:0", "500", "503:Wed, 21 Oct 2015 07:28:00 GMT", "drop", "cut", "529:9999"])
def test_a_passing_failure_is_tried_again(serve, tmp_path, bad) -> None:
    groups, usage = asked(serve(bad, bad, "good").url, tmp_path)
    assert groups.runs == (GROUPS,)
    assert usage.requests == 4


def test_an_answer_that_does_not_come_is_asked_for_again(serve, tmp_path) -> None:
    groups, usage = asked(serve("hang", "good").url, tmp_path, timeout_s=0.2)
    assert groups.runs == (GROUPS,)
    assert usage.requests == 3


@pytest.mark.parametrize(
    ("mode", "said"), [("500", "500 Internal"), ("drop", "failed 3 times"), ("hang", "failed 3 times")]
)
def test_a_lasting_failure_is_an_error_and_what_was_answered_is_kept(serve, tmp_path, mode, said) -> None:
    server = serve("good", mode)
    message = refused("MER-S155", server.url, tmp_path, timeout_s=0.2)
    assert said in message
    assert "1 of 2 answers are kept" in message
    assert len(server.stop()) == 4
    good = serve("good")
    groups, usage = asked(good.url, tmp_path)
    assert groups.runs == (GROUPS,)
    assert (usage.kept, usage.asked, usage.requests) == (1, 1, 1)


def test_no_server_at_all_is_an_error(tmp_path) -> None:
    assert "failed 3 times" in refused("MER-S155", "http://127.0.0.1:1/v1", tmp_path)


class Impatient(Event):
    """Notes how long it should wait, and does not."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        return False


@pytest.mark.parametrize(
    ("mode", "longest", "lows", "highs"),
    [("500", 60, [1, 2, 4], [1.5, 3, 6]), ("429:9", 60, [9] * 3, [9] * 3), ("503:9", 5, [5] * 3, [5] * 3)],
)
def test_pauses_double_and_heed_what_the_server_asks(serve, mode, longest, lows, highs) -> None:
    link, stop = Link(serve(mode).url, KEY, 20.0), Impatient()
    request = Question("tiny", 1, ("a", "b")).as_request()
    with pytest.raises(SubmissionError, match="failed 4 times"):
        link.send(request, tries=4, first_wait_s=1, longest_wait_s=longest, stop=stop)
    assert all(low <= wait <= high for low, wait, high in zip(lows, stop.waits, highs, strict=True))


@pytest.mark.parametrize(("mode", "said"), [("401", "401"), ("404", "404"), ("400", "400"), ("redirect", "302")])
def test_a_refusal_is_not_tried_again_and_does_not_show_the_key(serve, tmp_path, mode, said) -> None:
    server = serve(mode)
    message = refused("MER-S156", server.url, tmp_path)
    assert said in message
    assert "***" in message or mode == "redirect"
    assert len(server.stop()) == 1


@pytest.mark.parametrize("bad", ["fewer", "more", "twice", "rambling", "html", "null"])
def test_nonsense_is_asked_again_and_then_an_error(serve, tmp_path, bad) -> None:
    groups, usage = asked(serve(bad, bad, "good").url, tmp_path / "mends")
    assert groups.runs == (GROUPS,)
    assert usage.requests == 4
    server = serve("good", bad)
    message = refused("MER-S154", server.url, tmp_path / "lasts")
    assert "in 3 tries" in message
    assert "1 of 2 answers are kept" in message
    assert len(server.stop()) == 4
    lines = [json.loads(line) for line in (tmp_path / "lasts" / "answers.jsonl").read_text().splitlines()]
    assert [("groups" in line, "rejected" in line) for line in lines] == [(True, False)] + [(False, True)] * 3


def test_text_around_the_list_is_passed_over(serve, tmp_path) -> None:
    assert asked(serve("prose").url, tmp_path)[0].runs == (GROUPS,)


def test_a_killed_process_loses_nothing_that_was_answered(serve, tmp_path) -> None:
    server = serve(*["good"] * 5, "hang")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, str(HERE / "asking_child.py"), server.url, str(tmp_path), "12"]
    child = subprocess.Popen(command, env=environment)
    assert [server.next_line().split()[0] for _ in range(6)] == ["good"] * 5 + ["hang"]
    child.kill()
    child.wait()
    with (tmp_path / "answers.jsonl").open("a") as file:
        file.write('{"key": "cut sho')  # as a crash of the machine may leave it
    good = serve("good")
    names = [f"clip_{i}" for i in range(12)]
    groups, usage = ask_groups(
        names,
        [(f"apple{i}", "axe") for i in range(12)],
        [("bad",)] * 12,
        endpoint=Endpoint(good.url, "tiny"),
        store=tmp_path,
        runs=1,
        ask=True,
    )
    assert (usage.needed, usage.kept, usage.asked, usage.requests) == (12, 5, 7, 7)
    assert groups.runs[0]["clip_3"] == (("apple3", "axe"), ("bad",))
    assert len(good.stop()) == 7
    _, usage = asked_again(names, tmp_path)
    assert usage.kept == 12


def asked_again(names: list[str], store: Path) -> tuple[Groups, Usage]:
    truth = [(f"apple{i}", "axe") for i in range(len(names))]
    endpoint = Endpoint("http://127.0.0.1:1", "tiny")
    return ask_groups(names, truth, [("bad",)] * len(names), endpoint=endpoint, store=store, runs=1)


def test_answers_of_another_model_or_tampered_ones_do_not_count(serve, tmp_path) -> None:
    asked(serve("good").url, tmp_path)
    other = Endpoint("http://127.0.0.1:1", "large")
    with pytest.raises(SubmissionError, match="2 of 2 answers of large"):
        ask_groups(NAMES, TRUTH, SAID, endpoint=other, store=tmp_path, runs=1)
    path = tmp_path / "answers.jsonl"
    path.write_text(path.read_text().replace('["bad"]', '["good"]'))
    assert "2 of 2" in refused("MER-S152", "http://127.0.0.1:1", tmp_path, ask=False)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError):
        asked("http://127.0.0.1:1", tmp_path / "file")


def test_the_environment_describes_the_endpoint(monkeypatch) -> None:
    for name in ("BASE_URL", "MODEL", "KEY"):
        monkeypatch.delenv(f"MERTOOLS_LLM_{name}", raising=False)
    with pytest.raises(SubmissionError, match="MERTOOLS_LLM_BASE_URL and MERTOOLS_LLM_MODEL not set"):
        Endpoint.from_environment()
    monkeypatch.setenv("MERTOOLS_LLM_BASE_URL", "http://localhost:1/v1")
    monkeypatch.setenv("MERTOOLS_LLM_MODEL", "tiny")
    monkeypatch.setenv("MERTOOLS_LLM_KEY", KEY + "\n")
    endpoint = Endpoint.from_environment(tries=2)
    assert (endpoint.key, endpoint.tries) == (KEY, 2)
    assert KEY not in repr(endpoint)


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            {"base_url": url}
            for url in ("file:///etc", "localhost", "http://", "http://[::1", "http://a:99999", "http://a b")
        ),
        *({"base_url": url} for url in ("http://me:pass@host", "http://host/v1?key=pass")),
        {"model": ""},
        {"key": "a\nb"},
    ],
)
def test_an_endpoint_that_makes_no_sense_is_refused(wrong) -> None:
    with pytest.raises(SubmissionError) as error:
        Endpoint(**{"base_url": "http://localhost", "model": "tiny", **wrong})
    assert error.value.code == "MER-S150"
    assert "pass@" not in str(error.value)
    assert "=pass" not in str(error.value)


def test_a_host_that_cannot_be_looked_up_is_an_error(tmp_path) -> None:
    assert "failed 3 times" in refused("MER-S155", "http://a..b/v1", tmp_path)


def test_bounds_are_checked_before_anything_is_asked(tmp_path) -> None:
    endpoint = Endpoint("http://127.0.0.1:1", "tiny")
    for words in ([f"w{i}" for i in range(201)], ["x" * 101, "y"]):
        with pytest.raises(SubmissionError, match="clip 'a' has"):
            ask_groups(["a"], [words], [()], endpoint=endpoint, store=tmp_path, ask=True)
    with pytest.raises(SubmissionError, match="expected at least 1"):
        ask_groups(["a"], [("x",)], [()], endpoint=endpoint, store=tmp_path, runs=0)


@pytest.mark.parametrize("said", ['[["A", "b"]]', "[('a', 'b')]", "x [['a',  \"b\"], []] y"])
def test_answers_may_be_json_or_python(said) -> None:
    assert read_answer(said, ["a", "b"]) == (("a", "b"),)


@pytest.mark.parametrize("said", ["", "[", "]", "]x[", '["a", "b"]', "[[['a'], ['b']]]", "[" * 100_000 + "]" * 100_000])
def test_other_answers_are_nonsense(said) -> None:
    with pytest.raises(NonsenseError):
        read_answer(said, ["a", "b"])

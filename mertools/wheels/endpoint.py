"""Synonym groups made by a language model behind an OpenAI-compatible endpoint (``POST BASE_URL/chat/completions``).

The network is used only where the caller says so (`ask=True`). Every answer is on disk before the next is waited for,
keyed by words, model, prompt and run, so that a second call, or one after a crash, asks only for what is lacking. Only
the words of a clip are sent, never its name, media or text.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from typing import NamedTuple
from urllib.parse import urlsplit

from mertools.errors import SubmissionError
from mertools.wheels.answers import Answers, Question
from mertools.wheels.asking import Link, NonsenseError, read_answer
from mertools.wheels.synonyms import Grouping, Groups

BASE_URL, MODEL, KEY = "MERTOOLS_LLM_BASE_URL", "MERTOOLS_LLM_MODEL", "MERTOOLS_LLM_KEY"
RUNS = 5
"""MER2024's score is the mean over five runs of its language model."""
MAX_WORDS = 200
MAX_CHARACTERS = 100

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Endpoint:
    """Where the language model is, and how patiently it is asked.

    Attributes:
        base_url: such as ``http://localhost:8000/v1``; ``/chat/completions`` is added.
        model: name that the endpoint knows it by.
        key: sent as a bearer token; empty for local servers. It is never shown, logged or stored.
        timeout_s: longest time for one answer.
        tries: how often one question is sent where the endpoint fails (429, 5xx, time-out, no connection).
        first_wait_s: pause after the first failure, doubled after each further one, with up to half of it at random.
        longest_wait_s: longest pause, also where the endpoint asks for a longer one (``Retry-After``).
        nonsense_tries: how often one question is asked where the answer does not group exactly the given words.
    """

    base_url: str
    model: str
    key: str = field(default="", repr=False)
    timeout_s: float = 60.0
    tries: int = 6
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    nonsense_tries: int = 3

    def __post_init__(self) -> None:
        """Check what no server could make sense of."""
        wrong = _wrong_url(self.base_url)
        if wrong:
            raise SubmissionError(
                "MER-S150",
                f"the base URL of the language model {wrong}.",
                f"Set {BASE_URL}, for example to http://localhost:8000/v1.",
            )
        if not self.model:
            raise SubmissionError("MER-S150", "no language model is named.", f"Set {MODEL}.")
        if not self.key.isascii() or not self.key.isprintable():
            raise SubmissionError("MER-S150", "the key has characters that no header may hold.", f"Set {KEY} again.")

    @classmethod
    def from_environment(cls, **settings: float) -> Endpoint:
        """The endpoint that ``MERTOOLS_LLM_BASE_URL``, ``MERTOOLS_LLM_MODEL`` and ``MERTOOLS_LLM_KEY`` describe.

        Args:
            **settings: further attributes.

        Raises:
            SubmissionError: if the base URL or the model is not set.
        """
        missing = [name for name in (BASE_URL, MODEL) if not os.environ.get(name)]
        if missing:
            raise SubmissionError(
                "MER-S150",
                f"no language model is set up: {' and '.join(missing)} not set.",
                f"Set {BASE_URL}, {MODEL} and, where it wants one, {KEY}; or name recorded groups with --groups.",
            )
        key = os.environ.get(KEY, "").strip()
        return cls(os.environ[BASE_URL].strip(), os.environ[MODEL].strip(), key, **settings)  # type: ignore[arg-type]


class Usage(NamedTuple):
    """What a call cost.

    Attributes:
        needed: answers needed (different word sets times runs).
        kept: of these, found on disk.
        asked: of these, newly answered.
        requests: requests sent, repeated ones included.
        prompt_tokens: as far as the endpoint reports them.
        completion_tokens: as far as the endpoint reports them.
    """

    needed: int
    kept: int
    asked: int
    requests: int
    prompt_tokens: int
    completion_tokens: int


def ask_groups(
    names: Sequence[str],
    truth: Sequence[Collection[str]],
    prediction: Sequence[Collection[str]],
    *,
    endpoint: Endpoint,
    store: Path,
    runs: int = RUNS,
    workers: int = 4,
    ask: bool = False,
    progress: Progress | None = None,
) -> tuple[Groups, Usage]:
    """Synonym groups of some clips: kept answers, and new ones where asking is allowed.

    Args:
        names: clip names.
        truth: true words of each.
        prediction: predicted words of each.
        endpoint: the language model; without `ask` only the name of its model counts.
        store: folder of kept answers; made if need be. Several processes may share it.
        runs: how many times each word set is grouped; the metric is the mean over them.
        workers: requests under way at once.
        ask: whether the network may be used.
        progress: called with (answers there, answers needed) after each answer.

    Returns:
        The groups, one run per repetition, and what they cost.

    Raises:
        SubmissionError: if answers are lacking and may not be asked for; if the endpoint refuses, keeps failing or
            keeps answering nonsense. What was answered until then is kept.
    """
    if runs < 1 or workers < 1:
        raise SubmissionError("MER-S151", f"{runs} runs by {workers} workers; expected at least 1 of both.")
    words = {name: _words(name, t, p) for name, t, p in zip(names, truth, prediction, strict=True)}
    questions = [
        Question(endpoint.model, run, some)
        for run in range(1, runs + 1)
        for some in sorted(set(words.values()))
        if len(some) > 1
    ]
    with Answers(store) as answers:
        open_ones = [question for question in questions if answers.get(question) is None]
        kept = len(questions) - len(open_ones)
        if open_ones and not ask:
            raise SubmissionError(
                "MER-S152",
                f"{len(open_ones)} of {len(questions)} answers of {endpoint.model} are not in {store}.",
                "Allow asking the language model (--ask), or name recorded groups with --groups.",
            )
        link = Link(endpoint.base_url, endpoint.key, endpoint.timeout_s)
        asker = _Asker(endpoint, link, answers, kept, len(questions), progress)
        asker.ask(open_ones, workers)
        found = tuple(
            {name: _grouping(answers, endpoint.model, run, some) for name, some in words.items()}
            for run in range(1, runs + 1)
        )
    label = f"groups by {endpoint.model}, {runs} run{'s' * (runs > 1)}: not official"
    usage = Usage(len(questions), kept, len(open_ones), link.requests, link.prompt_tokens, link.completion_tokens)
    return Groups(found, label, str(store)), usage


def _grouping(answers: Answers, model: str, run: int, words: tuple[str, ...]) -> Grouping:
    if len(words) < 2:  # nothing to ask
        return (words,) if words else ()
    found = answers.get(Question(model, run, words))
    assert found is not None  # noqa: S101  # all were asked for
    return found


def _words(name: str, true: Collection[str], said: Collection[str]) -> tuple[str, ...]:
    """The different words of a clip, sorted, so that the same set makes the same question everywhere."""
    words = tuple(sorted({word.lower() for word in (*true, *said) if word.strip()}))
    longest = max(map(len, words), default=0)
    if len(words) > MAX_WORDS or longest > MAX_CHARACTERS:
        raise SubmissionError(
            "MER-S153",
            f"clip '{name[:60]}' has {len(words)} words, the longest of {longest} characters; expected at most "
            f"{MAX_WORDS} of {MAX_CHARACTERS}.",
            "Validate the submission and shorten it.",
        )
    return words


def _wrong_url(url: str) -> str:
    """What is wrong with a base URL; the URL is not repeated, for it may hold a password."""
    if not url.startswith(("http://", "https://")):
        return "does not start with http:// or https://"
    if not url.isascii() or not url.isprintable() or " " in url:
        return "has blanks or special characters"
    try:
        parts = urlsplit(url)
        if not parts.hostname or parts.port == 0:
            return "names no host"
    except ValueError as error:
        return f"cannot be read ({error})"
    if "@" in parts.netloc or parts.query or parts.fragment:
        return f"has more than host and path; a key belongs into {KEY}"
    return ""


class _Asker:
    """Asks many questions at once and keeps every answer; stops soon where one cannot be had."""

    def __init__(
        self, endpoint: Endpoint, link: Link, answers: Answers, there: int, needed: int, progress: Progress | None
    ) -> None:
        self._endpoint, self._link, self._answers, self._progress = endpoint, link, answers, progress
        self._there, self._needed = there, needed
        self._lock, self._stop = Lock(), Event()
        self._failed: BaseException | None = None

    def ask(self, questions: Sequence[Question], workers: int) -> None:
        if not questions:
            return
        pool = ThreadPoolExecutor(max_workers=min(workers, len(questions)), thread_name_prefix="groups")
        try:
            futures = [pool.submit(self._one, question) for question in questions]
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
        if self._failed is not None:
            raise self._explained(self._failed) from None

    def _one(self, question: Question) -> None:
        try:
            self._answer(question)
        except BaseException as error:  # stop before this thread takes the next question
            with self._lock:
                self._failed = self._failed or error
            self._stop.set()
            raise

    def _answer(self, question: Question) -> None:
        problem = ""
        for _ in range(self._endpoint.nonsense_tries):
            said = self._link.send(
                question.as_request(),
                tries=self._endpoint.tries,
                first_wait_s=self._endpoint.first_wait_s,
                longest_wait_s=self._endpoint.longest_wait_s,
                stop=self._stop,
            )
            try:
                groups = read_answer(said, question.words)
            except NonsenseError as error:
                problem = str(error)
                self._answers.reject(question, said, problem)
                continue
            self._answers.keep(question, said, groups)
            with self._lock:
                self._there += 1
                if self._progress is not None:
                    self._progress(self._there, self._needed)
            return
        raise SubmissionError(
            "MER-S154",
            f"{self._endpoint.model} did not group the {len(question.words)} words "
            f"{', '.join(question.words)[:100]} in {self._endpoint.nonsense_tries} tries: {problem}.",
            "Check the base URL, or try another model; small ones often cannot do it.",
        )

    def _explained(self, error: BaseException) -> BaseException:
        if not isinstance(error, SubmissionError):
            return error
        kept = f" {self._there} of {self._needed} answers are kept; the next call asks only for the rest."
        return SubmissionError(error.code, error.message + kept, error.hint)

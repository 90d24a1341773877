"""Answers of a language model on disk: an append-only file of JSON lines, each synced before it counts."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

from mertools.files import disk_problem, sync_folder
from mertools.wheels.asking import PROMPT, PROMPT_VERSION, is_grouping
from mertools.wheels.synonyms import Grouping

FILE = "answers.jsonl"
_MAX_SAID = 4_000


@dataclass(frozen=True)
class Question:
    """One word set to be grouped by one model in one run.

    Attributes:
        model: name of the model.
        run: number of the run, from 1.
        words: sorted words, at least two.
    """

    model: str
    run: int
    words: tuple[str, ...]

    @cached_property
    def key(self) -> str:
        """Hash of all that the answer depends on."""
        content = json.dumps([PROMPT_VERSION, self.model, self.run, self.words], ensure_ascii=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def as_request(self) -> dict[str, Any]:
        """Body of the request."""
        words = json.dumps(self.words, ensure_ascii=False)
        return {
            "model": self.model,
            "temperature": 0,
            "messages": [{"role": "system", "content": PROMPT}, {"role": "user", "content": words}],
        }


class Answers:
    """Kept answers of a folder; a context manager. Threads and processes may write at once.

    A line that a crash cut short is passed over, and the next answer starts a new line.

    Args:
        folder: made if need be.

    Raises:
        MachineError: if the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = Path(folder) / FILE
        self._groups: dict[str, Grouping] = {}
        self._lock = Lock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+b", buffering=0)
            sync_folder(self.path.parent)
        except OSError as error:
            raise disk_problem(error, self.path) from error
        self._read()

    def __enter__(self) -> Answers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def get(self, question: Question) -> Grouping | None:
        """The kept groups; None if there are none."""
        found = self._groups.get(question.key)
        return found if found is not None and is_grouping(found, question.words) else None

    def keep(self, question: Question, said: str, groups: Grouping) -> None:
        """Write an answer; once this returns, no crash loses it.

        Raises:
            MachineError: if the disk refuses.
        """
        self._append(question, said, {"groups": groups})
        self._groups[question.key] = groups

    def reject(self, question: Question, said: str, why: str) -> None:
        """Write an answer that makes no sense, to be looked at; it is asked for again."""
        self._append(question, said, {"rejected": why})

    def _append(self, question: Question, said: str, result: dict[str, Any]) -> None:
        line = {"key": question.key, "model": question.model, "run": question.run, "prompt": PROMPT_VERSION}
        line |= {"words": question.words, **result, "said": said[:_MAX_SAID]}
        content = json.dumps(line, ensure_ascii=True).encode() + b"\n"
        with self._lock:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX)
                try:
                    if self._cut_short():
                        content = b"\n" + content
                    if self._file.write(content) != len(content):
                        raise OSError(errno.ENOSPC, "no space left")
                    os.fsync(self._file.fileno())
                finally:
                    fcntl.flock(self._file, fcntl.LOCK_UN)
            except OSError as error:
                raise disk_problem(error, self.path) from error

    def _cut_short(self) -> bool:
        """Whether a crash left the last line without its end."""
        end = self._file.seek(0, os.SEEK_END)
        if not end:
            return False
        self._file.seek(end - 1)
        return self._file.read(1) != b"\n"

    def _read(self) -> None:
        with self.path.open("rb") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                    key, groups = entry["key"], entry["groups"]
                    self._groups[key] = tuple(tuple(map(str, group)) for group in groups)
                except (ValueError, KeyError, TypeError, RecursionError):
                    continue  # cut short, or a rejected answer

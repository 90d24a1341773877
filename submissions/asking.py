"""Groups of synonyms that a language model makes for the words of a submission, where the user asks for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mertools.errors import ConfigError
from mertools.tracks import Track
from submissions.aligning import words_of
from submissions.truth import read_truth

if TYPE_CHECKING:
    from mertools.wheels import Groups
    from mertools.wheels.endpoint import Endpoint


def asked_groups(
    track: Track,
    file: Path,
    truth: Path,
    store: Path | None,
    *,
    runs: int | None = None,
    endpoint: Endpoint | None = None,
    say: Callable[[str], None] | None = None,
) -> Groups:
    """Groups for the words of a truth and a submission; answers are kept in a folder and never asked for twice.

    Args:
        track: a track that needs groups.
        file: the submission.
        truth: the truth file.
        store: folder of the answers.
        runs: how often each set of words is grouped; 5, as MER2024 does, unless given.
        endpoint: the language model; that of ``MERTOOLS_LLM_BASE_URL`` and ``MERTOOLS_LLM_MODEL`` unless given.
        say: told in one line what it cost.

    Raises:
        ConfigError: if the track needs no groups or no folder is named.
        SubmissionError: if no endpoint is set up, or it fails; what was answered is kept.
    """
    if "groups" not in track.needs:
        raise ConfigError("MER-S167", f"{track.id} needs no groups of synonyms.", "Leave out --ask.")
    if store is None:
        raise ConfigError("MER-S167", "--ask needs a folder to keep the answers in.", "Name it with --groups DIR.")
    if runs is not None and runs < 1:
        raise ConfigError("MER-S167", f"--runs {runs}.", "Expected at least one run.")
    from mertools.wheels.endpoint import RUNS, Endpoint, ask_groups

    names, true, said = words_of(track, file, read_truth(track, truth))
    groups, usage = ask_groups(
        names, true, said, endpoint=endpoint or Endpoint.from_environment(), store=store, runs=runs or RUNS, ask=True
    )
    if say is not None:
        say(
            f"{usage.asked} of {usage.needed} groupings newly asked for, {usage.requests} requests, {usage.kept} kept "
            f"({usage.prompt_tokens} + {usage.completion_tokens} tokens)"
        )
    return groups

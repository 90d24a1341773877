"""The error tree: every failure a user can cause has a stable code and a way to mend it.

An error is one paragraph: what was found (file, line, name), what was expected, how to mend it.
Codes read ``MER-xNNN``; the letter names the room the error comes from:

====== =====================================
letter room
====== =====================================
C      corpus and manifest
M      media
V      embedding store
E      extractors and extraction
T      training and prediction
S      predictions files and submissions
R      recipes and options
K      registries (unknown names)
O      the machine: packages, disk, devices
====== =====================================
"""

from collections.abc import Iterable
from difflib import get_close_matches


class MerToolsError(Exception):
    """Base of all errors that are the user's to mend; the command line turns it into exit code 2.

    Args:
        code: stable code, ``MER-xNNN``.
        message: what was found and what was expected, one paragraph, with file, line and name where known.
        hint: how to mend it; may be empty.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """One paragraph: code, message, hint."""
        return f"{self.code}  {self.message}" + (f" {self.hint}" if self.hint else "")

    def __reduce__(self) -> tuple[type["MerToolsError"], tuple[str, str, str]]:
        """Errors cross process boundaries with code and hint intact."""
        return type(self), (self.code, self.message, self.hint)

    def as_json(self) -> dict[str, dict[str, str]]:
        """The ``--json`` form: ``{"error": {"code", "message", "hint"}}``."""
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}}


class CorpusError(MerToolsError):
    """A manifest, a raw corpus folder or a label is not what it should be."""


class MediaError(MerToolsError):
    """A media file cannot be probed or decoded; `status` is the clip status it leads to.

    Args:
        code: stable code.
        message: what was found and what was expected.
        hint: how to mend it.
        status: a name from `mertools.status.Status`, the status that a clip with this file ends with.
    """

    def __init__(self, code: str, message: str, hint: str = "", status: str = "decode_error") -> None:
        super().__init__(code, message, hint)
        self.status = status

    def __reduce__(self) -> tuple[type["MerToolsError"], tuple[str, str, str, str]]:  # type: ignore[override]
        """Keeps the status across processes."""
        return type(self), (self.code, self.message, self.hint, self.status)


class StoreError(MerToolsError):
    """The embedding store is missing, damaged, of another format, or lacks what was asked for."""


class ExtractionError(MerToolsError):
    """An extractor cannot be made or run: options, weights, device."""


class TrainingError(MerToolsError):
    """Training or prediction cannot start: data, targets, features, run folder."""


class SubmissionError(MerToolsError):
    """A predictions file, a truth file or a submission cannot be read or scored."""


class ConfigError(MerToolsError):
    """A recipe, an option or a value on the command line is wrong."""


class UnknownNameError(MerToolsError):
    """A name that no registry knows; the message suggests near ones."""


class MissingDependencyError(MerToolsError):
    """A package that an optional part needs is not installed; the hint is the install command."""


class MachineError(MerToolsError):
    """The machine refuses: disk full, device absent, permission denied."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``" Did you mean 'x'?"`` for the nearest known name, or the empty string.

    Example:
        >>> did_you_mean("suprise", ["neutral", "surprise"])
        " Did you mean 'surprise'?"
    """
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""

"""``mertools VERB``: one module per verb in this package; this module finds, parses and runs them.

A verb module has

* ``HELP``: one line;
* ``add_arguments(parser)``: its options (light imports only);
* ``run(arguments) -> Outcome``: does it; heavy imports inside.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from mertools import __version__
from mertools.errors import ConfigError, MachineError, MerToolsError, did_you_mean
from mertools.files import disk_problem

FINE, NOT_FINE, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True)
class Outcome:
    """What a verb found.

    Attributes:
        document: the JSON document of ``--json``.
        text: what is printed without ``--json``.
        exit_code: 0 fine; 1 the thing asked about is not fine.
    """

    document: Any
    text: str = ""
    exit_code: int = FINE


def say(message: str) -> None:
    """One line of progress or warning, on stderr (stdout is for results)."""
    print(message, file=sys.stderr, flush=True)


def assignments(words: Sequence[str]) -> dict[str, str]:
    """Read ``KEY=VALUE`` words.

    Raises:
        ConfigError: for a word without a key or without ``=``, or a key given twice.

    Example:
        >>> assignments(["seed=1", "name=a=b"])
        {'seed': '1', 'name': 'a=b'}
    """
    pairs = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key or key in pairs:
            fault = "repeats an option" if key in pairs else "is not KEY=VALUE"
            raise ConfigError("MER-R013", f"'{word}' {fault}.", "Options of this kind read KEY=VALUE, each once.")
        pairs[key] = value
    return pairs


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; never lets a user error through as a traceback (unless ``--debug``)."""
    words = list(sys.argv[1:] if argv is None else argv)
    as_json, debug = "--json" in words, "--debug" in words
    try:
        return _dispatch(words, as_json)
    except MerToolsError as error:
        if debug:
            raise
        _report(error, as_json)
        return BAD_INPUT
    except KeyboardInterrupt:
        if debug:
            raise
        stopped = MachineError(
            "MER-O098", "stopped; everything reported done is kept.", "Run the same command to continue."
        )
        if as_json:
            print(json.dumps(stopped.as_json(), indent=2))
        say(f"{stopped.message} {stopped.hint}")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except OSError as error:
        if debug:
            raise
        _report(_os_problem(error), as_json)
        return BAD_INPUT
    except Exception as error:
        if debug:
            raise
        _report(_own_fault(error), as_json)
        return BAD_INPUT


def verbs() -> list[str]:
    """Names of all verbs: the modules of this package."""
    return sorted(m.name.strip("_").replace("_", "-") for m in pkgutil.iter_modules(__path__) if m.name != "__main__")


def _dispatch(words: list[str], as_json: bool) -> int:
    if words and words[0] == "--version":
        print(f"mertools {__version__}")
        return FINE
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return FINE if words else BAD_INPUT
    outcome = execute(words)
    if as_json:
        print(json.dumps(outcome.document, ensure_ascii=False, allow_nan=False, indent=2, default=str))
    elif outcome.text:
        print(outcome.text)
    return outcome.exit_code


def execute(words: Sequence[str]) -> Outcome:
    """Run one command line and give back what it found, printing no result.

    Args:
        words: the verb and its options, as after ``mertools``.

    Raises:
        MerToolsError: as the verb does.
    """
    verb = words[0]
    if verb not in verbs():
        raise ConfigError(
            "MER-R010", f"there is no verb '{verb}'.{did_you_mean(verb, verbs())}", f"Verbs: {', '.join(verbs())}."
        )
    module = _module(verb)
    parser = _Parser(prog=f"mertools {verb}", description=module.HELP, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout; progress on stderr")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    module.add_arguments(parser)
    outcome: Outcome = module.run(parser.read(words[1:]))
    return outcome


def _module(verb: str) -> Any:
    """The module of a verb; verbs that are Python words end in an underscore there (``list_``)."""
    stem = verb.replace("-", "_")
    found = {m.name for m in pkgutil.iter_modules(__path__)}
    return importlib.import_module(f"mertools.cli.{stem if stem in found else stem + '_'}")


def _overview() -> str:
    lines = ["mertools VERB [OPTIONS]; `mertools VERB --help` explains one verb.", ""]
    lines += [f"  {verb:<12} {_module(verb).HELP}" for verb in verbs()]
    return "\n".join(
        [*lines, "", "Exit codes: 0 fine; 1 the thing asked about is not fine; 2 wrong usage or bad input."]
    )


def _report(error: MerToolsError, as_json: bool) -> None:
    if as_json:
        print(json.dumps(error.as_json(), ensure_ascii=False, indent=2))
    body = f"{error.code}  {error.message}"
    hint = "\n" + " " * 10 + error.hint.replace("\n", "\n" + " " * 10) if error.hint else ""
    say(body.replace("\n", "\n" + " " * 8) + hint)


def _os_problem(error: OSError) -> MerToolsError:
    name = Path(str(error.filename or "a file"))
    if isinstance(error, FileNotFoundError):
        return MachineError("MER-O004", f"{name} does not exist.", "Check the path.")
    return disk_problem(error, name)


def _own_fault(error: Exception) -> MerToolsError:
    """For what no part of the toolkit foresaw: still one paragraph, with what a bug report needs."""
    import traceback

    place = traceback.extract_tb(error.__traceback__)[-1]
    return MachineError(
        "MER-O099",
        f"this should not happen: {type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno}).",
        "It is a fault of mertools. Run the same command with --debug and report what it prints.",
    )


class _Parser(argparse.ArgumentParser):
    """argparse whose errors are one paragraph with a code and the nearest option, and words may follow options."""

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse the words behind the verb."""
        if self._subparsers is not None:
            return self.parse_args(words)
        return self.parse_intermixed_args(words)

    def error(self, message: str) -> NoReturn:
        hint = f"`{self.prog} --help` lists the options."
        if "unrecognized arguments: " in message:
            given = message.split("unrecognized arguments: ")[1].split()[0]
            known = [option for action in self._actions for option in action.option_strings]
            raise ConfigError("MER-R011", f"{self.prog} has no option '{given}'.{did_you_mean(given, known)}", hint)
        raise ConfigError("MER-R012", f"{self.prog}: {message}.", hint)

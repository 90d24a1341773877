"""Dataclasses in and out of YAML and the command line, and the fingerprint of a configuration."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from mertools.errors import ConfigError, did_you_mean

D = TypeVar("D")


@dataclasses.dataclass(frozen=True)
class NameSpec:
    """One element of ``--with`` or ``--features``: ``NAME[@FINGERPRINT][:key=value...]``."""

    name: str
    options: dict[str, str] = dataclasses.field(default_factory=dict)
    fingerprint: str = ""

    def __str__(self) -> str:
        """The form a user would type."""
        at = f"@{self.fingerprint}" if self.fingerprint else ""
        return self.name + at + "".join(f":{key}={value}" for key, value in self.options.items())


def parse_name_spec(text: str) -> NameSpec:
    """Read ``NAME[@FINGERPRINT][:key=value...]``; a value may hold colons (paths).

    Raises:
        ConfigError: if there is no name or an option has no ``=``.

    Example:
        >>> parse_name_spec("face/clip:weights=models/clip")
        NameSpec(name='face/clip', options={'weights': 'models/clip'}, fingerprint='')
    """
    head, *pairs = re.split(r":(?=[A-Za-z_]\w*=)", text.strip())
    name, _, fingerprint = head.partition("@")
    if not name or ":" in name or "=" in name:
        raise ConfigError(
            "MER-R001",
            f"'{text}' is not a name with options.",
            "Expected NAME[:key=value...], e.g. face/clip:weights=DIR.",
        )
    return NameSpec(name, dict(pair.split("=", 1) for pair in pairs), fingerprint)


def parse_name_specs(text: str | Sequence[str]) -> list[NameSpec]:
    """Read a comma list (or a sequence) of name specs. A comma in an option's value is kept unless a name follows."""
    parts = re.split(r",(?=\s*[a-z_]+/)", text) if isinstance(text, str) else list(text)
    specs = [parse_name_spec(part) for part in parts if part.strip(", ")]
    if not specs:
        raise ConfigError("MER-R002", "an empty list of names was given.", "Expected NAME[,NAME...].")
    return specs


def from_mapping(cls: type[D], values: Mapping[str, Any], what: str) -> D:
    """Make a dataclass from a mapping, strictly: unknown keys and wrong types are errors; text is converted.

    Args:
        cls: the dataclass.
        values: its fields; strings such as ``"0.3"`` are converted to the field's type.
        what: what is being configured, for messages ("extractor face/hog", "recipe demo.yaml").

    Raises:
        ConfigError: for an unknown key (with the nearest known one) or a value of the wrong type.
    """
    import msgspec

    known = [f.name for f in dataclasses.fields(cls) if f.init]  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise ConfigError(
                "MER-R003",
                f"{what} has no option '{key}'.{did_you_mean(key, known)}",
                f"Options: {', '.join(known) or 'none'}.",
            )
    try:
        made = msgspec.convert(dict(values), cls, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise ConfigError("MER-R004", f"{what}: {_in_words(str(error), values, cls)}.", "Mend the value.") from None
    for key in values:
        given = getattr(made, key)
        if isinstance(given, float) and not math.isfinite(given):
            raise ConfigError("MER-R004", f"{what}: {key}: {given} is not a finite number.", "Mend the value.")
    return made


_WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text", "array": "a list"}
_WORDS["object"] = "a mapping"


def _in_words(problem: str, values: Mapping[str, Any], cls: type) -> str:
    """A problem as msgspec says it, as a user would: ``epochs: 'abc' is not a whole number``."""
    lacking = re.match(r"Object missing required field `([^`]+)`", problem)
    where = re.search(r"`\$\.?([^`]*)`", problem)
    inside = f" in {where.group(1)}" if where and where.group(1) else ""
    if lacking:
        return f"'{lacking.group(1)}' is missing{inside}"
    key = where.group(1) if where else ""
    given = f"{key}: {values[key]!r}" if key in values else key
    wrong_type = re.match(r"Expected `([^`]+)`, got `([^`]+)`", problem)
    if given and wrong_type:
        kinds = " or ".join(_WORDS.get(kind.strip(), kind.strip()) for kind in wrong_type.group(1).split("|"))
        return f"{given} is not {kinds}"
    if key in values and problem.startswith("Invalid enum value"):
        allowed = get_args(get_type_hints(cls).get(key))
        return f"{given} is not one of: " + ", ".join(str(value) for value in allowed)
    return f"{problem} (given: {values[key]!r})" if key in values else problem


def to_mapping(config: Any) -> dict[str, Any]:
    """A dataclass as plain JSON-able data, in field order; paths become text."""
    plain: dict[str, Any] = json.loads(canonical_json(dataclasses.asdict(config), sort=False))
    return plain


def load_yaml(path: Path) -> Any:
    """Read a YAML file with the safe loader.

    Raises:
        ConfigError: if it is missing or not YAML; the message has the line.
    """
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError("MER-R005", f"{path} does not exist.", "Check the path.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            "MER-R006", f"{path} is not YAML: {' '.join(str(error).split())}.", "Mend the file."
        ) from None


def dump_yaml(value: Any) -> str:
    """YAML text with keys in the given order."""
    import yaml

    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)
    return text


def fingerprint(value: Any) -> str:
    """16 hexadecimal digits that name a configuration: a hash of its canonical JSON.

    Example:
        >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
        True
    """
    return hashlib.blake2b(canonical_json(value).encode(), digest_size=8).hexdigest()


def canonical_json(value: Any, *, sort: bool = True) -> str:
    """JSON text that is the same for equal values: sorted keys, no spaces, no NaN."""
    return json.dumps(
        value, sort_keys=sort, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_encode
    )


def _encode(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _decode(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError  # how msgspec wants to hear that a type is not ours to convert

"""The built-in wheels: written for this package from published psychology, not from any challenge's tables.

Three wheels, leaves in ``data/*.csv``:

* Plutchik, R. (1980). Emotion: a psychoevolutionary synthesis. Eight primary emotions; at level 2 their three
  intensities and the dyads, each dyad beside the one of its two primaries that it resembles more.
* Parrott, W. G. (2001). Emotions in social psychology, after Shaver et al. (1987). Primary, secondary and tertiary
  emotions as printed.
* Willcox, G. (1982). The feeling wheel. Transactional Analysis Journal 12(4). Six cores with feelings around them, and
  a few feelings added so that each core has happiness', anger's and fear's plain words.

``data/concepts.csv`` says in each row where words of one meaning stand on each wheel, unless a word is itself a label
there; a row without any place lists words that must not be taken for a form. Forms follow the rules of `forms_of`; a
written word goes before a formed one, and of two words that form the same the earlier counts.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files

from mertools.wheels.tables import Wheel, Wheels

NAMES = ("plutchik", "parrott", "willcox")
LABEL = "built-in (Plutchik, Parrott, Willcox): not official"

_NO_VERB = re.compile(r"(ed|ing|ly|ness|ous|ful|less|ive|ic|al|tion|sion|ment|ity|ent|ant|ence|ance|able|ible)$")
_SIBILANT = re.compile(r"(s|x|z|ch|sh)$")
_Y = re.compile(r"[^aeiou]y$")
_DOUBLED = re.compile(r"([bdglmnprt])\1$")
_SHORT = 7
"""Longest word that is compared with -er and -est."""


@lru_cache(maxsize=1)
def builtin_wheels() -> Wheels:
    """See `Wheels.builtin`."""
    wheels = tuple(Wheel.from_rows(name, [tuple(row) for row in _table(f"{name}.csv")]) for name in NAMES)  # type: ignore[misc]
    concepts = [(row[: len(NAMES)], row[-1].split(", ")) for row in _table("concepts.csv")]
    blocked = {word for places, words in concepts if not any(places) for word in words}
    meaning = {word: (places, words[0]) for places, words in concepts if any(places) for word in words}
    base = {word: word for word in meaning}
    for word in meaning:
        for form in forms_of(word):
            if form not in blocked:
                base.setdefault(form, word)
    return Wheels(
        wheels=wheels,
        forms={form: (word,) for form, word in base.items()},
        synonyms={word: (head,) for word, (_, head) in meaning.items()},
        places={form: _places(form, word, meaning[word][0], wheels) for form, word in base.items()},
        edition="built-in",
        label=LABEL,
        warnings=(f"scored with the wheels {LABEL}",),
    )


def _places(form: str, word: str, places: list[str], wheels: tuple[Wheel, ...]) -> tuple[str | None, ...]:
    """Where a form of a word stands: at itself or the word if that is a label, else where its meaning does."""
    return tuple(
        next(label for label in (form, word, place or None) if label is None or label in wheel.level1)
        for place, wheel in zip(places, wheels, strict=True)
    )


def forms_of(word: str) -> Iterator[str]:
    """Regular forms of a word, whether or not the language uses them; phrases have none.

    Plural and third person; adverb in -ly; noun in -ness; -er and -est of words up to seven letters; past and
    participle of what does not end like an adjective or a noun; and back from -ed and -ing to the verb, its forms and
    its nouns in -ment and -ation.

    Example:
        >>> {"happily", "happiness", "happier"} <= {*forms_of("happy")}, "frustrating" in {*forms_of("frustrated")}
        (True, True)
    """
    if not word.isalpha():
        return
    yield _plural(word)
    yield _adverb(word)
    yield (word[:-1] + "i" if _Y.search(word) else word) + "ness"
    if len(word) <= _SHORT:
        stem = word[:-1] + "i" if _Y.search(word) else word.removesuffix("e")
        yield from (stem + "er", stem + "est")
    if not _NO_VERB.search(word):
        yield from _verb_forms(word)
    for stem in _stems(word):
        yield from (stem, _plural(stem), *_verb_forms(stem), stem + "ment", stem + "ments")
        if stem.endswith("ate"):
            yield from (stem[:-1] + "ion", stem[:-1] + "ions")


def _stems(word: str) -> Iterator[str]:
    """Verbs that a word in -ed or -ing may come from, of four letters or more."""
    ending = next((ending for ending in ("ed", "ing") if word.endswith(ending)), None)
    if ending is None:
        return
    cut = word.removesuffix(ending)
    if word.endswith("ied"):
        stems = [word[:-3] + "y"]
    elif _DOUBLED.search(cut):
        stems = [cut[:-1], cut]
    else:
        stems = [cut, cut + "e"]
    yield from (stem for stem in stems if len(stem) > 3)


def _verb_forms(verb: str) -> Iterator[str]:
    doubled = verb + verb[-1]
    past = verb[:-1] + "ied" if _Y.search(verb) else verb.removesuffix("e") + "ed"
    participle = (verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else verb) + "ing"
    yield from (past, participle, past + "ly", participle + "ly")
    if re.search(r"[^aeiou][aeiou][bdglmnprt]$", verb):
        yield from (doubled + "ed", doubled + "ing")


def _plural(word: str) -> str:
    if _Y.search(word):
        return word[:-1] + "ies"
    return word + ("es" if _SIBILANT.search(word) else "s")


def _adverb(word: str) -> str:
    if _Y.search(word):
        return word[:-1] + "ily"
    if word.endswith("ic"):
        return word + "ally"
    if re.search(r"[^aeiou]le$", word):
        return word[:-1] + "y"
    return word + ("y" if word.endswith("ll") else "ly")


def _table(name: str) -> list[list[str]]:
    text = (files("mertools.wheels") / "data" / name).read_text(encoding="utf-8")
    return list(csv.reader(io.StringIO(text)))[1:]

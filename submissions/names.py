"""Names of rows: which are missing, repeated, foreign, misspelt or out of order.

A row's key is one string; where several columns identify it (name, a1, a2) their cells are joined by a character that
no cell may hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mertools.errors import did_you_mean
from mertools.tracks import Track
from submissions import problems as codes
from submissions.problems import RUN_FIX, Problem, Severity

JOINT = "\x1f"


def join_keys(columns: Sequence[list[str]]) -> list[str]:
    """Keys of rows from the cells of their key columns."""
    return columns[0] if len(columns) == 1 else [JOINT.join(cells) for cells in zip(*columns, strict=True)]


def shown(key: str) -> str:
    """A key for people."""
    return key.replace(JOINT, " ")


def name_problems(
    track: Track, keys: Sequence[str], numbers: Sequence[int], candidates: Sequence[str] | None
) -> list[Problem]:
    """Names of all rows; the common case of no problem runs through set operations alone."""
    column = track.upload.keys[0]
    rows = dict(zip(keys, numbers, strict=True))
    found = []
    if len(rows) < len(keys):
        first = dict(zip(reversed(keys), reversed(numbers), strict=True))
        rows = {key: first[key] for key in rows}
        found = _repeats(keys, numbers, rows, column)
    strange = set(rows).difference(candidates) if candidates is not None else rows.keys()
    odd = {key for key in strange if key != _strip(key) or not key or (JOINT in key and not _complete(key))}
    for number, key in zip(numbers, keys, strict=True) if odd else ():
        if key not in odd:
            continue
        name = shown(key)
        if not _complete(key):
            found.append(Problem(codes.EMPTY_NAME, "error", number, column, name, "a name", "Write the name."))
        else:
            mend = f"Delete the spaces, {RUN_FIX}"
            found.append(Problem(codes.SPACES, "error", number, column, name, "no spaces around it", mend, name))
    if candidates is None:
        return found + _count_problems(track, len(rows))
    return found + _set_problems(rows, candidates, column) + _order_problems(track, rows, candidates, column)


def _repeats(keys: Sequence[str], numbers: Sequence[int], first: dict[str, int], column: str) -> list[Problem]:
    found = []
    for number, key in zip(numbers, keys, strict=True):
        if number != first[key]:
            name, expected = shown(key), f"each name once (row {first[key]} has it)"
            found.append(Problem(codes.DUPLICATE_NAME, "error", number, column, name, expected, "Delete one.", name))
    return found


def _count_problems(track: Track, n_names: int) -> list[Problem]:
    count = track.candidates.count
    if count is None or n_names == count:
        return []
    mend = "Predict every candidate once; if yours is another list, name it with --candidates."
    return [Problem(codes.ROW_COUNT, "error", None, None, f"{n_names} distinct names", f"{count}", mend)]


def _set_problems(rows: dict[str, int], candidates: Sequence[str], column: str) -> list[Problem]:
    """Names that are no candidates, and candidates without a row."""
    wanted = set(candidates)
    if rows.keys() == wanted:
        return []
    found: list[Problem] = []
    meant = meant_keys(list(rows), candidates)
    strangers = [key for key in rows if key not in wanted]
    near = [shown(c) for c in candidates] if len(strangers) <= 20 and len(wanted) <= 2000 else []  # else too slow
    for key in strangers:
        name = shown(key)
        if key not in meant:
            mend = "Delete the row." + did_you_mean(name, near)
            found.append(Problem(codes.EXTRA_NAME, "error", rows[key], column, name, "a name of the list", mend, name))
        elif _strip(key) != meant[key]:
            mend = f"Write it so, {RUN_FIX}"
            expected = shown(meant[key])
            found.append(Problem(codes.NAME_CASE, "error", rows[key], column, name, expected, mend, name))
    covered = {meant.get(key, key) for key in rows}
    for key in candidates:
        if key not in covered:
            name, mend = shown(key), "Add a row for it."
            found.append(Problem(codes.MISSING_NAME, "error", None, column, "no row", name, mend, name))
    return found


def _order_problems(track: Track, rows: dict[str, int], candidates: Sequence[str], column: str) -> list[Problem]:
    """The first row out of order, where the names are complete."""
    keys = list(rows)
    if len(keys) != len(candidates) or keys == list(candidates):
        return []
    if rows.keys() != set(candidates):
        meant = meant_keys(keys, candidates)
        keys = [meant.get(key, key) for key in keys]
        if keys == list(candidates) or set(keys) != set(candidates):
            return []
    demanded = track.candidates.ordered
    at = next(i for i, (key, candidate) in enumerate(zip(keys, candidates, strict=True)) if key != candidate)
    name = shown(keys[at])
    expected = "the order of the candidate list" + ("" if demanded else " (any order is scored)")
    severity: Severity = "error" if demanded else "warning"
    mend = f"Sort the rows, {RUN_FIX}"
    return [Problem(codes.ORDER, severity, list(rows.values())[at], column, name, expected, mend, name)]


def meant_keys(keys: Sequence[str], candidates: Sequence[str]) -> dict[str, str]:
    """For each key that is no candidate: the one that differs in spaces and case alone, if nothing else claims it."""
    wanted, present = set(candidates), set(keys)
    strangers = [key for key in keys if key not in wanted]
    if not strangers:
        return {}
    folded: dict[str, list[str]] = {}
    for candidate in candidates:
        folded.setdefault(_fold(candidate), []).append(candidate)
    claims = Counter(_fold(key) for key in strangers)
    meant = {}
    for key in strangers:
        near = folded.get(_fold(key), [])
        if len(near) == 1 and near[0] not in present and claims[_fold(key)] == 1:
            meant[key] = near[0]
    return meant


def _complete(key: str) -> bool:
    return all(part.strip() for part in key.split(JOINT))


def _strip(key: str) -> str:
    return JOINT.join(part.strip() for part in key.split(JOINT)) if JOINT in key else key.strip()


def _fold(key: str) -> str:
    return _strip(key).casefold()

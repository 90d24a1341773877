"""texts: a zip with one text file per clip, called after it and holding one word."""

from __future__ import annotations

from mertools.tracks import Upload
from submissions import problems as codes
from submissions.archive import open_members, write_zip
from submissions.problems import RUN_FIX, Problem
from submissions.table import Table

MAX_MEMBERS = 60_000
_MAX_BYTES = 1_000


def read(content: bytes, upload: Upload) -> Table:
    """Read all text files of the zip; the row number is the position in the zip."""
    opened = open_members(content, upload.suffix, max_members=MAX_MEMBERS)
    table = Table(kind="texts", zipped=True, problems=opened.problems)
    for number, (member, text) in enumerate(opened.contents.items(), start=1):
        clip = member[: -len(upload.suffix)].rsplit("/", 1)[-1]
        table.rows.append([clip, _word(text, clip, number, upload, table)])
    table.numbers = range(1, len(table.rows) + 1)
    if opened.contents:
        table.header = [column.name for column in upload.columns]
    return table


def write(table: Table, upload: Upload) -> bytes:
    """The zip: one member per row, in the order of the rows, each the word alone."""
    return write_zip({clip + upload.suffix: word.encode("utf-8") for clip, word in table.rows})


def _word(content: bytes, clip: str, number: int, upload: Upload, table: Table) -> str:
    column = upload.columns[-1].name

    def note(code: str, found: str, expected: str, mend: str) -> None:
        table.problems.append(Problem(code, "error", number, column, found, expected, mend, clip))

    if content.startswith(b"\xef\xbb\xbf"):
        content = content[3:]
        note(codes.BYTE_ORDER_MARK, "a byte order mark", "UTF-8 without it", f"Save as plain UTF-8, {RUN_FIX}")
    try:
        text = content[:_MAX_BYTES].decode("utf-8")
    except UnicodeDecodeError:
        note(codes.NOT_UTF8, "bytes that are no text", "UTF-8 text", "Save as UTF-8.")
        return ""
    if "\r" in text:
        note(codes.LINE_ENDS, "carriage returns", "the word alone", f"Save with LF, {RUN_FIX}")
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.removesuffix("\n").split("\n")
    filled = [line for line in lines if line.strip()]
    if len(filled) < len(lines) and filled:
        note(codes.BLANK_LINES, "empty lines", "the word alone", f"Delete them, {RUN_FIX}")
    if len(content) > _MAX_BYTES or len(filled) > 1:
        note(codes.TEXT_FILE, f"{len(filled)} lines, {len(content)} bytes", "one word", "Write the one word.")
        return " ".join(filled)  # no label: nothing of it may be taken for one
    return filled[0] if filled else ""

"""The scoring program of a bundle; it stands there as ``score.py``, beside ``track.py`` and what both import.

``python3 score.py INPUT OUTPUT`` reads ``INPUT/ref`` (truth, tables) and ``INPUT/res`` (the unpacked upload) and writes
``OUTPUT/scores.json`` and ``OUTPUT/detailed_results.html``. It needs Python 3.11 and numpy.
"""

from __future__ import annotations

import html
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

INPUT, OUTPUT = "/app/input", "/app/output"  # where CodaBench puts them


def main(words: list[str]) -> int:
    """Score; exit code 1, and the reason on stderr, if the upload cannot be scored."""
    if sys.version_info < (3, 11):  # noqa: UP036  (platforms still run older ones)
        print("this scoring program needs Python 3.11 or newer", file=sys.stderr)
        return 1
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from track import TRACK  # the bundle's own

    from mertools.errors import MerToolsError
    from submissions.scoring import score

    source, out = Path(words[0] if words else INPUT), Path(words[1] if len(words) > 1 else OUTPUT)
    out.mkdir(parents=True, exist_ok=True)
    reference = source / "ref"
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = uploaded(TRACK.upload, source / "res", Path(folder))
            scored = score(
                TRACK,
                file,
                reference / "truth.csv",
                wheels=read_wheels(reference / "wheels.json"),
                groups=reference / "groups.jsonl" if (reference / "groups.jsonl").is_file() else None,
                mode="strict",
                n_draws=0,
            )
    except MerToolsError as error:
        print(f"{error.code}  {error.message} {error.hint}", file=sys.stderr)
        (out / "detailed_results.html").write_text(page(TRACK.title, str(error), {}), encoding="utf-8")
        return 1
    document = scored.as_json()
    (out / "scores.json").write_text(json.dumps(document["metrics"], indent=2) + "\n", encoding="utf-8")
    (out / "detailed_results.html").write_text(page(TRACK.title, "", document), encoding="utf-8")
    print(json.dumps(document["metrics"]))
    return 0


def uploaded(upload: Any, folder: Path, scratch: Path) -> Path:
    """The file to score among those that the platform unpacked.

    Args:
        upload: the track's.
        folder: where they lie.
        scratch: an empty folder; single texts are put into one file there.

    Raises:
        SubmissionError: if there is none, or several of which none has the prescribed name.
    """
    from mertools.errors import SubmissionError
    from submissions.archive import write_zip

    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    suffix = "." + upload.suffix.rpartition(".")[2]
    found = [path for path in files if path.suffix.lower() == suffix]
    if upload.kind == "texts" and found:
        whole = scratch / "texts.zip"
        whole.write_bytes(write_zip({path.name: path.read_bytes() for path in found}))
        return whole
    named = [path for path in found if path.name == upload.file_name]
    for choice in (named, found, [path for path in files if path.suffix.lower() == ".zip"]):
        if len(choice) == 1:
            return choice[0]
    names = ", ".join(path.name for path in files[:5]) or "nothing"
    raise SubmissionError(
        "MER-S165", f"the upload holds {names}; expected one {upload.suffix} file.", "Zip that one file alone."
    )


def read_wheels(path: Path) -> Any:
    """The tables of emotion wheels in the reference data; None if there are none."""
    if not path.is_file():
        return None
    from mertools.wheels.tables import Wheels

    return Wheels.from_json(json.loads(path.read_text(encoding="utf-8")))


def page(title: str, problem: str, document: dict[str, Any]) -> str:
    """A small page of results, everything in it escaped."""
    rows = [f"<tr><td>{html.escape(k)}</td><td>{v!r}</td></tr>" for k, v in document.get("metrics", {}).items()]
    for row in document.get("per_class", []):
        cells = [html.escape(str(row["label"])), f"F1 {row['f1']:.4f}, {row['support']} true, {row['predicted']} said"]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    notes = [problem, *document.get("notes", ())]
    notes += [f"{w['code']}: {w['found']}; expected {w['expected']}" for w in document.get("warnings", ())[:50]]
    listed = "".join(f"<li>{html.escape(note)}</li>" for note in notes if note)
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title></head>'
    return f"{head}<body><h1>{html.escape(title)}</h1><table>{''.join(rows)}</table><ul>{listed}</ul></body></html>\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

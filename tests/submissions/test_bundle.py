"""A bundle runs on Python and numpy alone, gives the number that `score` gives, and is the same bytes everywhere."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mertools.errors import SubmissionError
from submissions import InvalidSubmissionError, package, score
from submissions.bundle import bundle
from submissions.closure import closure, imports, third_party
from submissions.rehearsal import dry_run


def groups_for(made, folder: Path) -> Path | None:
    if "groups" not in made.track.needs:
        return None
    lines = [json.dumps({"run": 1, "name": row[0], "groups": [["happy", "proud"]]}) for row in made.rows[1:]]
    (folder / "groups.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "groups.jsonl"


def wrong(made):
    """The valid submission with its cells moved by a row, so that the score is not perfect."""
    n = len(made.track.upload.keys)
    moved = [row[:n] + other[n:] for row, other in zip(made.rows[1:], [*made.rows[2:], made.rows[1]], strict=True)]
    return made.text([made.rows[0], *moved])


def test_a_dry_run_gives_the_score(made, tmp_path: Path) -> None:
    if made.track.scorer is None:
        with pytest.raises(SubmissionError) as raised:
            bundle(made.track, made.truth, tmp_path / "b")
        assert raised.value.code == "MER-S076"
        return
    groups = groups_for(made, tmp_path)
    made.write(wrong(made))
    upload = tmp_path / ("up.zip" if made.track.upload.container == "zip" else f"up{made.track.upload.suffix}")
    package(made.track, made.write(wrong(made)), upload, candidates=made.candidates)
    bundle(made.track, made.truth, tmp_path / "b", groups=groups)
    found = dry_run(made.track, upload, folder=tmp_path / "b")
    assert found.equal
    assert not found.packaged
    expected = score(made.track, upload, made.truth, groups=groups, mode="strict", n_draws=20)
    assert found.scores == pytest.approx(dict(expected.metrics), rel=0, abs=1e-12)
    assert found.scores[made.track.primary] != 1.0


def isolated(folder: Path, program: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The program in an interpreter that can import the standard library, numpy and nothing else."""
    site = folder / "site"
    site.mkdir()
    home = Path(np.__file__).parent
    for name in ("numpy", "numpy.libs"):
        if (home.parent / name).exists():
            (site / name).symlink_to(home.parent / name)
    code = (
        f"import sys, runpy; sys.path.append({str(site)!r}); sys.argv = {[str(program), *words]!r}\n"
        f"try: runpy.run_path({str(program)!r}, run_name='__main__')\n"
        "finally: print(sorted({n.split('.')[0] for n in sys.modules}), file=sys.stderr)"
    )
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False, env={"PATH": os.defpath}
    )


@pytest.mark.parametrize("track", ["mer2023-multi", "mer2025-fg", "abaw6-au", "emotiw-afew", "mer2026-prefer"])
def test_the_program_needs_python_and_numpy_alone(maker, track: str, tmp_path: Path) -> None:
    m = maker(track)
    made = bundle(m.track, m.truth, tmp_path / "b")
    source = tmp_path / "input"
    (source / "res").mkdir(parents=True)
    (source / "ref").symlink_to(tmp_path / "b" / "reference_data")
    if track == "emotiw-afew":
        zipfile.ZipFile(m.write()).extractall(source / "res")
    else:
        (source / "res" / f"x{m.suffix}").write_bytes(m.text())
    done = isolated(tmp_path, tmp_path / "b" / "scoring_program" / "score.py", str(source), str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert scores[m.track.primary] == pytest.approx(1.0, abs=1e-12)
    assert set(scores) == {metric.name for metric in m.track.metrics}
    loaded = set(json.loads(done.stderr.strip().splitlines()[-1].replace("'", '"')))
    assert {"mertools", "submissions", "numpy", "track"} <= loaded
    ours = loaded - set(sys.stdlib_module_names) - {"mertools", "submissions", "numpy", "track"}
    assert not {name for name in ours if not name.startswith("_")}
    assert (tmp_path / "out" / "detailed_results.html").read_text().startswith("<!doctype html>")
    assert "submissions.packaging" not in made.modules
    assert "mertools.corpus" not in made.modules


def test_the_program_tells_participants_what_is_wrong(multi, tmp_path: Path) -> None:
    bundle(multi.track, multi.truth, tmp_path / "b")
    bad = multi.write(multi.edited(3, "discrete", "<script>"))
    with pytest.raises(SubmissionError, match=r"exit code 1\): MER-S082.*row 4") as raised:
        dry_run(multi.track, bad, folder=tmp_path / "b")
    assert raised.value.code == "MER-S193"


def test_results_pages_hold_nothing_that_runs(multi, tmp_path: Path) -> None:
    from submissions.scoring_program import main

    bundle(multi.track, multi.truth, tmp_path / "b")
    del main
    source = tmp_path / "input"
    (source / "res").mkdir(parents=True)
    (source / "ref").symlink_to(tmp_path / "b" / "reference_data")
    (source / "res" / "x.csv").write_bytes(multi.edited(3, "discrete", "<script>"))
    done = isolated(tmp_path, tmp_path / "b" / "scoring_program" / "score.py", str(source), str(tmp_path / "out"))
    assert done.returncode == 1
    page = (tmp_path / "out" / "detailed_results.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_bundle_is_the_same_bytes_again_and_its_zips_are_its_folders(multi, tmp_path: Path) -> None:
    first = bundle(multi.track, multi.truth, tmp_path / "a")
    second = bundle(multi.track, multi.truth, tmp_path / "b")
    assert first.sha256 == second.sha256
    bundle(multi.track, multi.truth, tmp_path / "a")  # over an older one
    for name in ("scoring_program", "reference_data"):
        with zipfile.ZipFile(tmp_path / "a" / f"{name}.zip") as archive:
            packed = {n: archive.read(n) for n in archive.namelist()}
        folder = tmp_path / "a" / name
        assert packed == {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert packed == {"truth.csv": multi.truth.read_bytes()}
    assert "score.py /app/input /app/output" in (tmp_path / "a" / "scoring_program" / "metadata.yaml").read_text()


def test_a_bundle_does_not_go_where_other_things_are(multi, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.tex").write_text("years of work")
    with pytest.raises(SubmissionError) as raised:
        bundle(multi.track, multi.truth, tmp_path / "b")
    assert raised.value.code == "MER-S166"
    assert (tmp_path / "b" / "thesis.tex").exists()
    multi.truth.write_text("name,discrete,valence\na,joy,1\n")
    with pytest.raises(SubmissionError) as raised:
        bundle(multi.track, multi.truth, tmp_path / "c")
    assert raised.value.code == "MER-S075"
    assert not (tmp_path / "c").exists()


def test_the_skeleton_of_a_competition_is_yaml_that_names_both_zips(made, tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    if made.track.scorer is None:
        return
    bundle(made.track, made.truth, tmp_path / "b", groups=groups_for(made, tmp_path))
    found = yaml.safe_load((tmp_path / "b" / "competition.yaml").read_text())
    (task,) = found["tasks"]
    assert all((tmp_path / "b" / task[key]).is_file() for key in ("scoring_program", "reference_data"))
    assert [c["key"] for c in found["leaderboards"][0]["columns"]] == [m.name for m in made.track.metrics]
    yaml.safe_load((tmp_path / "b" / "scoring_program" / "metadata.yaml").read_text())


def test_a_dry_run_packages_predictions_first(multi, tmp_path: Path) -> None:
    rows = [[*multi.rows[0], "prob_sad"], *[[*row, "0.5"] for row in multi.rows[1:]]]
    found = dry_run(multi.track, multi.write(multi.text(rows)), truth=multi.truth, candidates=multi.candidates)
    assert found.equal
    assert found.packaged
    rows[2][1] = "joy"
    with pytest.raises(InvalidSubmissionError):
        dry_run(multi.track, multi.write(multi.text(rows)), truth=multi.truth, candidates=multi.candidates)


def test_a_program_that_does_not_end_is_stopped(multi, tmp_path: Path) -> None:
    bundle(multi.track, multi.truth, tmp_path / "b")
    (tmp_path / "b" / "scoring_program" / "score.py").write_text("while True: pass\n")
    with pytest.raises(SubmissionError) as raised:
        dry_run(multi.track, multi.write(), folder=tmp_path / "b", limit_s=0.2)
    assert raised.value.code == "MER-S192"


def test_a_folder_that_is_no_bundle_is_refused(multi, tmp_path: Path) -> None:
    for options, code in (({}, "MER-S190"), ({"folder": tmp_path}, "MER-S191")):
        with pytest.raises(SubmissionError) as raised:
            dry_run(multi.track, multi.write(), **options)
        assert raised.value.code == code


def test_the_closure_follows_imports_within_functions_and_not_those_for_type_checkers(tmp_path: Path) -> None:
    source = tmp_path / "m.py"
    source.write_text(
        "from typing import TYPE_CHECKING\nimport mertools.files\nif TYPE_CHECKING:\n    import mertools.corpus\n"
        "def f():\n    from mertools import labels\n    import scipy\n"
    )
    assert {"mertools.files", "mertools", "mertools.labels", "scipy"} <= imports(source)
    assert "mertools.corpus" not in imports(source)
    found = closure(["submissions.scoring"])
    assert {"mertools", "mertools.errors", "mertools.metrics.intervals", "submissions.formats.npz"} <= set(found)
    assert third_party(found.values()) == {"numpy"}

"""The cluster engine on a Ray of this machine; the rows are those of the local engine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from feature_extractors import extract
from mertools.errors import MerToolsError

pytest.importorskip("ray", reason="Ray is not installed (pip install 'mertools[ray]')")
pytestmark = pytest.mark.slow

OPTIONS = {"group_clips": 3, "quiet": True, "device": "cpu", "flush_s": 0.0, "decoders": 1}
RAY = {**OPTIONS, "engine": "ray", "workers": 2}


@pytest.fixture(scope="module", autouse=True)
def _ray_of_this_machine():
    """One Ray for all tests here, whose processes import what this one does, and the fakes."""
    import ray

    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *(place for place in sys.path if place)])
    yield
    ray.shutdown()
    os.environ["PYTHONPATH"] = before


def check_alike(found, expected):
    """The same rows and statuses, the same values within rounding."""
    assert [space.fingerprint for space in found.spaces()] == [space.fingerprint for space in expected.spaces()]
    for space in expected.spaces():
        assert found.status(space) == expected.status(space)
        for clip, embedding in expected.read_all(space).items():
            other = found.read(space, clip)
            tolerance = 1e-5 * max(1.0, np.abs(embedding.values).max())
            np.testing.assert_allclose(other.values, embedding.values, atol=tolerance, rtol=0)
            np.testing.assert_array_equal(other.times_s, embedding.times_s)


@pytest.mark.parametrize("spool", [False, True])
def test_rows_and_statuses_are_those_of_the_local_engine(corpus, store, new_store, fakes, tmp_path, spool):
    names = fakes.names_of(corpus)
    extract(corpus, names, store, **OPTIONS)
    clustered = new_store("clustered")
    options = {**RAY, "spool": str(tmp_path / "spool")} if spool else RAY
    summary = extract(corpus, names, clustered, **options)
    assert (summary.rows, summary.status) == (36, {"ok": 35, "no_text": 1})
    check_alike(clustered, store)
    assert extract(corpus, names, clustered, **options).rows == 0
    if spool:
        assert list((tmp_path / "spool").iterdir()) == []


def test_models_compute_the_same_within_rounding(corpus, store, new_store, fakes, tiny_model):
    names = [f"audio/hubert:weights={tiny_model('hubert')}", f"text/encoder:weights={tiny_model('bert')}"]
    extract(corpus, names, store, level="frame", **OPTIONS)
    clustered = new_store("clustered")
    assert extract(corpus, names, clustered, level="frame", **RAY).status == {"ok": 23, "no_text": 1}
    check_alike(clustered, store)


def test_a_run_goes_on_where_another_engine_stopped(corpus, store, new_store, fakes):
    names = fakes.names_of(corpus)
    extract(corpus, names, store, **OPTIONS)
    begun = new_store("begun")
    extract(corpus, names, begun, limit=5, **OPTIONS)
    assert extract(corpus, names, begun, **RAY).rows < 36
    check_alike(begun, store)


def test_an_actor_that_is_killed_costs_no_row_and_makes_none_twice(corpus, store, new_store, fakes, tmp_path):
    extract(corpus, ["text/deadly"], store, **OPTIONS)
    (tmp_path / "grave").mkdir()
    killed = new_store("killed")
    summary = extract(corpus, [f"text/deadly:letter=f:grave={tmp_path / 'grave'}"], killed, **RAY)
    assert len(list((tmp_path / "grave").iterdir())) == 1
    assert summary.rows == 12
    check_alike(killed, store)
    assert sum(len(killed.index.rows_of_shard(number)) for number in killed.index.shards()) == 12


def test_a_group_over_which_actors_die_again_and_again_is_named_when_the_others_are_done(
    corpus, store, fakes, tmp_path
):
    (tmp_path / "grave").mkdir()
    with pytest.raises(MerToolsError, match="9 clips") as caught:
        extract(corpus, [f"text/deadly:letter=f:lives=99:grave={tmp_path / 'grave'}"], store, **RAY)
    assert caught.value.code == "MER-E062"
    assert set(store.status("text/deadly")) >= {c.name for c in corpus.clips if c.split == "test"}


@pytest.mark.parametrize(
    ("options", "code"), [({"device": "cuda:0"}, "MER-E070"), ({"spool": "nonsense://x"}, "MER-E074")]
)
def test_wrong_wishes_are_refused(corpus, store, fakes, options, code):
    with pytest.raises(MerToolsError) as caught:
        extract(corpus, ["text/batchy"], store, **{**RAY, **options})
    assert caught.value.code == code


def test_the_command_line_says_one_document_and_its_progress(corpus, tmp_path, fakes):
    command = [
        sys.executable,
        "-m",
        "mertools.cli",
        "extract",
        str(corpus.folder),
        "--with",
        "text/ngram,audio/prosody",
    ]
    options = ["--store", str(tmp_path / "new"), "--device", "cpu", "--engine", "ray", "--workers", "2", "--json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr  # one clip has no text
    assert json.loads(done.stdout)["status"] == {"ok": 23, "no_text": 1}
    others = [line for line in done.stderr.splitlines() if not line.startswith("extract: ")]
    assert all("Set ray log level" in line for line in others), done.stderr  # Ray's core says that it will be silent


def test_an_address_where_nobody_listens_is_an_error_that_names_it(corpus, tmp_path, fakes):
    command = [sys.executable, "-m", "mertools.cli", "extract", str(corpus.folder), "--with", "text/ngram"]
    options = ["--store", str(tmp_path / "new"), "--engine", "ray", "--address", "127.0.0.1:9"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "MER-E073" in done.stderr
    assert "127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr

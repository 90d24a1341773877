"""Groups that a language model makes for a submission: asked for once, kept, and scored."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mertools.cli import main
from mertools.errors import ConfigError
from submissions import score
from submissions.asking import asked_groups

SERVER = Path(__file__).parents[1] / "mertools" / "wheels" / "llm_server.py"


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, str(SERVER), "good"], stdout=subprocess.PIPE, text=True)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("MERTOOLS_LLM_BASE_URL", f"http://127.0.0.1:{int(process.stdout.readline())}/v1")
    monkeypatch.setenv("MERTOOLS_LLM_MODEL", "tiny")
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_model_is_asked_once_and_its_groups_are_scored(maker, tmp_path: Path, model) -> None:
    m = maker("mer2024-ov")
    said: list[str] = []
    for _ in range(2):
        groups = asked_groups(m.track, m.write(), m.truth, tmp_path / "answers", runs=2, say=said.append)
    assert "16 of 16 groupings newly asked for" in said[0]  # 8 different sets of words, two runs
    assert "0 of 16 groupings newly asked for" in said[1]
    found = score(m.track, m.write(), m.truth, groups=groups, n_draws=0)
    assert (found.n, found.value) == (12, 1.0)


def test_the_network_is_used_only_where_it_is_asked_for(maker, tmp_path: Path, model, capsys) -> None:
    m = maker("mer2024-ov")
    words = ["submission", "score", str(m.write()), "--track", "mer2024-ov", "--truth", str(m.truth)]
    kept = ["--groups", str(tmp_path / "answers")]
    assert main([*words, *kept]) == 2
    assert main([*words, *kept, "--ask", "--runs", "1"]) == 0
    assert "set_overlap = 1.0" in capsys.readouterr().out
    model.kill()
    lines = model.communicate()[0].splitlines()
    assert len(lines) == 8


def test_asking_makes_no_sense_for_other_tracks_or_without_a_folder(maker, tmp_path: Path) -> None:
    m = maker("mer2026-fg")
    with pytest.raises(ConfigError, match="needs no groups"):
        asked_groups(m.track, m.write(), m.truth, tmp_path)
    ov = maker("mer2024-ov")
    with pytest.raises(ConfigError, match="folder to keep"):
        asked_groups(ov.track, ov.write(), ov.truth, None)
    with pytest.raises(ConfigError, match="at least one"):
        asked_groups(ov.track, ov.write(), ov.truth, tmp_path, runs=0)

"""The documents: links lead somewhere, Python blocks run, verbs and options that are named exist."""

import re
from pathlib import Path

import pytest

from mertools import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_that_are_named_exist(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"^mertools .*$", text, re.MULTILINE):
        words = re.split(r"\s+#", line)[0].split()[1:]
        assert words[0] in cli.verbs(), line
        with pytest.raises(SystemExit):
            cli.main([words[0], *([words[1]] if words[0] == "store" else []), "--help"])
        known = capsys.readouterr().out
        for option in (word for word in words if word.startswith("--")):
            assert option in known, line


def test_the_store_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = _blocks("store.md")
    exec(compile(block, "store.md", "exec"), {})
    assert (tmp_path / "store" / "store.json").is_file()


def test_the_extractor_of_the_adding_page_embeds() -> None:
    import numpy as np

    from feature_extractors import EXTRACTORS, create_extractor
    from feature_extractors.base import Waveform

    (block,) = _blocks("adding.md")
    try:
        exec(compile(block, "adding.md", "exec"), {"__name__": "adding"})
        (rows,) = create_extractor("audio/loudness").embed([Waveform(np.ones(16_000, np.float32))], "frame")
    finally:
        EXTRACTORS._entries.pop("audio/loudness", None)
    assert rows.values.shape == (50, 1)
    assert np.allclose(rows.values, 1.0)


def _blocks(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / name).read_text(encoding="utf-8"), re.DOTALL)

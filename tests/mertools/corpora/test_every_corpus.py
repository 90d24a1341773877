"""What must hold of every corpus that `prepare` knows: its own tiny fake is read, and nothing else is touched."""

from pathlib import Path

import pytest

from mertools import Corpus
from mertools.corpora import CORPORA, Maker, prepare
from mertools.errors import CorpusError


@pytest.fixture(params=CORPORA.names())
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def maker(name: str) -> Maker:
    return CORPORA.get(name)()


@pytest.fixture
def raw(maker: Maker, tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    maker.options_of_fake = maker.fake(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_its_fake_becomes_a_corpus(name: str, maker: Maker, raw: Path, tmp_path: Path) -> None:
    before = contents(raw)
    made = prepare(name, raw, tmp_path / "corpus", **maker.options_of_fake)
    assert contents(raw) == before
    read = Corpus.read(tmp_path / "corpus")
    assert [c.name for c in read.clips] == [c.name for c in made.corpus.clips]
    assert len(read) > 1
    assert read.terms.licence not in ("", "unknown") or name == "folder"
    assert read.targets
    for clip in read.clips:
        assert clip.video or clip.audio or clip.text()
        assert all(path is None or path.is_file() for path in (clip.video, clip.audio))


def test_its_fake_has_an_annotation_of_every_target(name: str, maker: Maker, raw: Path, tmp_path: Path) -> None:
    corpus = prepare(name, raw, tmp_path / "corpus", **maker.options_of_fake).corpus
    for target in corpus.targets:
        if target.per == "clip":
            assert any(a is not None for a in corpus.annotations(target.name, corpus.clips)), target.name


def test_making_it_twice_gives_the_same_bytes(name: str, maker: Maker, raw: Path, tmp_path: Path) -> None:
    prepare(name, raw, tmp_path / "corpus", **maker.options_of_fake)
    first = contents(tmp_path / "corpus")
    prepare(name, raw, tmp_path / "corpus", **maker.options_of_fake)
    assert contents(tmp_path / "corpus") == first


def test_its_published_counts_are_told_when_they_differ(name: str, maker: Maker, raw: Path, tmp_path: Path) -> None:
    made = prepare(name, raw, tmp_path / "corpus", **maker.options_of_fake)
    counts = [w for w in made.warnings if "published are" in w]
    assert len(counts) == len(maker.expected(made_options(maker))) or not maker.counts


def made_options(maker: Maker) -> object:
    from mertools.config import from_mapping

    return from_mapping(maker.Options, maker.options_of_fake, "fake")


def test_an_empty_folder_is_refused_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    raw = tmp_path / "empty"
    raw.mkdir()
    with pytest.raises(CorpusError) as raised:
        prepare(name, raw, tmp_path / "corpus")
    assert raised.value.hint
    assert not (tmp_path / "corpus").exists()

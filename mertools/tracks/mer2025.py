"""MER2025 (ACM Multimedia 2025): SEMI, FG (fine-grained words), DES (descriptions) and PR (personality)."""

from mertools.labels import MER_EMOTIONS, MER_RESPELLINGS, TRAITS
from mertools.targets import Target
from mertools.tracks.base import Candidates, Column, ReferenceScorer, Rule, Track, Upload, add_track

_ROWS = Rule("rows", "all 20,000 names of track_all_candidates.csv", "official")
_ZIP = Rule(
    "container", "a zip with the file at its root, as CodaLab wants it; the organisers name the file only", "inferred"
)
_NO_LIMIT = Rule("submissions", "no limit was published", "unknown")
_NO_SIZE = Rule("size", "no limit was published", "unknown")
_OPEN = Rule("models", "open-source models only", "official")

SEMI = add_track(
    Track(
        id="mer2025-semi",
        edition="mer2025",
        title="MER2025 MER-SEMI",
        targets=(Target("discrete", "classes", classes=MER_EMOTIONS),),
        upload=Upload(
            (Column("name", "key"), Column("discrete", "label", allowed=MER_EMOTIONS, respellings=MER_RESPELLINGS)),
            file_name="submission.csv",
            file_name_source="official",
            container="zip",
            container_source="inferred",
        ),
        candidates=Candidates(20_000, scored=2026),
        primary="waf",
        secondary=("accuracy",),
        reported=("uar", "macro_f1"),
        scorer=ReferenceScorer("any", all_labels=False, code="MER2025/MER2025_Track1/evaluation.py of MERTools"),
        rules=(
            Rule("columns", "name,discrete", "official"),
            Rule("labels", "one of " + ", ".join(MER_EMOTIONS), "official"),
            _ROWS,
            Rule("scored rows", "a hidden 2,026 of them", "official"),
            Rule(
                "count", "their scorer stops unless there are 20,000 distinct names; ours scores any number", "official"
            ),
            Rule("metric", "WAF", "official"),
            Rule("order", "rows are joined by name; any order", "official"),
            Rule("repeated name", "the last row counts", "official"),
            Rule("file name", "submission.csv at the root of the upload", "official"),
            Rule("channel", "CodaLab competition 23154", "official"),
            _ZIP,
            _NO_LIMIT,
            _NO_SIZE,
        ),
        test_splits=("candidate",),
    )
)

FG = add_track(
    Track(
        id="mer2025-fg",
        edition="mer2025",
        title="MER2025 MER-FG",
        targets=(Target("openset", "labels"),),
        upload=Upload(
            (
                Column("filenames", "key", made_of="{name}"),
                Column("fileitems", "labels", words="mer2025", target="openset", made_of="{openset}"),
            ),
            kind="npz",
            suffix="-openset.npz",
            container="zip",
            container_source="inferred",
        ),
        candidates=Candidates(20_000, scored=1200),
        primary="ew2025_f1",
        secondary=("ew2025_level1_f1", "ew2025_level2_f1"),
        reported=("ew2025_level1_precision", "ew2025_level1_recall"),
        scorer=ReferenceScorer(
            "any", all_labels=False, code="MER2025/MER2025_Track23/my_affectgpt/evaluation/wheel.py of MERTools"
        ),
        rules=(
            Rule("columns", "arrays filenames and fileitems, of equal length", "official"),
            Rule("labels", "English words, as a list or as text with commas; written here as plain text", "official"),
            _ROWS,
            Rule("scored rows", "a hidden 1,200 of them", "official"),
            Rule(
                "metric", "emotion-wheel F at levels 1 and 2, each the mean over five wheels; then the mean", "official"
            ),
            Rule(
                "undefined", "nothing to score, or precision and recall 0, gives NaN, which spoils the mean", "official"
            ),
            Rule("order", "rows are joined by name; any order", "official"),
            Rule("file name", "one npz whose name ends in -openset.npz", "official"),
            Rule("channel", "CodaLab competition 23155", "official"),
            _OPEN,
            _ZIP,
            _NO_LIMIT,
            _NO_SIZE,
        ),
        test_splits=("candidate",),
    )
)

DES = add_track(
    Track(
        id="mer2025-des",
        edition="mer2025",
        title="MER2025 MER-DES",
        targets=(),
        upload=Upload((Column("name", "key"), Column("reason", "text", made_of="{description}"))),
        candidates=Candidates(20_000),
        primary="",
        rules=(
            Rule("columns", "name,reason, as the description files of the baseline", "inferred"),
            Rule("labels", "a description with emotion words, in English", "official"),
            _ROWS,
            Rule("metric", "people judge; there is no public scorer", "official"),
            Rule("order", "not published", "unknown"),
            Rule("file name", "not published", "unknown"),
            Rule("format", "not published", "unknown"),
            Rule("channel", "CodaLab competition 23156", "official"),
            _OPEN,
            _NO_LIMIT,
            _NO_SIZE,
        ),
        test_splits=("candidate",),
    )
)

PR = add_track(
    Track(
        id="mer2025-pr",
        edition="mer2025",
        title="MER2025 MER-PR",
        targets=tuple(Target(trait, "value") for trait in TRAITS),
        upload=Upload(
            (Column("id", "key"), *(Column(trait, "number") for trait in TRAITS)), container_source="unknown"
        ),
        candidates=Candidates(None),
        primary="mean_ccc",
        secondary=("mean_pcc", "mean_rmse"),
        scorer=ReferenceScorer("any", all_labels=False),
        rules=(
            Rule("columns", "id," + ",".join(TRAITS) + ", spelt as in the baseline", "official"),
            Rule("labels", "a number per trait", "official"),
            Rule("rows", "one per person of the test part; several videos of a person are averaged", "official"),
            Rule("metric", "RMSE, PCC and CCC per trait in the baseline", "official"),
            Rule("ranking", "which of them ranks was not published; the mean CCC stands first here", "unknown"),
            Rule("order", "rows are joined by id; any order", "inferred"),
            Rule("file name", "not published", "unknown"),
            Rule("channel", "CodaLab competition 23185", "official"),
            _NO_LIMIT,
            _NO_SIZE,
        ),
        test_splits=("test",),
    )
)

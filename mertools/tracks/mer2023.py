"""MER2023 (ACM Multimedia 2023): MULTI, NOISE and SEMI."""

from mertools.labels import MER_EMOTIONS, MER_RESPELLINGS, MER_VALENCE_RANGE
from mertools.targets import Target
from mertools.tracks.base import Candidates, Column, ReferenceScorer, Rule, Track, Upload, add_track

DISCRETE = Target("discrete", "classes", classes=MER_EMOTIONS)
VALENCE = Target("valence", "value", range=MER_VALENCE_RANGE)

_CODE = "MER2023/main-release.py of MERTools"
_NAME = Column("name", "key")
_LABEL = Column("discrete", "label", allowed=MER_EMOTIONS, respellings=MER_RESPELLINGS)
_COMMON = (
    Rule("file name", "any name; a CSV file with a header, sent by e-mail", "official"),
    Rule("labels", "one of " + ", ".join(MER_EMOTIONS), "official"),
    Rule("order", "rows are joined by name; any order", "official"),
    Rule("repeated name", "the last row counts", "official"),
    Rule("submissions", "up to 20 per track, together with a paper", "official"),
    Rule("size", "no limit was published", "unknown"),
)

MULTI = add_track(
    Track(
        id="mer2023-multi",
        edition="mer2023",
        title="MER2023 MER-MULTI",
        targets=(DISCRETE, VALENCE),
        upload=Upload((_NAME, _LABEL, Column("valence", "number", range=MER_VALENCE_RANGE))),
        candidates=Candidates(411, scored=411),
        primary="mer2023_combined",
        secondary=("waf", "mse"),
        reported=("accuracy", "uar", "macro_f1"),
        submissions=20,
        scorer=ReferenceScorer("equal", all_labels=True, code=_CODE),
        rules=(
            Rule("columns", "name,discrete,valence", "official"),
            Rule("rows", "exactly the 411 clips of test1", "official"),
            Rule(
                "valence",
                "a number; annotations lie in [-5, 5], predictions outside are scored as they are",
                "official",
            ),
            Rule("metric", "WAF - 0.25 MSE", "official"),
            *_COMMON,
        ),
        test_splits=("test1",),
    )
)

NOISE = add_track(
    Track(
        id="mer2023-noise",
        edition="mer2023",
        title="MER2023 MER-NOISE",
        targets=MULTI.targets,
        upload=MULTI.upload,
        candidates=Candidates(412, scored=412),
        primary=MULTI.primary,
        secondary=MULTI.secondary,
        reported=MULTI.reported,
        submissions=20,
        scorer=MULTI.scorer,
        rules=(
            Rule("rows", "exactly the 412 clips of test2", "official"),
            *(r for r in MULTI.rules if r.about != "rows"),
        ),
        test_splits=("test2",),
    )
)

SEMI = add_track(
    Track(
        id="mer2023-semi",
        edition="mer2023",
        title="MER2023 MER-SEMI",
        targets=(DISCRETE,),
        upload=Upload(
            (_NAME, _LABEL, Column("valence", "number", range=MER_VALENCE_RANGE, required=False, scored=False))
        ),
        candidates=Candidates(73_148, scored=834),
        primary="waf",
        reported=("accuracy", "uar", "macro_f1"),
        submissions=20,
        scorer=ReferenceScorer("at least", all_labels=True, code=_CODE),
        rules=(
            Rule("columns", "name,discrete; a column valence may follow and is not read", "official"),
            Rule("rows", "all 73,148 unlabelled clips, of which 834 are scored", "official"),
            Rule("metric", "WAF", "official"),
            *_COMMON,
        ),
        test_splits=("test3",),
    )
)

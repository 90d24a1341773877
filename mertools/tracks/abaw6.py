"""ABAW 6 (CVPR 2024) on Aff-Wild2: EXPR, VA and AU, one row per listed frame."""

from mertools.labels import ABAW_ACTION_UNITS, ABAW_EXPRESSIONS
from mertools.targets import Target
from mertools.tracks.base import Candidates, Column, ReferenceScorer, Rule, Track, Upload, add_track

_FRAME = Column("image_location", "key", made_of="{name}/{frame:05d}.jpg")
_FILE = "predictions.txt"
_SCORER = ReferenceScorer("any", all_labels=False)
_COMMON = (
    Rule("rows", "every frame of the organisers' sample file, without a detected face too", "official"),
    Rule("key", "video/00001.jpg, five digits, the first frame is 1", "official"),
    Rule("not annotated", "frames marked -1 (EXPR, AU) or -5 (VA) are not scored", "official"),
    Rule("order", "that of the organisers' sample file; joined by key here", "inferred"),
    Rule("file name", "predictions.txt, seen with a participant", "inferred"),
    Rule("container", "the text file itself or a zip, by upload or e-mail", "unknown"),
    Rule("scorer", "not published; scored by the definitions of the paper (arXiv 2402.19344)", "inferred"),
    Rule("submissions", "commonly five, not confirmed in public", "unknown"),
    Rule("size", "no limit was published", "unknown"),
)
_LICENCE = "Aff-Wild2 EULA: non-commercial research"


def _upload(*columns: Column, header: tuple[str, ...] = ()) -> Upload:
    return Upload(
        (_FRAME, *columns),
        suffix=".txt",
        header=header,
        file_name=_FILE,
        file_name_source="inferred",
        container_source="unknown",
    )


EXPR = add_track(
    Track(
        id="abaw6-expr",
        edition="abaw6",
        title="ABAW 6 expression recognition",
        targets=(Target("expression", "classes", classes=ABAW_EXPRESSIONS, per="frame", missing=("-1",)),),
        upload=_upload(
            Column("expression", "label", allowed=tuple(map(str, range(len(ABAW_EXPRESSIONS))))),
            header=("image_location", *ABAW_EXPRESSIONS),
        ),
        candidates=Candidates(None),
        primary="macro_f1",
        reported=("accuracy", "uar", "waf"),
        scorer=_SCORER,
        rules=(
            Rule("columns", "a header of nine names over rows of two cells: frame and class", "official"),
            Rule("labels", "0 to 7: " + ", ".join(ABAW_EXPRESSIONS), "official"),
            Rule("metric", "macro F1 over the eight classes", "official"),
            *_COMMON,
        ),
        test_splits=("test",),
        unit="video",
        licence=_LICENCE,
    )
)

VA = add_track(
    Track(
        id="abaw6-va",
        edition="abaw6",
        title="ABAW 6 valence-arousal estimation",
        targets=tuple(
            Target(name, "value", range=(-1.0, 1.0), per="frame", missing=("-5", "-5.0"))
            for name in ("valence", "arousal")
        ),
        upload=_upload(*(Column(name, "number", range=(-1.0, 1.0)) for name in ("valence", "arousal"))),
        candidates=Candidates(None),
        primary="mean_ccc",
        reported=("mean_pcc", "mean_rmse"),
        scorer=_SCORER,
        rules=(
            Rule("columns", "image_location,valence,arousal", "official"),
            Rule("labels", "real numbers in [-1, 1]", "official"),
            Rule("metric", "mean of the two CCC over all frames concatenated", "official"),
            *_COMMON,
        ),
        test_splits=("test",),
        unit="video",
        licence=_LICENCE,
    )
)

AU = add_track(
    Track(
        id="abaw6-au",
        edition="abaw6",
        title="ABAW 6 action unit detection",
        targets=tuple(
            Target(name, "classes", classes=("0", "1"), per="frame", missing=("-1",)) for name in ABAW_ACTION_UNITS
        ),
        upload=_upload(*(Column(name, "label", allowed=("0", "1")) for name in ABAW_ACTION_UNITS)),
        candidates=Candidates(None),
        primary="au_f1",
        reported=("au_accuracy",),
        scorer=_SCORER,
        rules=(
            Rule("columns", "image_location," + ",".join(ABAW_ACTION_UNITS), "official"),
            Rule("labels", "0 or 1 per action unit", "official"),
            Rule("metric", "mean of the twelve binary F1", "official"),
            *_COMMON,
        ),
        test_splits=("test",),
        unit="video",
        licence=_LICENCE,
    )
)

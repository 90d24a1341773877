"""EmotiW (2014 pages): audio-video emotion recognition on AFEW, one text file per clip."""

from mertools.labels import AFEW_EMOTIONS
from mertools.targets import Target
from mertools.tracks.base import Candidates, Column, ReferenceScorer, Rule, Track, Upload, add_track

AFEW = add_track(
    Track(
        id="emotiw-afew",
        edition="emotiw",
        title="EmotiW audio-video emotion recognition (AFEW)",
        targets=(Target("discrete", "classes", classes=AFEW_EMOTIONS),),
        upload=Upload(
            (Column("name", "key"), Column("discrete", "label", allowed=AFEW_EMOTIONS)),
            kind="texts",
            suffix=".txt",
            container="zip",
        ),
        candidates=Candidates(407, scored=407),
        primary="accuracy",
        reported=("uar", "waf", "macro_f1"),
        submissions=10,
        scorer=ReferenceScorer("any", all_labels=False),
        rules=(
            Rule("columns", "one text file per clip, called after it, holding one word", "official"),
            Rule("labels", "one of " + ", ".join(AFEW_EMOTIONS), "official"),
            Rule("rows", "407 clips in 2014; other years had other numbers", "official"),
            Rule("metric", "accuracy", "official"),
            Rule("scorer", "not published; accuracy by its definition", "inferred"),
            Rule("order", "none: files have names", "official"),
            Rule("container", "a zip called after the team, by e-mail", "official"),
            Rule("file name", "NAME.txt inside the zip; the zip is called after the team", "official"),
            Rule("submissions", "five at first, then ten (2014)", "official"),
            Rule("size", "no limit was published", "unknown"),
        ),
        test_splits=("test",),
        licence="AFEW: for research, on request from the organisers",
    )
)

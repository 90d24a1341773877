"""MER2024 (IJCAI 2024): SEMI and NOISE, six labels for 20,000 candidates of which a hidden part is scored."""

from dataclasses import replace

from mertools.labels import MER_EMOTIONS, MER_RESPELLINGS
from mertools.targets import Target
from mertools.tracks.base import Candidates, Column, ReferenceScorer, Rule, Track, Upload, add_track

SEMI = add_track(
    Track(
        id="mer2024-semi",
        edition="mer2024",
        title="MER2024 MER-SEMI",
        targets=(Target("discrete", "classes", classes=MER_EMOTIONS),),
        upload=Upload(
            (
                Column("name", "key"),
                Column("discrete", "label", allowed=MER_EMOTIONS, respellings=MER_RESPELLINGS),
            ),
            file_name="submission.csv",
            file_name_source="inferred",
            container="zip",
            container_source="inferred",
        ),
        candidates=Candidates(20_000),
        primary="waf",
        secondary=("accuracy",),
        reported=("uar", "macro_f1"),
        scorer=ReferenceScorer("any", all_labels=False),
        rules=(
            Rule("columns", "name,discrete", "official"),
            Rule("labels", "one of " + ", ".join(MER_EMOTIONS), "official"),
            Rule("rows", "all 20,000 candidates; the scored part is hidden", "official"),
            Rule("metric", "WAF, then accuracy", "official"),
            Rule("channel", "CodaLab competition 19437", "official"),
            Rule("container", "a zip with the file at its root, as CodaLab wants it", "inferred"),
            Rule("file name", "not published; submission.csv as in the next edition", "inferred"),
            Rule("scorer", "not published; scored as the next editions' public scorer does it", "inferred"),
            Rule("order", "rows are joined by name; any order", "inferred"),
            Rule("submissions", "no limit was published", "unknown"),
            Rule("size", "no limit was published", "unknown"),
        ),
        test_splits=("candidate",),
    )
)

NOISE = add_track(
    replace(
        SEMI,
        id="mer2024-noise",
        title="MER2024 MER-NOISE",
        rules=tuple(
            replace(rule, text="CodaLab competition 19438") if rule.about == "channel" else rule for rule in SEMI.rules
        ),
    )
)

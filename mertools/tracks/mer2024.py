"""MER2024 (IJCAI 2024): SEMI and NOISE (six labels) and OV (any words), for 20,000 candidates partly scored."""

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
        candidates=Candidates(20_000, scored=1169),
        primary="waf",
        secondary=("accuracy",),
        reported=("uar", "macro_f1"),
        scorer=ReferenceScorer("any", all_labels=False),
        rules=(
            Rule("columns", "name,discrete", "official"),
            Rule("labels", "one of " + ", ".join(MER_EMOTIONS), "official"),
            Rule("rows", "all 20,000 candidates; the scored part is hidden", "official"),
            Rule("scored rows", "1,169: what the next edition's training set has more, SEMI and NOISE", "inferred"),
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

_OF_NOISE = {
    "channel": "CodaLab competition 19438",
    "scored rows": "1,170: what the next edition's training set has more, SEMI and NOISE",
}

NOISE = add_track(
    replace(
        SEMI,
        id="mer2024-noise",
        title="MER2024 MER-NOISE",
        candidates=Candidates(20_000, scored=1170),
        rules=tuple(replace(rule, text=_OF_NOISE.get(rule.about, rule.text)) for rule in SEMI.rules),
    )
)

OV = add_track(
    Track(
        id="mer2024-ov",
        edition="mer2024",
        title="MER2024 MER-OV",
        targets=(Target("openset", "labels"),),
        upload=Upload(
            (Column("name", "key"), Column("openset", "labels", words="mer2024")), container_source="official"
        ),
        candidates=Candidates(20_000, scored=332),
        primary="set_overlap",
        secondary=("set_accuracy", "set_recall"),
        submissions=5,
        scorer=ReferenceScorer("any", all_labels=False, code="MER2024/main-ov.py of MERTools", synonyms=True),
        rules=(
            Rule("columns", "name,openset", "official"),
            Rule(
                "labels",
                "a list printed as text, ['happy', 'excited']; any number of English words, [] for none",
                "official",
            ),
            Rule("rows", "all 20,000 candidates; the scored part is hidden", "official"),
            Rule(
                "metric", "mean of set accuracy and set recall after grouping synonyms, five runs averaged", "official"
            ),
            Rule("grouping", "gpt-3.5-turbo-16k-0613 at temperature 0, a model that is retired", "official"),
            Rule("scored rows", "those with a recorded group of synonyms; 332 in the published example", "inferred"),
            Rule("channel", "CodaLab 19439 checks the format; the file that is scored goes by e-mail", "official"),
            Rule("models", "open-source models only", "official"),
            Rule("submissions", "up to 5, the best one counts", "official"),
            Rule("order", "rows are joined by name; any order", "official"),
            Rule("file name", "no name was published", "unknown"),
            Rule("size", "no limit was published", "unknown"),
        ),
        test_splits=("candidate",),
    )
)

"""MER2026: Cross (the listener), FG (words), Prefer (which description is better) and PS (from brain signals)."""

from mertools.labels import MER_EMOTIONS, MER_RESPELLINGS
from mertools.targets import Target
from mertools.tracks.base import Candidates, Column, ReferenceScorer, Rule, Track, Upload, add_track

_NAME = Rule(
    "file name", "answer.csv in answer.zip; seen with participants, the organisers do not state it", "inferred"
)
_ZIP = Rule("container", "a zip with answer.csv as its only member", "inferred")
_DAILY = Rule("submissions", "a daily limit, its size was not published", "unknown")
_NO_SIZE = Rule("size", "no limit was published", "unknown")
_HONEST = Rule(
    "integrity",
    "no look-up tables, no constants tuned on the leaderboard; winners hand over weights, code and seeds",
    "official",
)
_OPEN = Rule("models", "open-source models only", "official")


def _answer(*columns: Column) -> Upload:
    return Upload(
        columns,
        file_name="answer.csv",
        file_name_source="inferred",
        container="zip",
        container_source="inferred",
        archive_name="answer.zip",
    )


CROSS = add_track(
    Track(
        id="mer2026-cross",
        edition="mer2026",
        title="MER2026 MER-Cross",
        targets=(Target("discrete", "classes", classes=MER_EMOTIONS),),
        upload=_answer(
            Column("name", "key"), Column("discrete", "label", allowed=MER_EMOTIONS, respellings=MER_RESPELLINGS)
        ),
        candidates=Candidates(20_000),
        primary="waf",
        secondary=("accuracy",),
        reported=("uar", "macro_f1"),
        scorer=ReferenceScorer("any", all_labels=False, code="MER2026/MER2026_Track1/evaluation.py of MERTools"),
        rules=(
            Rule("task", "the emotion of the listener, who is seen and not heard", "official"),
            Rule("columns", "name,discrete", "inferred"),
            Rule("labels", "one of " + ", ".join(MER_EMOTIONS), "official"),
            Rule("rows", "all 20,000 names of track1_track2_candidate.csv; the scored part is hidden", "official"),
            Rule("metric", "WAF", "official"),
            Rule("scorer", "the one on CodaBench is not public; scored as the repository's does it", "inferred"),
            Rule(
                "order",
                "rows are joined by name; participants keep the candidates' order, and so does package",
                "inferred",
            ),
            Rule("channel", "CodaBench 17195, after the challenge 17536", "official"),
            _NAME,
            _ZIP,
            _DAILY,
            _HONEST,
            _NO_SIZE,
        ),
        test_splits=("test", "candidate"),
    )
)

FG = add_track(
    Track(
        id="mer2026-fg",
        edition="mer2026",
        title="MER2026 MER-FG",
        targets=(Target("openset", "labels"),),
        upload=_answer(Column("name", "key"), Column("openset", "labels", words="mer2025")),
        candidates=Candidates(20_000),
        primary="ew2026_level1_f1",
        secondary=("ew2026_level1_precision", "ew2026_level1_recall"),
        reported=("ew2026_level2_f1",),
        scorer=ReferenceScorer(
            "any", all_labels=False, code="MER2026/MER2026_Track2/my_affectgpt/evaluation/wheel.py of MERTools"
        ),
        rules=(
            Rule("columns", "name,openset", "inferred"),
            Rule("labels", "English words with commas, or a list printed as text; [] for none", "inferred"),
            Rule("rows", "all 20,000 names of track1_track2_candidate.csv", "official"),
            Rule("scored rows", "1,000 or 1,200: their files say both", "unknown"),
            Rule("metric", "emotion-wheel F at level 1, the mean over five wheels", "official"),
            Rule("undefined", "nothing to score, or precision and recall 0, gives 0", "official"),
            Rule(
                "order",
                "rows are joined by name; participants keep the candidates' order, and so does package",
                "inferred",
            ),
            Rule("channel", "CodaBench 17196, after the challenge 17537", "official"),
            _OPEN,
            _NAME,
            _ZIP,
            _DAILY,
            _HONEST,
            _NO_SIZE,
        ),
        test_splits=("test", "candidate"),
    )
)

PREFER = add_track(
    Track(
        id="mer2026-prefer",
        edition="mer2026",
        title="MER2026 MER-Prefer",
        targets=(Target("preference", "preference"),),
        upload=_answer(
            Column("name", "key"),
            Column("a1", "key"),
            Column("a2", "key"),
            Column("preference", "preference", allowed=("a1", "a2")),
        ),
        candidates=Candidates(10_000, ordered=True),
        primary="prefer_waf2",
        secondary=("prefer_accuracy2",),
        reported=("prefer_waf3", "prefer_accuracy3"),
        scorer=ReferenceScorer("any", all_labels=False, code="MER2026/MER2026_Track3/utils/common.py of MERTools"),
        rules=(
            Rule("columns", "name,a1,a2,preference", "inferred"),
            Rule("labels", "a1 or a2, whichever description is better", "inferred"),
            Rule("rows", "the 10,000 pairs of track3_candidate.csv (stage 1)", "official"),
            Rule("repeated name", "names repeat (55 in stage 2): a row is name, a1 and a2 together", "inferred"),
            Rule("order", "the candidates' order: their code pairs rows by position", "inferred"),
            Rule(
                "metric",
                "WAF over a1 and a2; pairs whose truth is `same` are left out, a predicted `same` is a1",
                "official",
            ),
            Rule("ranking", "the mean of both stages", "official"),
            Rule(
                "channel", "CodaBench 17197 and 17459; which of the later pages belongs to it is not known", "official"
            ),
            Rule("submissions", "stage 2: 5 in total; stage 1: not published", "official"),
            _NAME,
            _ZIP,
            _HONEST,
            _NO_SIZE,
        ),
        submissions=5,
        train_splits=("train",),
        test_splits=("candidate",),
        unit="name",
    )
)

PS = add_track(
    Track(
        id="mer2026-ps",
        edition="mer2026",
        title="MER2026 MER-PS",
        targets=(Target("valence", "value", per="second"), Target("arousal", "value", per="second")),
        upload=Upload(
            (Column("sample_id", "key"), Column("valence", "text"), Column("arousal", "text")),
            container_source="unknown",
        ),
        candidates=Candidates(None),
        primary="",
        rules=(
            Rule(
                "task",
                "valence and arousal at 1 Hz from EEG (64 channels, 1,000 Hz) and fNIRS (51, 47.62 Hz)",
                "official",
            ),
            Rule("channel", "CodaBench 15992: code is submitted, as the starting kit there says", "official"),
            Rule(
                "columns",
                "sample_id and two series, in an unpublished form; checked here is that they are there",
                "unknown",
            ),
            Rule("labels", "numbers, their range was not published", "unknown"),
            Rule("rows", "not published", "unknown"),
            Rule("metric", "in the starting kit; there is no public scorer", "unknown"),
            Rule("order", "sample_id is an index only", "official"),
            Rule("file name", "not published", "unknown"),
            Rule("submissions", "not published", "unknown"),
            _NO_SIZE,
        ),
        test_splits=("test",),
    )
)

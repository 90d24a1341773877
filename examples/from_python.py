"""The road from Python: clips to a scored submission, on synthetic clips, in about a minute.

Usage: python examples/from_python.py OUT
"""

import sys
from pathlib import Path

from baselines import predict, train
from feature_extractors import extract
from mertools import open_store
from mertools.corpora import prepare
from mertools.demo.raw import make_raw
from mertools.demo.script import DemoSettings
from submissions import package, score, validate

FEATURES = ["face/hog", "audio/prosody"]
TRACK = "mer2023-multi"


def main(out: Path, speakers: int = 6) -> float:
    """Walk the road; returns the score."""
    raw = make_raw(out / "raw", DemoSettings(speakers=speakers, test_speakers=2, takes=1))
    corpus = prepare("folder", raw.clips, out / "corpus", valence_range="-5,5", synthetic="true").corpus
    with open_store(out / "corpus" / "store", create=True) as store:
        summary = extract(corpus, FEATURES, store)
        print(f"{summary.clips} clips, {store.read('audio/prosody', corpus.clips[0].name).values.shape} each")
    run = train(corpus, FEATURES, "attention", out / "run", track=TRACK, folds="2")
    predicted = out / "test1.csv"
    predict(run, corpus, "test1").write(predicted)
    problems = [p for p in validate(TRACK, predicted, raw.candidates) if p.severity == "error"]
    print(f"{len(problems)} problems")
    package(TRACK, predicted, out / "upload.csv", candidates=raw.candidates)
    found = score(TRACK, out / "upload.csv", raw.truth)
    print(f"{found.primary} {found.value:.3f} (synthetic), on {found.n} clips of {found.interval.n_groups} speakers")
    return found.value


if __name__ == "__main__":
    main(Path(sys.argv[1]))

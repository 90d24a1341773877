"""The benchmark of "GPT-4V with Emotion" (Lian et al., 2023): its data sets, and the labels of its requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mertools.errors import SubmissionError, did_you_mean
from mertools.labels import MER_EMOTIONS

SENTIMENTS = ("negative", "weakly negative", "neutral", "weakly positive", "positive")
_SEVEN = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")


@dataclass(frozen=True)
class Benchmark:
    """One data set of the benchmark.

    Attributes:
        name: its folder of results.
        title: as papers write it.
        labels: labels of the request, in the order they were sent.
        n_clips: clips that were asked about, by a word in the file's name; ``""`` = any other file.
        protocols: how its files are scored.
        truths: labels of the column ``gt`` where they are not `labels`.
        also: other names, those of our corpora among them.
    """

    name: str
    title: str
    labels: tuple[str, ...]
    n_clips: Mapping[str, int]
    protocols: tuple[str, ...] = ("A",)
    truths: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    def size(self, file: str) -> int | None:
        """Clips that the answers of a file are about, by its name; None if unknown."""
        words = file.lower().rpartition(".")[0].split("-")
        return next((n for word, n in self.n_clips.items() if word in words), self.n_clips.get(""))


BENCHMARKS = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark(
            "ckplus",
            "CK+",
            ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise"),
            {"": 981},
            also=("ck+",),
        ),
        Benchmark("sfew2", "SFEW 2.0", _SEVEN, {"": 435}, also=("sfew",)),
        Benchmark(
            "rafdb",
            "RAF-DB",
            ("Surprise", "Fear", "Disgust", "Happiness", "Sadness", "Anger", "Neutral"),
            {"": 3068},
        ),
        Benchmark(
            "ferplus",
            "FERPlus",
            ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"),
            {"": 3573},
        ),
        Benchmark(
            "affectnet",
            "AffectNet",
            ("Surprise", "Contempt", "Happiness", "Anger", "Neutral", "Sadness", "Fear", "Disgust"),
            {"": 4000},
        ),
        Benchmark(
            "abstract",
            "Abstract",
            ("Amusement", "Anger", "Awe", "Content", "Disgust", "Excitement", "Fear", "Sad"),
            {"": 229},
            ("P",),
        ),
        Benchmark(
            "artphoto",
            "ArtPhoto",
            ("disgust", "awe", "sad", "fear", "anger", "excitement", "contentment", "amusement"),
            {"": 806},
            ("P",),
        ),
        Benchmark("twitter1", "Twitter I", ("positive", "negative"), {"five": 882, "four": 1116, "three": 1269}),
        Benchmark("twitter2", "Twitter II", ("positive", "negative"), {"": 603}),
        Benchmark("casme1", "CASME", ("tense", "disgust", "repression", "surprise"), {"": 178}, also=("casme",)),
        Benchmark("casme2", "CASME II", ("happiness", "surprise", "disgust", "repression", "others"), {"": 239}),
        Benchmark("samm", "SAMM", ("Anger", "Contempt", "Happiness", "Surprise", "Other"), {"": 135}),
        Benchmark(
            "dfew", "DFEW", ("Sad", "Neutral", "Angry", "Fear", "Surprise", "Happy", "Disgust"), {"": 2341}, ("B",)
        ),
        Benchmark("ferv39k", "FERV39k", _SEVEN, {"": 7847}, ("B",)),
        Benchmark(
            "ravdess",
            "RAVDESS",
            ("surprised", "neutral", "disgust", "sad", "happy", "calm", "fearful", "angry"),
            {"": 1440},
            ("B",),
        ),
        Benchmark(
            "enterface",
            "eNTERFACE05",
            ("happiness", "anger", "disgust", "fear", "surprise", "sadness"),
            {"": 1287},
            ("B",),
        ),
        Benchmark("cmumosi", "CMU-MOSI", SENTIMENTS, {"": 686}, ("S",), also=("cmu-mosi", "mosi")),
        Benchmark("sims", "CH-SIMS", SENTIMENTS, {"": 457}, ("S",), also=("ch-sims",)),
        Benchmark(
            "mer2023",
            "MER2023",
            ("worried", "happy", "neutral", "angry", "surprised", "sad"),
            {"": 411},
            ("A", "A+alias", "W"),
            truths=(*MER_EMOTIONS, "surprised"),
        ),
    )
}


def get_benchmark(name: str) -> Benchmark:
    """The data set of that name, any case.

    Raises:
        SubmissionError: ``MER-S203`` if there is none.
    """
    found = find_benchmark(name)
    if found is None:
        known = [known for b in BENCHMARKS.values() for known in (b.name, *b.also)]
        raise SubmissionError(
            "MER-S203",
            f"there is no data set '{name}' in the benchmark.{did_you_mean(name.lower(), known)}",
            f"Data sets: {', '.join(BENCHMARKS)}. Another one is scored by the labels of its column gt: "
            "--dataset NAME --protocol A.",
        )
    return found


def find_benchmark(name: str) -> Benchmark | None:
    """The data set of that name, any case; None if the benchmark has none."""
    wanted = name.lower()
    return next((b for b in BENCHMARKS.values() if wanted in (b.name, *b.also)), None)

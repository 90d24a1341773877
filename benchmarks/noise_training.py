"""What training on noisy versions is worth: EmoDB under other speakers' babble, with and without.

    python benchmarks/noise_training.py EMODB [--out FILE.json] [--features audio/is09] [--seeds 2]

EMODB holds ``wav/`` (16 kHz mono) and ``labels.csv`` (``file, speaker, text_code, emotion``). Two speakers are left out
at a time. Babble is the sum of `VOICES` utterances of as many other speakers. In training, none of them is of the
speakers that are left out; and training babble speaks the ``a`` sentences, test babble the ``b`` sentences, so that no
recording of test babble was ever heard as noise. Everything else is the toolkit's usual road: epochs chosen on an inner
split by speaker, everything fitted on the training part, scores out of fold, intervals and tests by speaker.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from measuring import machine

from baselines.data import Table
from baselines.fitting import Request, fit_members
from baselines.members import Task, predict_table, small_network_settings
from baselines.options import split_options
from baselines.protocol import Fold
from baselines.scoring import interval_of_mean, measures_of
from baselines.training import fusion_model
from feature_extractors import create_extractor
from feature_extractors.base import Waveform
from mertools.corruption.mixing import mix
from mertools.corruption.settings import Draws
from mertools.files import write_text_atomically
from mertools.metrics.paired import paired_test
from mertools.targets import Target

TRAIN_DB = (5.0, 10.0)
TEST_DB = (10.0, 5.0, 0.0)
VOICES = 3
MODEL = "attention"
OPTIONS = {"hidden_dim": 64, "dropout": 0.3, "lr": 1e-3, "batch_size": 32, "epochs": 60, "patience": 10}


class Recordings:
    """Utterances with who speaks them, what they say and how."""

    def __init__(self, folder: Path) -> None:
        rows = sorted(csv.DictReader((folder / "labels.csv").open(encoding="utf-8")), key=lambda row: row["file"])
        self.names = [row["file"] for row in rows]
        self.speakers = np.array([row["speaker"] for row in rows])
        self.sentences = np.array([row["text_code"][0] for row in rows])
        self.emotions = np.array([row["emotion"] for row in rows])
        self.sounds = [_read(folder / "wav" / name) for name in self.names]

    def noisy(self, clip: int, snr_db: float, sentence: str, silent: Sequence[str]) -> np.ndarray:
        """One clip under babble of other speakers, none of them in `silent`; drawn from the names alone."""
        others = sorted(set(self.speakers) - {self.speakers[clip], *silent})
        draws = Draws(0, f"{self.names[clip]} {sentence} {' '.join(silent)}", "babble")
        length = len(self.sounds[clip])
        babble = np.zeros(length)
        for _ in range(VOICES):
            speaker = others.pop(draws.below(len(others)))
            choices = np.flatnonzero((self.speakers == speaker) & (self.sentences == sentence))
            voice = self.sounds[choices[draws.below(len(choices))]]
            start = draws.below(len(voice))
            babble += np.resize(np.roll(voice, -start), length)
        return mix(self.sounds[clip], np.round(babble / VOICES).astype(np.int16), snr_db).samples


def _read(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def embedded(extractor: object, sounds: Sequence[np.ndarray]) -> np.ndarray:
    """Utterance embeddings ``(N, D)``."""
    waves = [Waveform(sound.astype(np.float32) / 32768) for sound in sounds]
    return np.stack([rows.values[0] for rows in extractor.embed(waves, "utterance")]).astype(np.float32)


def folds_of(speakers: np.ndarray) -> list[Fold]:
    """Two speakers left out at a time, in the order of their names."""
    names = sorted(set(speakers))
    found = []
    for pair in (names[i : i + 2] for i in range(0, len(names), 2)):
        left_out = np.isin(speakers, pair)
        found.append(Fold("+".join(pair), np.flatnonzero(~left_out), np.flatnonzero(left_out)))
    return found


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("emodb", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "noise_training.json")
    parser.add_argument("--features", default="audio/is09")
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    began = time.perf_counter()
    recordings, extractor = Recordings(arguments.emodb), create_extractor(arguments.features)
    target = Target("discrete", "classes", tuple(sorted(set(recordings.emotions))))
    truth = {"discrete": np.searchsorted(target.classes, recordings.emotions).astype(np.int64)}
    everyone = range(len(recordings.names))
    clean = table_of(recordings, embedded(extractor, recordings.sounds), truth)
    heard = {"clean": clean}
    for snr in TEST_DB:
        sounds = [recordings.noisy(i, snr, "b", ()) for i in everyone]
        heard[f"{snr:g} dB"] = table_of(recordings, embedded(extractor, sounds), truth)
    options, config = split_options({**OPTIONS, "repeats": arguments.seeds}, MODEL, fusion_model(MODEL))
    task = Task(MODEL, config, (target,), options)
    ways = ("clean", "noise")
    kept = {
        (way, condition): [{"discrete": np.zeros((len(clean), len(target.classes)))} for _ in options.seeds]
        for way in ways
        for condition in heard
    }
    with small_network_settings(1):
        for number, fold in enumerate(folds_of(recordings.speakers)):
            print(f"fold {number + 1}: {fold.name} left out, {time.perf_counter() - began:.0f} s", flush=True)
            versions = []
            for snr in TRAIN_DB:
                sounds = [recordings.noisy(i, snr, "a", fold.name.split("+")) for i in fold.train]
                rows = clean.embeddings[0].copy()
                rows[fold.train] = embedded(extractor, sounds)  # the other rows are never looked at
                versions.append(table_of(recordings, rows, {}))
            tables = {"clean": clean, "noise": Table(clean.names, clean.embeddings, clean.present, truth, (*versions,))}
            for way, table in tables.items():
                requests = [
                    Request(task, number, s, fold.train, truth["discrete"][fold.train], recordings.speakers[fold.train])
                    for s in options.seeds
                ]
                for repeat, fit in enumerate(fit_members(table, requests, None)):
                    for condition, other in heard.items():
                        found = predict_table(fit.member, other.rows(fold.test), task.targets)
                        kept[way, condition][repeat]["discrete"][fold.test] = found["discrete"]
    measure = measures_of(task.targets, None)[0]
    document = {
        "what": "WAF out of fold; speakers left out in pairs; babble of other speakers",
        "features": arguments.features,
        "clips": len(clean),
        "speakers": len(set(recordings.speakers)),
        "training_snr_db": list(TRAIN_DB),
        "voices": VOICES,
        "model": {"name": MODEL, **OPTIONS, "seeds": arguments.seeds},
        "conditions": {c: _scores(c, kept, measure, truth, recordings.speakers) for c in heard},
        "drop_at_5_db": {},
        "seconds": round(time.perf_counter() - began, 1),
        "machine": machine(),
    }
    scores = document["conditions"]
    document["drop_at_5_db"] = {way: scores["clean"][way]["waf"] - scores["5 dB"][way]["waf"] for way in ways}
    write_text_atomically(arguments.out, json.dumps(document, indent=2) + "\n")
    print(json.dumps(document, indent=2))


def table_of(recordings: Recordings, rows: np.ndarray, truth: dict[str, np.ndarray]) -> Table:
    """Embeddings of all clips as a table."""
    return Table(tuple(recordings.names), (rows,), np.ones((len(rows), 1), bool), truth)


def _scores(condition: str, kept: dict, measure: object, truth: dict, speakers: np.ndarray) -> dict[str, object]:
    """Both ways under one condition: mean over seeds with its interval, and the test of the ensembles."""
    found: dict[str, object] = {}
    ensembles = []
    for way in ("clean", "noise"):
        per_seed = kept[way, condition]
        between = interval_of_mean(measure, truth, per_seed, speakers, "speaker")
        each = [float(measure.metric(truth["discrete"], p["discrete"].argmax(axis=1))) for p in per_seed]
        found[way] = {"waf": float(np.mean(each)), "low": between.low, "high": between.high, "per_seed": each}
        ensembles.append(np.mean([p["discrete"] for p in per_seed], axis=0).argmax(axis=1))
    test = paired_test(
        measure.metric, [truth["discrete"], ensembles[1]], [truth["discrete"], ensembles[0]], speakers, unit="speaker"
    )
    found["noise_minus_clean"] = {
        "of_ensembles": test.difference, "low": test.low, "high": test.high, "p": test.p, "speakers": test.n_groups
    }  # fmt: skip
    return found


if __name__ == "__main__":
    main()

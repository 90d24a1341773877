"""Speed of extraction, side by side with the loop that scripts run (`extraction_loop`), and with the bare models.

Run by hand: ``python benchmarks/extraction.py --clips DIR [--emodb DIR] [--part road models pipeline stages waf]``.
Writes ``benchmarks/results/extraction.json``. Models have their real size and random weights, made on the spot.

* ``road``: clips -> face track, CLIP ViT-B/32, HuBERT base, RoBERTa base; contenders take turns, each in a process of
  its own, loading included.
* ``models``: ready inputs through the bare model one clip at a time, and through the extractor in the engine's batches.
* ``pipeline``: crops and sounds at hand (shipped arrays, WAVs) through the engine, against the bare model fed with
  ready batches of the same shapes; the time of N clips less that of N/4, so that starting counts on neither side.
* ``stages``: processor seconds of decoding, face track, and each model.
* ``waf``: a baseline trained on EmoDB with HuBERT in fp32 and in bf16.
* ``gpu``: clips/s of CLIP ViT-L/14 and HuBERT large on a GPU, share of the measured ceiling of matrix products.

Processor seconds count child processes too. On a CPU the model part is bound by arithmetic, so that batches gain little
there; what can be gained is in the face track, in decoding once, in not going through files, and in bf16.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measuring import machine

MODELS = {
    "face": "face/clip-vit-base-patch32",
    "audio": "audio/chinese-hubert-base",
    "text": "text/chinese-roberta-wwm-ext",
}
LARGE = {"face": "face/clip-vit-large-patch14", "audio": "audio/chinese-hubert-large"}
SUFFIXES = (".mp4", ".mpg", ".mov")
SENTENCE = "今天我很高兴真的你难过吗我们明天再说吧"
GOALS = {
    "road_bf16": 4.0,
    "road_fp32": 1.8,
    "models_fp32": 1.0,
    "models_bf16_speech": 1.2,
    "models_bf16_vision": 2.0,
    "relative_difference": 1e-2,
    "pipeline": 0.9,
    "waf_points": 0.2,
}


def main() -> int:
    """Measure the parts asked for and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, help="folder of clips (road, models, pipeline, stages)")
    parser.add_argument("--emodb", type=Path, help="folder of EmoDB as published: wav/ (waf)")
    parser.add_argument("--part", nargs="+", choices=tuple(PARTS), default=["road", "models", "pipeline", "stages"])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--limit", type=int, help="only so many clips, for a first try")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "extraction.json")
    parser.add_argument("--here", nargs=2, help=argparse.SUPPRESS)  # the process of one contender: name, folder
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(contend(arguments.here[0], Path(arguments.here[1]), arguments)))
        return 0
    result: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    result |= {"what": "see benchmarks/extraction.py", "goals": GOALS}
    folder = Path(tempfile.mkdtemp(prefix="mertools-extraction-"))
    try:
        for part in arguments.part:
            before = machine()
            result[part] = {**PARTS[part](folder, arguments), "machine": before | features()}
            print(part, json.dumps(result[part]), file=sys.stderr, flush=True)
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            arguments.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def features() -> dict[str, Any]:
    """What the processor can do in 16 bit."""
    path = Path("/proc/cpuinfo")
    flags = path.read_text().split() if path.exists() else []
    return {"bf16": sorted({flag for flag in flags if flag in ("amx_bf16", "avx512_bf16")})}


def weights_of(name: str, folder: Path) -> Path:
    """A folder of weights of the published size, random."""
    target = folder / "weights" / name.replace("/", "-")
    if target.exists():
        return target
    import torch
    import transformers

    from feature_extractors import EXTRACTORS
    from feature_extractors.pretrained import published_config

    config = published_config(EXTRACTORS.entry(name).facts)
    kinds = {"clip": "CLIPVisionModelWithProjection", "hubert": "HubertModel", "bert": "BertModel"}
    if config.model_type == "clip":
        from feature_extractors.face.clip import _image_half

        config = _image_half(config)
        transformers.CLIPImageProcessor().save_pretrained(target)
        kind = kinds["clip"]
    else:
        kind = kinds[config.model_type]
    torch.manual_seed(0)
    getattr(transformers, kind)(config).save_pretrained(target)
    if config.model_type == "hubert":
        transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(target)
    if config.model_type == "bert":
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(SENTENCE)]
        (target / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
        (target / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512})
        )
    return target


def clips_of(arguments: argparse.Namespace) -> dict[str, Path]:
    """Names and files of the clips."""
    if arguments.clips is None:
        raise SystemExit("this part needs --clips DIR")
    files = sorted(path for path in arguments.clips.iterdir() if path.suffix in SUFFIXES)
    return {path.stem: path for path in files[: arguments.limit]}


def corpus_of(clips: dict[str, Path], folder: Path) -> Any:
    """A corpus of the clips, each with the same transcript."""
    from mertools.corpus import Clip, Corpus, Split

    rows = tuple(Clip(name, "train", path, None, {"text": SENTENCE}) for name, path in clips.items())
    return Corpus("clips", folder, rows, folder, (Split("train"),))


def spec(kind: str, folder: Path) -> str:
    """What extract takes."""
    return f"{MODELS[kind]}:weights={weights_of(MODELS[kind], folder)}"


def cpu_s() -> tuple[float, float]:
    """Processor seconds of this process, and of its children that have ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime, children.ru_utime + children.ru_stime


def apart(contender: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """One contender in a process of its own."""
    command = [sys.executable, __file__, "--here", contender, str(folder), "--threads", str(arguments.threads)]
    if arguments.clips:
        command += ["--clips", str(arguments.clips.resolve())]
    if arguments.limit:
        command += ["--limit", str(arguments.limit)]
    environment = os.environ | {"OMP_NUM_THREADS": str(arguments.threads), "OMP_WAIT_POLICY": "passive"}
    wall, (_, before) = time.perf_counter(), cpu_s()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {"wall_s": round(time.perf_counter() - wall, 2), "cpu_s": round(cpu_s()[1] - before, 2), **found}


def contend(name: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """What one process does."""
    import torch

    torch.set_num_threads(arguments.threads)
    clips = clips_of(arguments)
    out = Path(tempfile.mkdtemp(dir=folder))
    try:
        if name == "loop":
            from extraction_loop import run

            weights = {kind: weights_of(model, folder) for kind, model in MODELS.items()}
            return {"stages": run(clips, dict.fromkeys(clips, SENTENCE), weights, out)}
        return ours(corpus_of(clips, out), [spec(kind, folder) for kind in MODELS], out / "store", precision=name)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def ours(corpus: Any, names: Sequence[str], store: Path, **options: Any) -> dict[str, Any]:
    """Extract; statuses and the share of waiting."""
    from feature_extractors import extract
    from mertools.store import open_store

    with open_store(store, create=True) as opened:
        summary = extract(corpus, names, opened, quiet=True, device="cpu", **options)
    return {"status": summary.status, "waiting": round(summary.waiting, 3), "extract_s": round(summary.seconds, 2)}


def road(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """The whole road: the loop, ours in fp32, ours in bf16."""
    for model in MODELS.values():
        weights_of(model, folder)
    turns: dict[str, list[dict[str, Any]]] = {"loop": [], "fp32": [], "bf16": []}
    for _ in range(arguments.rounds):
        for name, found in turns.items():
            found.append(apart(name, folder, arguments))
            print(name, found[-1], file=sys.stderr, flush=True)
    wall = {name: statistics.median(turn["wall_s"] for turn in found) for name, found in turns.items()}
    cpu = {name: statistics.median(turn["cpu_s"] for turn in found) for name, found in turns.items()}
    return {
        "clips": len(clips_of(arguments)),
        "wall_s": wall,
        "cpu_s": cpu,
        "speedup": {name: round(wall["loop"] / wall[name], 2) for name in ("fp32", "bf16")},
        "speedup_in_cpu_s": {name: round(cpu["loop"] / cpu[name], 2) for name in ("fp32", "bf16")},
        "turns": turns,
    }


def stages(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Processor seconds per stage: spaces are added to one store, so that each run pays for one stage more."""
    import torch

    torch.set_num_threads(arguments.threads)
    corpus, found = corpus_of(clips_of(arguments), folder), {}
    steps = [
        ("text model", spec("text", folder)),
        ("speech model", spec("audio", folder)),
        ("face track", "face/hog:crop=aligned-112"),
        ("face model", spec("face", folder)),
    ]
    for label, name in steps:
        wall, (own, children) = time.perf_counter(), cpu_s()
        ours(corpus, [name], folder / "stages", precision="fp32")
        after = cpu_s()
        found[label] = {
            "this_process_cpu_s": round(after[0] - own, 2),
            "decoders_cpu_s": round(after[1] - children, 2),
            "wall_s": round(time.perf_counter() - wall, 2),
        }
    return {"clips": len(corpus), "precision": "fp32", "stages": found, "note": "face track includes face/hog"}


def inputs_of(arguments: argparse.Namespace, n_frames: int) -> tuple[list[Any], list[Any]]:
    """Crops (at most `n_frames` a clip) and sounds of the clips, in memory."""
    from feature_extractors.base import FaceCrops, Waveform
    from mertools.media import is_silent, iter_frames, read_audio

    crops, sounds = [], []
    for path in clips_of(arguments).values():
        pixels: list[np.ndarray] = []
        for chunk in iter_frames(path):
            pixels += list(chunk.pixels)
            if len(pixels) >= n_frames:
                break
        side = min(pixels[0].shape[:2])
        square = np.stack(
            [
                frame[:side, :side][:: max(1, side // 224), :: max(1, side // 224)][:224, :224]
                for frame in pixels[:n_frames]
            ]
        )
        crops.append(FaceCrops(np.ascontiguousarray(square), np.arange(len(square)) / 25))
        audio = read_audio(path)
        if not is_silent(audio):
            sounds.append(Waveform(audio.samples, audio.rate_hz, 0.0))
    return crops, sounds


def models(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """The model part alone, on ready inputs."""
    import torch

    from feature_extractors import create_extractor

    torch.set_num_threads(arguments.threads)
    crops, sounds = inputs_of(arguments, 48)
    found: dict[str, Any] = {}
    for kind, inputs in (("face", crops), ("audio", sounds)):
        extractors = {}
        for precision in ("fp32", "bf16"):
            extractors[precision] = create_extractor(MODELS[kind], weights=str(weights_of(MODELS[kind], folder)))
            extractors[precision].load("cpu", precision)
        bare = bare_model(kind, extractors["fp32"])
        contenders: dict[str, Callable[[], Any]] = {
            "clip_by_clip": lambda inputs=inputs, bare=bare: [bare(one) for one in inputs],
            "fp32": lambda inputs=inputs, e=extractors: in_batches(e["fp32"], inputs),
            "bf16": lambda inputs=inputs, e=extractors: in_batches(e["bf16"], inputs),
        }
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        rows: dict[str, Any] = {}
        for action in contenders.values():
            action()
        for _ in range(arguments.rounds + 1):
            for name, action in contenders.items():
                began = time.perf_counter()
                rows[name] = action()
                seconds[name].append(round(time.perf_counter() - began, 3))
        middle = {name: statistics.median(values) for name, values in seconds.items()}
        difference = [
            float(np.linalg.norm(a - b) / np.linalg.norm(a)) for a, b in zip(rows["fp32"], rows["bf16"], strict=True)
        ]
        found[kind] = {
            "model": MODELS[kind],
            "clips": len(inputs),
            "seconds": seconds,
            "fp32_over_clip_by_clip": round(middle["clip_by_clip"] / middle["fp32"], 3),
            "bf16_over_fp32": round(middle["fp32"] / middle["bf16"], 3),
            "relative_difference_of_bf16": {"median": float(np.median(difference)), "largest": max(difference)},
        }
    return found


def bare_model(kind: str, extractor: Any) -> Callable[[Any], Any]:
    """The same network called for one clip: inputs prepared as the published scripts do."""
    import torch

    model = extractor.model

    def face(crops: Any) -> Any:
        processor = _processor()
        pixels = processor(images=list(crops.pixels), return_tensors="pt")["pixel_values"]
        return torch.cat([model(pixel_values=part).image_embeds for part in pixels.split(32)]).mean(dim=0).numpy()

    def audio(wave: Any) -> Any:
        values = torch.from_numpy((wave.samples - wave.samples.mean()) / (wave.samples.std() + 1e-7))[None]
        pieces = [p for p in values.split(160_000, dim=1) if p.shape[1] >= 400]
        hidden = [torch.stack(model(p, output_hidden_states=True).hidden_states[-4:]).sum(0)[0] for p in pieces]
        return torch.cat(hidden).mean(dim=0).numpy()

    def run(one: Any) -> Any:
        with torch.inference_mode():
            return (face if kind == "face" else audio)(one)

    return run


def _processor() -> Any:
    from transformers import CLIPImageProcessor

    return CLIPImageProcessor()


def in_batches(extractor: Any, inputs: Sequence[Any]) -> list[np.ndarray]:
    """Mean rows of each input, through the extractor in batches of its own cost."""
    from feature_extractors.batching import plan_batches

    costs = [extractor.cost(len(one)) for one in inputs]
    units = [max(1, round(1000 * cost)) for cost in costs]
    rows: list[Any] = [None] * len(inputs)
    for group in plan_batches(units, round(1000 * extractor.batch_cost), equal=False):
        for i, found in zip(group, extractor.embed([inputs[i] for i in group], "frame"), strict=True):
            rows[i] = np.asarray(found.values).mean(axis=0)
    return rows


def pipeline(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """The engine on crops and sounds at hand, against the bare model on ready batches."""
    import torch

    from feature_extractors import create_extractor

    torch.set_num_threads(arguments.threads)
    crops, sounds = inputs_of(arguments, 32)
    found = {}
    for kind, inputs in (("face", crops), ("audio", sounds)):
        inputs = [inputs[i % len(inputs)] for i in range(4 * (len(inputs) // 4))]
        extractor = create_extractor(MODELS[kind], weights=str(weights_of(MODELS[kind], folder)))
        extractor.load("cpu", "fp32")
        made = {n: material(kind, inputs[:n], folder / f"{kind}{n}") for n in (len(inputs) // 4, len(inputs))}
        bare, engine = [], []
        in_batches(extractor, inputs[:2])
        for turn in range(arguments.rounds):
            times = {}
            for n, (corpus, name) in made.items():
                began = time.perf_counter()
                ours(corpus, [f"{name}:weights={weights_of(MODELS[kind], folder)}"], folder / f"{kind}{n}-{turn}")
                times[n] = time.perf_counter() - began
            few, many = sorted(times)
            engine.append(round(times[many] - times[few], 3))
            began = time.perf_counter()
            in_batches(extractor, inputs[few:])
            bare.append(round(time.perf_counter() - began, 3))
        found[kind] = {
            "clips": len(inputs) - len(inputs) // 4,
            "engine_s": engine,
            "bare_s": bare,
            "efficiency": round(statistics.median(bare) / statistics.median(engine), 3),
        }
    return found


def material(kind: str, inputs: Sequence[Any], folder: Path) -> tuple[Any, str]:
    """A corpus whose crops, or sounds, are at hand, and the extractor to name."""
    from scipy.io import wavfile

    from mertools.corpus import Clip, Corpus, Split

    folder.mkdir(parents=True)
    clips = []
    for i, one in enumerate(inputs):
        name = f"clip{i:04d}"
        if kind == "face":
            (folder / name).mkdir()
            np.save(folder / name / f"{name}.npy", one.pixels[..., ::-1])
            clips.append(Clip(name, "train", None, None, {}))
        else:
            wavfile.write(folder / f"{name}.wav", 16_000, (one.samples * 32767).astype(np.int16))
            clips.append(Clip(name, "train", None, folder / f"{name}.wav", {}))
    corpus = Corpus(folder.name, folder, tuple(clips), folder, (Split("train"),))
    shipped = f":crop=openface-folder:folder={folder}" if kind == "face" else ""
    return corpus, MODELS[kind] + shipped


def waf(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """WAF of the baseline on HuBERT in fp32 and in bf16, the same folds and seeds."""
    if arguments.emodb is None:
        raise SystemExit("this part needs --emodb DIR")
    from baselines import train
    from mertools import Corpus
    from mertools.corpora import prepare

    prepare("emodb", arguments.emodb, folder / "emodb")
    corpus = Corpus.read(folder / "emodb")
    name = f"{MODELS['audio']}:weights={weights_of(MODELS['audio'], folder)}"
    scores = {}
    for precision in ("fp32", "bf16"):
        extracted = ours(corpus, [name], folder / f"emodb-{precision}", precision=precision)
        made = train(
            corpus,
            [MODELS["audio"]],
            "attention",
            folder / f"run-{precision}",
            target="discrete",
            folds="speaker",
            store=str(folder / f"emodb-{precision}"),
            repeats=10,
        )
        scores[precision] = {
            "waf": made.metrics["metrics"]["waf"],
            "per_seed": [one["waf"] for one in made.metrics["per_seed"]],
            "ensemble": made.metrics["ensemble"]["waf"],
            "status": extracted["status"],
        }
    points = 100 * (scores["bf16"]["waf"] - scores["fp32"]["waf"])
    return {"corpus": "emodb, leave one speaker out", "seeds": 10, **scores, "moved_points": round(points, 3)}


def gpu(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Large models on a GPU: clips/s, and the share of what matrix products of 16 bit reach there."""
    import torch

    if not torch.cuda.is_available():
        raise SystemExit("this part needs a GPU: torch.cuda.is_available() is False")
    from feature_extractors import create_extractor
    from feature_extractors.base import FaceCrops, Waveform

    generator = np.random.default_rng(0)
    side = 8192
    a, b = (torch.randn(side, side, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    ceiling = 2 * side**3 / timed_on_gpu(lambda: a @ b, 20)
    inputs = {
        "face": [
            FaceCrops(generator.integers(0, 256, (64, 224, 224, 3), np.uint8), np.arange(64) / 25) for _ in range(32)
        ],
        "audio": [Waveform(generator.normal(0, 0.1, 16_000 * 4).astype(np.float32), 16_000, 0.0) for _ in range(64)],
    }
    found: dict[str, Any] = {"device": torch.cuda.get_device_name(), "ceiling_tflops": round(ceiling / 1e12, 1)}
    for kind, clips in inputs.items():
        extractor = create_extractor(LARGE[kind], weights=str(weights_of(LARGE[kind], folder)))
        extractor.load("cuda", "bf16")
        seconds = timed_on_gpu(lambda e=extractor, c=clips: in_batches(e, c), 3)
        parameters = sum(p.numel() for p in extractor.model.parameters())
        tokens = 32 * 64 * 257 if kind == "face" else 64 * extractor.frontend.n_rows(64_000)
        found[kind] = {
            "model": LARGE[kind],
            "clips_per_s": round(len(clips) / seconds, 2),
            "share_of_ceiling": round(2 * parameters * tokens / seconds / ceiling, 3),
        }
    return found


def timed_on_gpu(action: Callable[[], Any], repeats: int) -> float:
    """Seconds per call."""
    import torch

    action()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(repeats):
        action()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / repeats


PARTS = {"road": road, "models": models, "pipeline": pipeline, "stages": stages, "waf": waf, "gpu": gpu}

if __name__ == "__main__":
    sys.exit(main())

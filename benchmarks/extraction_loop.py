"""What extraction is measured against: one clip after another, one model after another, files between the steps.

So work the scripts that people use: faces are found frame by frame by MTCNN and written as images, then gathered into
one array per clip; sound is written as a WAV; each model walks over all clips by itself, one clip (32 frames) per
forward pass, and saves one ``.npy`` per clip. Written anew from a description of that way of working.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

SURE = 0.9
CHUNK = 160_000
FRAMES = 32


def run(
    clips: Mapping[str, Path], texts: Mapping[str, str], weights: Mapping[str, Path], out: Path
) -> dict[str, float]:
    """The whole road; wall seconds of each stage."""
    seconds = {}
    stages: list[tuple[str, Callable[[], None]]] = [
        ("faces", lambda: faces(clips, out / "faces")),
        ("sounds", lambda: sounds(clips, out / "wav")),
        ("face model", lambda: embed_faces(out / "faces", weights["face"], out / "face")),
        ("speech model", lambda: embed_sounds(out / "wav", weights["audio"], out / "audio")),
        ("text model", lambda: embed_texts(texts, weights["text"], out / "text")),
    ]
    for name, stage in stages:
        began = time.perf_counter()
        stage()
        seconds[name] = round(time.perf_counter() - began, 2)
    return seconds


def faces(clips: Mapping[str, Path], out: Path) -> None:
    """Largest face of each frame as an image of 112 x 112, then all of a clip as one array."""
    import av
    import cv2
    from facenet_pytorch import MTCNN

    detector = MTCNN(keep_all=True)
    for name, path in clips.items():
        folder = out / name
        folder.mkdir(parents=True)
        with av.open(str(path)) as container:
            for i, frame in enumerate(container.decode(video=0)):
                pixels = frame.to_ndarray(format="rgb24")
                boxes, sure = detector.detect(pixels)
                if boxes is None:
                    continue
                kept = boxes[sure >= SURE] if (sure >= SURE).any() else boxes[[int(sure.argmax())]]
                x0, y0, x1, y1 = kept[np.argmax((kept[:, 2] - kept[:, 0]) * (kept[:, 3] - kept[:, 1]))]
                crop = pixels[max(0, int(y0)) : int(y1) + 1, max(0, int(x0)) : int(x1) + 1]
                if crop.size:
                    cv2.imwrite(str(folder / f"{i:06d}.bmp"), cv2.resize(crop[..., ::-1], (112, 112)))
        images = [cv2.imread(str(file)) for file in sorted(folder.glob("*.bmp"))]
        np.save(out / f"{name}.npy", np.array(images, np.uint8))


def sounds(clips: Mapping[str, Path], out: Path) -> None:
    """16 kHz mono WAVs; silent sounds are left out, as ours leaves them out."""
    from scipy.io import wavfile

    from mertools.media import is_silent, read_audio

    out.mkdir(parents=True)
    for name, path in clips.items():
        audio = read_audio(path)
        if not is_silent(audio):
            wavfile.write(out / f"{name}.wav", audio.rate_hz, (audio.samples * 32767).astype(np.int16))


@torch.inference_mode()
def embed_faces(faces: Path, weights: Path, out: Path) -> None:
    """CLIP over the frames of a clip, 32 at a time."""
    from PIL import Image
    from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

    model = CLIPVisionModelWithProjection.from_pretrained(weights).eval()
    processor = CLIPImageProcessor.from_pretrained(weights)
    out.mkdir(parents=True)
    for file in sorted(faces.glob("*.npy")):
        frames = [Image.fromarray(frame[..., ::-1]) for frame in np.load(file)]
        if not frames:
            continue
        pixels = processor(images=frames, return_tensors="pt")["pixel_values"]
        rows = [model(pixel_values=batch).image_embeds for batch in pixels.split(FRAMES)]
        np.save(out / file.name, torch.cat(rows).numpy().mean(axis=0))


@torch.inference_mode()
def embed_sounds(wavs: Path, weights: Path, out: Path) -> None:
    """HuBERT over one clip, in chunks of 10 s of which the last is filled with zeros; sum of the last four layers."""
    from scipy.io import wavfile
    from transformers import HubertModel, Wav2Vec2FeatureExtractor

    model, reader = HubertModel.from_pretrained(weights).eval(), Wav2Vec2FeatureExtractor.from_pretrained(weights)
    out.mkdir(parents=True)
    for file in sorted(wavs.glob("*.wav")):
        rate, samples = wavfile.read(file)
        values = reader(samples.astype(np.float32) / 32768, sampling_rate=rate, return_tensors="pt").input_values
        if values.shape[1] > CHUNK:
            values = torch.nn.functional.pad(values, (0, -values.shape[1] % CHUNK)).reshape(-1, CHUNK)
        hidden = model(values, output_hidden_states=True).hidden_states
        rows = torch.stack(hidden)[[-4, -3, -2, -1]].sum(dim=0).flatten(0, 1)
        np.save(out / f"{file.stem}.npy", rows.numpy().mean(axis=0))


@torch.inference_mode()
def embed_texts(texts: Mapping[str, str], weights: Path, out: Path) -> None:
    """BERT over one transcript; sum of the last four layers without special tokens."""
    from transformers import AutoTokenizer, BertModel

    model: Any = BertModel.from_pretrained(weights).eval()
    tokenizer = AutoTokenizer.from_pretrained(weights)
    out.mkdir(parents=True)
    for name, text in texts.items():
        hidden = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states
        rows = torch.stack(hidden)[[-4, -3, -2, -1]].sum(dim=0)[0, 1:-1]
        np.save(out / f"{name}.npy", rows.numpy().mean(axis=0))

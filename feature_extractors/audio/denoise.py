"""Sound without the noise around the voice: our own spectral gate, HDemucs, or any program of the user's.

A denoiser takes mono sound at its own rate and gives as many samples back. `feature_extractors.audio.denoise_corpus`
walks a corpus with one.
"""

from __future__ import annotations

import hashlib
import shlex
import subprocess
import tempfile
import wave
from pathlib import Path
from typing import Protocol

import numpy as np

from mertools.errors import ConfigError, ExtractionError, MediaError
from mertools.status import Status

SLACK_S = 0.05
"""How much longer or shorter than its input the output of a program may be; it is cut or filled with silence."""

_QUIET_SHARE = 0.1
_OVER = 2.0
_LEAST = 0.1


class Denoiser(Protocol):
    """What takes noise off.

    Attributes:
        rate_hz: of the sound it takes and gives.
        origin: what the corpus records; changes with everything that changes the sound.
    """

    rate_hz: int
    origin: str

    def denoise(self, samples: np.ndarray) -> np.ndarray:
        """``(N,)`` float32 to ``(N,)`` float32.

        Raises:
            MediaError: if this sound cannot be denoised.
        """


class SpectralGate:
    """Spectral subtraction (Boll, 1979) with a noise level per band from the quietest tenth of the clip's windows.

    It takes steady noise off (hum, hiss, fans), no music and no other voices; it needs no weights.
    """

    rate_hz = 16_000
    origin = "gate@1"

    def denoise(self, samples: np.ndarray) -> np.ndarray:
        """See `Denoiser.denoise`; sound shorter than two windows comes back as it is."""
        from scipy.signal import istft, stft

        if len(samples) < 1024:
            return samples.astype(np.float32)
        _, _, spectrum = stft(samples, nperseg=512, noverlap=384)
        level = np.abs(spectrum)
        noise = np.quantile(level, _QUIET_SHARE, axis=1, keepdims=True)
        # The tenth smallest of Rayleigh-distributed levels lies this far below their root mean square.
        noise = noise / np.sqrt(-np.log(1 - _QUIET_SHARE))
        gain = np.clip(1 - _OVER * (noise / np.maximum(level, 1e-12)) ** 2, _LEAST**2, 1) ** 0.5
        gain[:, 1:-1] = (gain[:, :-2] + 2 * gain[:, 1:-1] + gain[:, 2:]) / 4  # against single tones that come and go
        _, clean = istft(spectrum * gain, nperseg=512, noverlap=384)
        return np.asarray(fitted(clean, len(samples)), np.float32)


class HDemucs:
    """Voice apart from music and noise (Défossez, 2021), by torchaudio; the four stems in its published order.

    Args:
        weights: state dict of ``hdemucs_high``, e.g. torchaudio's ``hdemucs_high_trained.pt``.
        device: as torch names it.
    """

    rate_hz = 44_100

    def __init__(self, weights: Path, device: str = "cpu") -> None:
        from pickle import UnpicklingError

        import torch
        from torchaudio.models import hdemucs_high

        if not weights.is_file():
            raise ExtractionError(
                "MER-E231",
                f"hdemucs: the weights {weights} do not exist.",
                "Give torchaudio's hdemucs_high_trained.pt (or another state dict of hdemucs_high) with --weights.",
            )
        self._model = hdemucs_high(["drums", "bass", "other", "vocals"])
        try:
            self._model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        except (RuntimeError, OSError, EOFError, UnpicklingError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ExtractionError(
                "MER-E232", f"hdemucs: {weights} cannot be read: {reason}", "Expected a state dict of hdemucs_high."
            ) from error
        self._model.eval().to(device)
        self._device = device
        self.origin = f"hdemucs@{hashlib.blake2b(weights.read_bytes(), digest_size=8).hexdigest()}"

    def denoise(self, samples: np.ndarray) -> np.ndarray:
        """The vocals, normalised and put back as the published pipeline does; the whole sound at once."""
        import torch

        mixture = torch.from_numpy(samples.astype(np.float32)).to(self._device)
        mean, std = mixture.mean(), mixture.std() + 1e-8
        stereo = ((mixture - mean) / std).expand(1, 2, -1)
        with torch.inference_mode():
            stems = self._model(stereo)  # (1, 4, 2, N)
        vocals = stems[0, 3].mean(dim=0) * std + mean
        return np.asarray(fitted(vocals.cpu().numpy(), len(samples)), np.float32)


class Command:
    """A program that reads a WAV file and writes one, e.g. ``deep-filter {input} -o {output}``; no shell is involved.

    Args:
        command: program and arguments as one line; quotes group words. ``{input}`` and ``{output}`` become paths.
        rate_hz: of the WAV file it is given (mono, 16 bit).
        timeout_s: seconds for one sound.
    """

    def __init__(self, command: str, rate_hz: int = 16_000, timeout_s: float = 600.0) -> None:
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise ConfigError(
                "MER-E233", f"the command {command!r} cannot be read: {error}.", "Close the quote."
            ) from None
        if not all(any(mark in word for word in self._words) for mark in ("{input}", "{output}")):
            raise ConfigError(
                "MER-E233",
                f"the command {command!r} lacks {{input}} or {{output}}.",
                "Expected a program with both, e.g. 'deep-filter {input} -o {output}'.",
            )
        if rate_hz < 8_000 or not timeout_s > 0:
            raise ConfigError("MER-E233", f"rate {rate_hz} or timeout {timeout_s} is too small.", "Mend the option.")
        self.rate_hz, self._timeout_s = rate_hz, timeout_s
        self.origin = f"command@{hashlib.blake2b(repr((self._words, rate_hz)).encode(), digest_size=8).hexdigest()}"

    def denoise(self, samples: np.ndarray) -> np.ndarray:
        """See `Denoiser.denoise`."""
        with tempfile.TemporaryDirectory(prefix="mertools-denoise-") as place:
            source, target = Path(place) / "input.wav", Path(place) / "output.wav"
            source.write_bytes(wav_bytes(samples, self.rate_hz))
            paths = {"{input}": str(source), "{output}": str(target)}
            self._run([_filled(word, paths) for word in self._words])
            return self._read(target, len(samples))

    def _run(self, words: list[str]) -> None:
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, timeout=self._timeout_s, check=False
            )
        except FileNotFoundError:
            raise ConfigError(
                "MER-E234", f"there is no program '{words[0]}'.", "Install it or give its full path."
            ) from None
        except PermissionError:
            raise ConfigError("MER-E234", f"'{words[0]}' may not be run.", "Make it executable.") from None
        except subprocess.TimeoutExpired:
            raise MediaError(
                "MER-E235", f"{words[0]} took longer than {self._timeout_s:g} s.", "", Status.TIMEOUT
            ) from None
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise MediaError("MER-E236", f"{words[0]} ended with code {done.returncode}: {lines[-1]}", "", Status.CRASH)

    def _read(self, target: Path, n: int) -> np.ndarray:
        from mertools.media import read_audio

        if not target.is_file():
            raise MediaError("MER-E237", "the command wrote no {output}.", "", Status.CRASH)
        made = read_audio(target, rate_hz=self.rate_hz).samples
        if abs(len(made) - n) > SLACK_S * self.rate_hz:
            raise MediaError(
                "MER-E237",
                f"the command made {len(made) / self.rate_hz:.2f} s of sound from {n / self.rate_hz:.2f} s.",
                "",
                Status.CRASH,
            )
        return fitted(made, n)


def fitted(samples: np.ndarray, n: int) -> np.ndarray:
    """The first `n` samples, filled with silence where there are fewer."""
    return np.pad(samples[:n], (0, max(n - len(samples), 0)))


def wav_bytes(samples: np.ndarray, rate_hz: int) -> bytes:
    """A mono WAV file of 16 bit; what lies beyond full scale is clipped."""
    import io

    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def _filled(word: str, paths: dict[str, str]) -> str:
    for mark, path in paths.items():
        word = word.replace(mark, path)
    return word

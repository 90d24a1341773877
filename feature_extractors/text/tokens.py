"""From a text to what a language model reads: tokens, and which of them are the text's own.

Special tokens are those that the tokenizer itself adds in front of a text and behind it; where a text spells one out,
it is a token like any other. Tokenizers whose code comes with the weights are not run: where such a tokenizer is a
SentencePiece model and a few tokens in front of it, it is read here (`SentencePieceTokenizer`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from feature_extractors.weights import Weights
from mertools.errors import ExtractionError, MissingDependencyError

TOKENIZER_FILES = (
    *("tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model", "spm.model"),
    "tokenizer.model",
)
"""Files of which a tokenizer needs one."""
FURTHER_FILES = ("merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
"""Files that change a tokenizer if they are there."""
_PIECES = ("sentencepiece.bpe.model", "spiece.model", "spm.model", "tokenizer.model")


@dataclass(frozen=True)
class Encoding:
    """A text as tokens.

    Attributes:
        inputs: what the tokenizer gives for the model, ``(N,)`` int64 each; ``input_ids`` is one of them.
        start: place of the first token of the text itself.
        stop: place behind the last one; `start` if the text has no token.
    """

    inputs: dict[str, np.ndarray]
    start: int
    stop: int


class Tokenizer(Protocol):
    """What turns a text into tokens.

    Attributes:
        pad_id: the token that fills a batch.
        longest: most tokens that it says the model can see, special ones included; None if it does not say.
    """

    pad_id: int
    longest: int | None

    def encode(self, text: str) -> Encoding:
        """Tokens of a whole text, however long."""


class LibraryTokenizer:
    """A tokenizer that transformers reads.

    Args:
        tokenizer: of transformers.
        types: whether the model counts on token types though the tokenizer gives none unless asked.
    """

    def __init__(self, tokenizer: Any, *, types: bool = False) -> None:
        self._tokenizer = tokenizer
        self._names = {*tokenizer.model_input_names, "attention_mask", *(["token_type_ids"] if types else [])}
        self.pad_id = int(tokenizer.pad_token_id or 0)
        stated = int(min(tokenizer.model_max_length, 1 << 30))  # 1e30 where nothing is stated
        self.longest = stated if stated < 1 << 30 else None

    def encode(self, text: str) -> Encoding:
        """See `Tokenizer.encode`."""
        found = self._tokenizer(
            _well_formed(text),
            return_special_tokens_mask=True,
            return_attention_mask=True,
            return_token_type_ids="token_type_ids" in self._names,
            verbose=False,
        )
        own = np.flatnonzero(np.asarray(found["special_tokens_mask"]) == 0)
        inputs = {name: np.asarray(values, np.int64) for name, values in found.items() if name in self._names}
        return Encoding(inputs, int(own[0]), int(own[-1]) + 1) if len(own) else Encoding(inputs, 0, 0)


class SentencePieceTokenizer:
    """A SentencePiece model with tokens in front of the text and behind it.

    Args:
        path: the model.
        extractor: who asks, for messages.
        front: names of tokens in front; ``<bos>`` is that of the model, `further` are others.
        back: names of tokens behind; ``<eos>`` is that of the model.
        further: names of tokens that follow those of the model.

    Raises:
        MissingDependencyError: if the package sentencepiece is not installed.
        ExtractionError: if the file is no SentencePiece model.
    """

    longest: int | None = None

    def __init__(
        self,
        path: Path,
        extractor: str,
        *,
        front: Sequence[str] = (),
        back: Sequence[str] = (),
        further: Sequence[str] = (),
    ) -> None:
        if not _installed("sentencepiece"):
            raise needs_sentencepiece(path, extractor)
        from sentencepiece import SentencePieceProcessor

        try:
            self._pieces = SentencePieceProcessor(model_file=str(path))
        except (RuntimeError, OSError, TypeError) as error:
            raise _unreadable(path, extractor, error) from None
        names = {"<bos>": self._pieces.bos_id(), "<eos>": self._pieces.eos_id()}
        names |= {name: self._pieces.get_piece_size() + i for i, name in enumerate(further)}
        self._front, self._back = [names[name] for name in front], [names[name] for name in back]
        self.pad_id = max(self._pieces.unk_id(), 0)

    def encode(self, text: str) -> Encoding:
        """See `Tokenizer.encode`."""
        own = self._pieces.encode(_well_formed(text))
        ids = np.asarray([*self._front, *own, *self._back], np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones(len(ids), np.int64)}
        return Encoding(inputs, len(self._front), len(self._front) + len(own))


def read_tokenizer(weights: Weights, model_type: str, extractor: str) -> Tokenizer:
    """The tokenizer of a folder of weights.

    Args:
        weights: the folder.
        model_type: as in its config.json.
        extractor: who asks, for messages.

    Raises:
        MissingDependencyError: if the tokenizer is a SentencePiece model and the package is not installed.
        ExtractionError: if it cannot be read.
    """
    there = {name for name in TOKENIZER_FILES if (weights.folder / name).is_file()}
    if model_type in _OF_OWN and "tokenizer.model" in there and "tokenizer.json" not in there:
        return _OF_OWN[model_type](weights, extractor)
    from transformers import AutoTokenizer, BertTokenizer

    from feature_extractors.pretrained import quiet_transformers

    # several Chinese models of other types (ALBERT, DeBERTa, GPT-2) are published with BERT's words and do not say so
    of_bert = there == {"vocab.txt"} and model_type != "mpnet"
    cls: Any = BertTokenizer if of_bert else AutoTokenizer
    pieces = [name for name in _PIECES if name in there]
    if pieces and "tokenizer.json" not in there and not (_installed("sentencepiece") and _installed("google.protobuf")):
        raise needs_sentencepiece(weights.folder / pieces[0], extractor)
    try:
        with quiet_transformers():
            tokenizer = cls.from_pretrained(weights.folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the library behind it raises nothing more special
        raise _unreadable(weights.folder / min(there), extractor, error) from error
    # published embeddings of XLNet know the segment of each token; its tokenizer gave it unasked up to transformers 4
    return LibraryTokenizer(tokenizer, types=model_type == "xlnet")


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # what it is part of
        return False


def needs_sentencepiece(path: Path, extractor: str) -> MissingDependencyError:
    """The error of a machine without the packages that read SentencePiece models."""
    return MissingDependencyError(
        "MER-O001",
        f"{extractor}: the tokenizer {path} is a SentencePiece model; sentencepiece or protobuf is not installed.",
        "Install them with: pip install sentencepiece protobuf",
    )


def _unreadable(path: Path, extractor: str, error: Exception) -> ExtractionError:
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    return ExtractionError(
        "MER-E213", f"{extractor}: the tokenizer {path} cannot be read: {reason}", "Fetch the file again."
    )


def _marked(weights: Weights, extractor: str) -> Tokenizer:
    """LLaMA's and Baichuan's: tokenizer_config.json says whether a text begins and ends with a mark.

    Where it does not say, a text begins with one; transformers 5 leaves it out, and published embeddings have seen it.
    """
    says = weights.read_json("tokenizer_config.json") if "tokenizer_config.json" in weights.others else {}
    return SentencePieceTokenizer(
        weights.folder / "tokenizer.model",
        extractor,
        front=["<bos>"] if says.get("add_bos_token") is not False else [],
        back=["<eos>"] if says.get("add_eos_token") else [],
    )


def _chatglm(weights: Weights, extractor: str) -> Tokenizer:
    """ChatGLM2's: five tokens follow those of the model, two of them begin every text."""
    return SentencePieceTokenizer(
        weights.folder / "tokenizer.model",
        extractor,
        front=["[gMASK]", "sop"],
        further=["[MASK]", "[gMASK]", "[sMASK]", "sop", "eop"],
    )


_OF_OWN = {"llama": _marked, "mistral": _marked, "baichuan": _marked, "chatglm": _chatglm}


def _well_formed(text: str) -> str:
    """The text with single surrogates, which no tokenizer takes, replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

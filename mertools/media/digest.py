"""The digest of a media file: when it changes, what was computed from the file is stale."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mertools.media.opening import open_regular


def media_digest(path: Path) -> str:
    """BLAKE2b of the content of a file, 128 bits, as 32 hexadecimal digits.

    Raises:
        MediaError: status missing if there is no such file, decode_error if it is not a regular file or unreadable.
    """
    with open_regular(Path(path)) as file:
        digest = hashlib.blake2b(digest_size=16)
        while block := file.read(1 << 20):
            digest.update(block)
        return digest.hexdigest()

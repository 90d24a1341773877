"""Transcripts of a corpus by a speech recogniser: sound in, a transcript column of the manifest out."""

from feature_extractors.transcription.run import TranscriptionOptions, TranscriptionSummary, transcribe

__all__ = ["TranscriptionOptions", "TranscriptionSummary", "transcribe"]

"""Label sets of the field, in the index order their challenges use, and spellings that can only mean one label."""

MER_EMOTIONS = ("neutral", "angry", "happy", "sad", "worried", "surprise")
"""The six MER labels, index 0..5 (MER2023-MER2026)."""

MER_VALENCE_RANGE = (-5.0, 5.0)
"""Valence of MER2023, annotated in steps of 0.25."""

AFEW_EMOTIONS = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
"""The seven words of EmotiW's AFEW, as its label files spell them."""

ABAW_EXPRESSIONS = ("Neutral", "Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise", "Other")
"""Expressions of Aff-Wild2, index 0..7."""

ABAW_ACTION_UNITS = ("AU1", "AU2", "AU4", "AU6", "AU7", "AU10", "AU12", "AU15", "AU23", "AU24", "AU25", "AU26")
"""The twelve action units of Aff-Wild2, in the order of its files."""

TRAITS = ("Extraversion", "Agreeableness", "Conscientiousnes", "Neuroticism", "Open Mindedness")
"""The five traits of MER2025's personality track, spelt as in its baseline's files."""

MER_RESPELLINGS = {
    "surprised": "surprise",
    "suprise": "surprise",
    "suprised": "surprise",
    "surprize": "surprise",
    "neutal": "neutral",
    "netural": "neutral",
    "nuetral": "neutral",
    "anger": "angry",
    "angery": "angry",
    "happiness": "happy",
    "hapy": "happy",
    "sadness": "sad",
    "worry": "worried",
    "woried": "worried",
    "worred": "worried",
}
"""Lower-case spellings seen in predictions (typing errors, nouns) and the one MER label each can mean."""

NA_WORDS = frozenset(
    {
        *("", "nan", "NaN", "-nan", "-NaN", "NA", "N/A", "n/a", "<NA>", "#NA", "#N/A", "#N/A N/A"),
        *("null", "NULL", "None", "1.#IND", "1.#QNAN", "-1.#IND", "-1.#QNAN"),
    }
)
"""Cells (the empty one too) that the organisers' CSV reader, pandas with its defaults, takes for "not a number"."""

"""Tiny models of text, each made once, and the same computed directly, one text at a time."""

import pytest

from feature_extractors.text.tiny import write_text_model


@pytest.fixture(scope="session")
def tiny_text(tmp_path_factory):
    """``tiny_text(model_type)``: a folder with a tiny random model; made once."""
    made = {}

    def get(model_type):
        if model_type not in made:
            made[model_type] = tmp_path_factory.mktemp(model_type)
            write_text_model(model_type, made[model_type])
        return made[model_type]

    return get

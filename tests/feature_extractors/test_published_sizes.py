"""Published models at their real size, without their parameters: declared facts against the architecture itself.

Each family makes its network on the meta device (`Extractor.published_shape`) and runs it there, so that shapes are
computed and numbers are not.
"""

import pytest

from feature_extractors import EXTRACTORS

PUBLISHED = [e.name for e in EXTRACTORS.entries() if e.facts["hub_id"]]


@pytest.fixture(params=PUBLISHED)
def entry(request):
    return EXTRACTORS.entry(request.param)


def test_the_published_network_computes_what_is_declared(entry):
    shape = entry.target.published_shape(entry.facts)
    assert shape is not None, f"{entry.name} does not say how large its published network is"
    assert shape.dim == entry.facts["dim"]
    assert shape.rows == shape.expected_rows
    assert shape.n_layers == entry.facts["n_layers"]
    assert shape.parameters > 0


def test_weights_default_to_the_published_ones(entry):
    assert entry.facts["defaults"] == {"weights": entry.facts["hub_id"]}

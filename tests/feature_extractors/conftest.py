"""Tiny random models in the layout of published folders, each made once."""

import pytest

from feature_extractors.fakes import write_transformers_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """``tiny_model(model_type, layer_norm=False)``: a folder with a tiny random model; made once."""
    made = {}

    def get(model_type, *, layer_norm=False):
        key = (model_type, layer_norm)
        if key not in made:
            made[key] = tmp_path_factory.mktemp(model_type)
            write_transformers_model(model_type, made[key], layer_norm=layer_norm)
        return made[key]

    return get


@pytest.fixture(scope="session")
def tiny_options(tmp_path_factory):
    """``tiny_options(name)``: options with which an extractor runs here; ``weights`` for those that need them."""
    from feature_extractors import EXTRACTORS

    made = {}

    def get(name):
        if name not in made:
            entry = EXTRACTORS.entry(name)
            made[name] = entry.target.fake_weights(tmp_path_factory.mktemp("weights"), entry.facts)
        return dict(made[name])

    return get


@pytest.fixture(autouse=True)
def _can_run(request):
    """Tests over the registry skip names that cannot run on their inputs here, and say why."""
    from feature_extractors import EXTRACTORS

    callspec = getattr(request.node, "callspec", None)
    name = callspec and (callspec.params.get("name") or callspec.params.get("kind_name"))
    if not isinstance(name, str) or name not in EXTRACTORS:
        return
    entry = EXTRACTORS.entry(name)
    if entry.missing():
        pytest.skip(f"{name} needs {', '.join(entry.missing())}, which is not installed")
    if entry.target.measured and "extractor" in request.fixturenames:
        pytest.skip(f"{name} takes what another program measured, not crops; its own tests hold it to the contract")

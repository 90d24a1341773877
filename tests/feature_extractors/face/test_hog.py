"""HOG against scikit-image, and what it must tell apart."""

import numpy as np
import pytest

from feature_extractors import create_extractor
from feature_extractors.base import FaceCrops
from feature_extractors.face.hog import grey_crops, hog
from mertools.errors import ExtractionError


@pytest.fixture(scope="module")
def faces():
    data = pytest.importorskip("skimage.data")
    face = data.astronaut()[:224, 120:344]
    noise = np.random.default_rng(0).integers(0, 256, face.shape, dtype=np.uint8)
    flat = np.full_like(face, 77)
    return np.stack([face, face[:, ::-1], noise, flat])


@pytest.mark.parametrize(("cell", "block", "orientations"), [(14, 2, 9), (8, 2, 9), (9, 3, 8), (16, 1, 12), (7, 4, 6)])
def test_equals_scikit_image(faces, cell, block, orientations):
    from skimage.feature import hog as reference

    grey = grey_crops(faces, 112)
    expected = [
        reference(
            image,
            orientations=orientations,
            pixels_per_cell=(cell, cell),
            cells_per_block=(block, block),
            block_norm="L2-Hys",
        )
        for image in grey
    ]
    np.testing.assert_allclose(hog(grey, cell, block, orientations), np.stack(expected), atol=1e-6)


def test_crop_of_another_size_gives_rows_of_the_same_dimension(faces):
    extractor = create_extractor("face/hog", cell=8)
    rows = extractor.embed([FaceCrops(faces, np.arange(4.0)), FaceCrops(faces[:1, :90, :60], np.zeros(1))], "frame")
    assert [r.values.shape for r in rows] == [(4, extractor.dim), (1, extractor.dim)]


def test_more_crops_than_one_pass_holds_are_each_computed_alone(faces):
    many = faces[np.arange(70) % 4]
    rows = create_extractor("face/hog").embed([FaceCrops(many, np.arange(70.0))], "frame")[0].values
    np.testing.assert_array_equal(rows[66], rows[2])
    assert np.abs(rows[0] - rows[1]).max() > 0.05  # a mirrored face is another face


def test_moved_mouth_changes_the_lower_rows_only():
    crop = np.full((1, 112, 112, 3), 128, np.uint8)
    smile, frown = crop.copy(), crop.copy()
    for x in range(40, 73):
        bend = int(0.02 * (x - 56) ** 2)
        smile[0, 90 - bend : 92 - bend, x] = 20
        frown[0, 84 + bend : 86 + bend, x] = 20
    extractor = create_extractor("face/hog")
    rows = [extractor.embed([FaceCrops(c, np.zeros(1))], "frame")[0].values[0] for c in (smile, frown)]
    change = np.abs(rows[0] - rows[1]).reshape(7, -1).max(1)  # by block row
    assert change[4:].max() > 0.1
    assert change[:3].max() == 0


@pytest.mark.parametrize("options", [{"cell": 0}, {"block": 9}, {"orientations": 0}, {"size": 20}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ExtractionError, match="MER-E101"):
        create_extractor("face/hog", **options)

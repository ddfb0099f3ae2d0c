"""Progressive JPEGs of very many scans are refused, whatever else a JPEG holds is not."""

import io
import random

import numpy as np
import pytest
from PIL import Image

from dltrain.features._images.decoding import Decoding
from dltrain.features._images.scans import MOST_SCANS, has_too_many_scans

SCAN = b"\xff\xda"


def jpeg(**how):
    file = io.BytesIO()
    pixels = np.random.RandomState(0).randint(0, 256, (24, 32, 3), np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", **how)
    return file.getvalue()


def repeated(content, times):
    """A JPEG whose last scan is there so many more times."""
    last = content[content.rindex(SCAN) : -2]
    return content[:-2] + last * times + content[-2:]


@pytest.mark.parametrize(
    "how", [{}, {"progressive": True}, {"restart_marker_blocks": 1}, {"exif": b"Exif\0\0" + SCAN * 500}]
)
def test_a_jpeg_as_encoders_write_it_is_decoded(tensorflow, how):
    content = jpeg(**how)
    wanted = Decoding(24, 32, 3, "stretch", False).decoded(content)
    assert wanted.shape == (24, 32, 3)
    for behind in (SCAN * 500, random.Random(0).randbytes(100_000) + SCAN * 500):  # such as the film of a moving photo
        assert (Decoding(24, 32, 3, "stretch", False).decoded(content + behind) == wanted).all()


def test_a_jpeg_of_very_many_scans_is_refused(tensorflow):
    content = jpeg(progressive=True)
    own = content.count(SCAN)
    with pytest.raises(ValueError, match=f"more than {MOST_SCANS} scans"):
        Decoding(24, 32, 3, "stretch", False).decoded(repeated(content, MOST_SCANS + 1 - own))
    assert not has_too_many_scans(repeated(content, MOST_SCANS - own))


@pytest.mark.parametrize(
    "unit", [b"\xff", b"\xff\xda", b"\xff\xda\x00\x00", b"\xff\xda\x00\x02", b"\xff\xd8", b"\0", b"\xff\xff\xda"]
)
def test_bytes_of_any_kind_are_looked_at_once(unit):
    """One pass takes 10 ms, another for each byte would take hours."""
    has_too_many_scans(SCAN * 200 + unit * (2_000_000 // len(unit)))
    has_too_many_scans(unit * (2_000_000 // len(unit)) + SCAN * 200)

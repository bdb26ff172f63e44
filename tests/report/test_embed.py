import base64
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from artclf.errors import ArtclfError
from artclf.report.render import embed


def test_a_figure_is_embedded_whole_and_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    assert embed(path) is None
    Image.new("RGB", (7, 5), "red").save(path)
    picture = embed(path)
    assert picture is not None
    assert (picture.width, picture.height) == (7, 5)
    with Image.open(BytesIO(base64.b64decode(picture.data))) as image:
        assert image.getpixel((0, 0)) == (255, 0, 0)
    path.write_text("hello")
    with pytest.raises(ArtclfError, match=r"figure\.png: is no PNG"):
        embed(path)

import base64
from io import BytesIO

import pandas as pd
import pytest
from PIL import Image

from artclf.errors import ArtclfError
from artclf.report.render import embed
from artclf.run_folder import read_metrics, read_table


def test_metrics_are_read(tmp_path):
    (tmp_path / "metrics.json").write_text('{"test": {"accuracy": null}}')
    assert read_metrics(tmp_path) == {"test": {"accuracy": None}}


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no metrics.json"), ('{"test": ', "is no JSON"), ("[]", "got a list")],
)
def test_an_unfinished_run_is_refused_by_name(content, message, tmp_path):
    if content is not None:
        (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(ArtclfError, match=message) as error:
        read_metrics(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_names_stay_text_and_empty_cells_are_gaps(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("generator,p_ai\nNA,0.5\nnull,\n007,1e-3\n")
    table = read_table(path, text=("generator",), numbers=("p_ai",))
    assert list(table["generator"]) == ["NA", "null", "007"]
    assert list(table["p_ai"].isna()) == [False, True, False]
    assert table["p_ai"][2] == 0.001


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_no_table_is_none(content, tmp_path):
    path = tmp_path / "rejected.csv"
    if content is not None:
        path.write_text(content)
    assert read_table(path, text=("path",)) is None


def test_a_table_with_its_head_alone_is_empty(tmp_path):
    path = tmp_path / "rejected.csv"
    path.write_text("path,reason\n")
    table = read_table(path, text=("path", "reason"))
    assert isinstance(table, pd.DataFrame)
    assert len(table) == 0


@pytest.mark.parametrize(
    ("content", "message"), [("path\na\n", "no column p_ai; got path"), ("path,p_ai\na,high\n", "column p_ai")]
)
def test_another_table_is_refused(content, message, tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text(content)
    with pytest.raises(ArtclfError, match=message):
        read_table(path, text=("path",), numbers=("p_ai",))


def test_a_figure_is_embedded_whole(tmp_path):
    path = tmp_path / "figure.png"
    Image.new("RGB", (7, 5), "red").save(path)
    picture = embed(path)
    assert (picture.width, picture.height) == (7, 5)
    with Image.open(BytesIO(base64.b64decode(picture.data))) as image:
        assert image.getpixel((0, 0)) == (255, 0, 0)
    assert embed(tmp_path / "not there.png") is None


def test_what_is_no_png_is_refused(tmp_path):
    path = tmp_path / "figure.png"
    path.write_text("hello")
    with pytest.raises(ArtclfError, match=r"figure\.png: is no PNG"):
        embed(path)

"""The case file of one image: everything that is known for and against a verdict, on one page."""

from pathlib import Path
from typing import Any

import pandas as pd

from artclf.data.distortions import DELIVERIES
from artclf.data.images import UnreadableImage, open_image
from artclf.data.manifest import COLUMNS, SHA256, Manifest, columns_of
from artclf.data.pixels import hash_files
from artclf.errors import ArtclfError
from artclf.inference.explain import explain
from artclf.inference.finished_run import splits_of
from artclf.inference.neighbours import nearest_images
from artclf.inference.predict import Model
from artclf.provenance.read import read_provenance
from artclf.report.case_page import write_case_page
from artclf.run_folder import read_table

NEAREST = 3  # training images of each class that are shown


def write_case(model: Model, image: Path, to: Path, *, views: int = len(DELIVERIES)) -> Path:
    """Judge one image and write its case file, an HTML page that needs no network and prints on two sheets.

    Args:
        model: a trained model.
        image: the file.
        to: the page to write, in place of an older one.
        views: in how many deliveries it is scored too, as in `Model.predict`.

    Returns:
        The page.

    Raises:
        UnreadableImage: the image can't be read.
        ArtclfError: `image` is a folder, or the extra `explain` is not installed.
    """
    if image.is_dir():
        raise ArtclfError(f"{image}: is a folder, and a case file is about one image; give its file")
    (found,) = model.predictions([image], views=views)
    if not found.verdict:
        raise UnreadableImage(image, found.reason)
    with open_image(image, max_pixels=model.max_pixels) as opened:
        stored: dict[str, Any] = {"format": opened.format, "width": opened.width, "height": opened.height}
    (stored["sha256"],) = hash_files([image])
    own = Manifest(image.absolute().parent, pd.DataFrame({"path": [image.name], SHA256: stored["sha256"]}))
    images, folder = model.run.images, model.run.folder
    predictions = read_table(folder / "predictions.csv", COLUMNS, ("p_ai",)) if folder else None
    to.parent.mkdir(parents=True, exist_ok=True)
    return write_case_page(
        to,
        image,
        images.reindex(columns=columns_of(images), fill_value=""),
        pd.DataFrame(columns=[*COLUMNS, "p_ai"]) if predictions is None else predictions,
        model.max_pixels,
        found=found,
        stored=stored,
        checkpoint=model.run.sha256,
        split=splits_of(model.run, own)[0].iloc[0],
        rule=model.rule,
        run=folder.name if folder else "",
        metrics=model.run.metrics,
        origin=read_provenance(image, max_pixels=model.max_pixels),
        why=explain(model, image),
        near=nearest_images(model, image, NEAREST),
    )

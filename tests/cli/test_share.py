"""A run for others: the card, Croissant metadata, and a model that goes to a stand-in for the Hub and comes back."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import ModelCard, constants

import artclf as package
from artclf.model.checkpoint import read_decision_rule, write_decision_rule
from artclf.run_folder import read_table
from tests.cli.conftest import artclf, refusal
from tests.conftest import FAST, metrics_of
from tests.services import Hub

HOSTILE = "a|b_[x](www.evil.org)<b>"


@pytest.fixture(scope="module")
def trained(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the drawn images, of whose generators one has a hostile name; no test changes it."""
    folder = tmp_path_factory.mktemp("private")
    root = shutil.copytree(pictures, folder / "images")
    for split in ("train", "test"):
        (root / split / "ai" / "alpha").rename(root / split / "ai" / HOSTILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARTCLF_CACHE", str(folder / "cache"))
        package.train(*FAST, "data=folder", f"data.root={root}", f"hydra.run.dir={folder / 'run'}", "audit.images=20")
    return folder / "run"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with Hub().serving() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        yield hub
        huggingface_hub.close_session()


def test_a_pushed_model_comes_back_bit_for_bit(
    trained: Path, hub: Hub, pictures: Path, tmp_path: Path, no_report: list[Path]
) -> None:
    done = artclf("push", trained, "me/model", "--private", "--license", "mit")
    assert done.stdout == f"pushed: {hub.url}/me/model/commit/{'c' * 40}\n"
    assert hub.private
    assert set(hub.files) == {"model.safetensors", "config.json", "README.md", "croissant.json"}
    everything = b"".join(hub.files.values())
    assert str(trained.parent).encode() not in everything
    hub.asked.clear()
    there, here = (package.load(of).predict(pictures / "test") for of in ("hub:me/model", trained))
    assert there.equals(here)
    assert {one.rpartition("/")[2] for one in hub.asked} == {"model.safetensors"}
    artclf("evaluate", "hub:me/model@main", pictures / "test", "--to", tmp_path / "unseen")
    assert "is exported, and stays as it is" in refusal("calibrate", "hub:me/model", "--images", pictures)
    header = json.loads(hub.files["config.json"])
    assert (header["about"]["artclf"], header["hyper_parameters"]["name"]) == (package.__version__, "test_byobnet")
    hub.private = False
    assert "is there already, and public" in refusal("push", trained, "me/model", "--private", "--license", "mit")
    artclf("push", trained, "me/model", "--manifest")
    assert hub.files["manifest.csv"] == (trained / "manifest.csv").read_bytes()


@pytest.mark.parametrize(
    ("name", "refused", "why"),
    [
        ("model", None, "model: is no name of a model on the Hub; give OWNER/NAME"),
        ("me/model", None, "me/model: holds no model.safetensors, so artclf did not push it"),
        ("me/model", (404, "RepoNotFound"), "me/model: the Hub has no such model, or it is private"),
        ("me/model@v2", (404, "RevisionNotFound"), "me/model: the Hub has no such revision of it"),
    ],
)
def test_what_the_hub_refuses_is_one_line(name: str, refused: tuple[int, str] | None, why: str, hub: Hub) -> None:
    hub.refusal = refused
    assert why in refusal("predict", f"hub:{name}", "a.png")


def test_a_refused_push_and_no_network_are_one_line(trained: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    for status, why in ((401, "type hf auth login"), (403, "take one that may write")):
        hub.refusal = (status, "")
        assert why in refusal("push", trained, "me/model", "--license", "mit")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in refusal("push", trained, "me/model", "--license", "mit")
    assert "the Hub can't be reached" in refusal("predict", "hub:me/model", "a.png")


# rdflib's own, which reads JSON-LD for mlcroissant
@pytest.mark.filterwarnings("ignore:.*ConjunctiveGraph:DeprecationWarning")
def test_the_card_says_what_is_known_of_the_model_it_is_of(
    trained: Path, run: Path, tmp_path: Path, no_report: list[Path]
) -> None:
    import mlcroissant

    trained = shutil.copytree(trained, tmp_path / "run")
    checkpoint = trained / "checkpoints" / "best.ckpt"
    rule = read_decision_rule(checkpoint)
    assert rule is not None
    artclf("evaluate", trained, "--to", tmp_path / "own")
    done = artclf("card", trained, "--evaluation", tmp_path / "own")
    assert "names no license" in done.stderr
    card = ModelCard.load(trained / "card" / "README.md")
    assert card.data.eval_results[0].metric_value == round(metrics_of(trained)["splits"]["test"]["accuracy"], 4)
    assert "### Images of folder" in card.text
    assert HOSTILE not in card.text
    assert r"a\|b\_\[x\](www\.evil.org)\<b\>" in card.text
    assert "/private" not in card.text

    croissant = mlcroissant.Dataset(trained / "card" / "croissant.json")
    table = read_table(trained / "manifest.csv")
    assert table is not None
    rows = [
        {key.removeprefix("images/"): value.decode() for key, value in row.items()}
        for row in islice(croissant.records("images"), 5)
    ]
    assert rows == table.head(5).to_dict("records")

    write_decision_rule(checkpoint, replace(rule, fitted_on="/home/me/own"))
    assert "tested another model" in refusal("card", trained, "--evaluation", tmp_path / "own")
    assert artclf("card", trained, "--to", tmp_path / "new", "--license", "mit").stderr == ""
    assert "like those of own" in (tmp_path / "new" / "README.md").read_text()
    assert "metrics.json: has no decision_rule, " in refusal("card", run)
    assert "the folder of a run" in refusal("card", shutil.copy(checkpoint, tmp_path / "alone.ckpt"))

import pytest

from artclf.report import style
from artclf.report.figures.network import LayerRow, blocks_of, plot_network


def rows(names, trained=()):
    return [LayerRow(name, "Conv2d", 100 * (i + 1), trained[i] if trained else None) for i, name in enumerate(names)]


RESNET = ["conv1", "bn1", "relu", "maxpool"]
RESNET += [
    f"layer{stage}.{block}.{leaf}"
    for stage, number in ((1, 3), (2, 4), (3, 6), (4, 3))
    for block in range(number)
    for leaf in ("conv1", "bn1", "conv2", "downsample.0", "add", "relu")
]
VIT = ["getattr", "conv_proj", "cat", "encoder.add", "encoder.dropout"]
VIT += [f"encoder.layers.encoder_layer_{i}.{leaf}" for i in range(12) for leaf in ("ln_1", "self_attention", "mlp")]
VIT += ["encoder.ln", "getitem_5"]
EFFICIENTNET = ["features.0.0", "features.0.1"]
EFFICIENTNET += [f"features.{s}.{b}.block.{i}.0" for s, n in ((1, 1), (2, 2), (3, 2), (4, 3)) for b in range(n) for i in (0, 1)]
EFFICIENTNET += ["features.8"]


@pytest.mark.parametrize(
    ("names", "blocks"),
    [
        (RESNET, ["conv1 … maxpool", *(f"layer{s}.{b}" for s, n in ((1, 3), (2, 4), (3, 6), (4, 3)) for b in range(n))]),
        (
            VIT,
            ["getattr … cat", "encoder", *(f"encoder.layers.encoder_layer_{i}" for i in range(12)), "encoder.ln … getitem_5"],
        ),
        (
            EFFICIENTNET,
            ["features.0", *(f"features.{s}.{b}" for s, n in ((1, 1), (2, 2), (3, 2), (4, 3)) for b in range(n)), "features.8"],
        ),
    ],
    ids=["resnet", "vit", "efficientnet"],
)
def test_layers_are_grouped_into_the_blocks_of_their_names(names, blocks):
    found = blocks_of(rows([*names, "head"]))
    assert [block.name for block in found] == [*blocks, "head"]
    assert [layer.name for block in found for layer in block.layers] == [*names, "head"]


def test_too_many_blocks_are_joined():
    names = [f"features.{s}.{b}.{leaf}" for s in range(4) for b in range(20) for leaf in ("conv", "norm")]
    assert [block.name for block in blocks_of(rows([*names, "head"]))] == [*(f"features.{s}" for s in range(4)), "head"]
    deep = [f"{i}.conv" for i in range(40)]
    assert len(blocks_of(rows([*deep, "head"]))) <= 28


def test_heights_follow_parameters_and_colours_follow_stages(tmp_path):
    names = ["stem.0.conv", "stem.0.norm", "body.0.conv", "body.0.norm", "body.0.add", "body.0.relu", "head"]
    trained = [None, None, None, "last2", "last2", "last2", "head"]
    layers = [
        LayerRow(name, "Conv2d", size, stage)
        for name, size, stage in zip(names, [400, 0, 6400, 0, 0, 0, 1], trained, strict=True)
    ]
    figure = plot_network(layers, "A network")
    key, chain = figure.axes
    stem, frozen, trained_part, head = chain.patches
    assert frozen.get_height() == trained_part.get_height() == 1.0
    assert stem.get_height() == pytest.approx(0.05 + 0.95 * 0.25)  # the square root of 400 / 6400
    assert trained_part.get_width() == pytest.approx(3 * frozen.get_width())  # three of four layers
    assert frozen.get_hatch()
    assert not trained_part.get_hatch()
    assert len({patch.get_facecolor() for patch in (frozen, trained_part, head)}) == 3
    assert [text.get_text() for text in key.texts] == [
        "frozen throughout: 3 layers, 6,800 parameters",
        'trained from stage "head" on: 1 layer, 1 parameter',
        'trained from stage "last2" on: 3 layers, 0 parameters',
    ]
    style.save(figure, tmp_path / "network.png")


def test_all_trained_and_head_only_and_nothing(tmp_path):
    everything = plot_network(rows(["a.0.x", "a.0.y", "head"], ["all"] * 3), "All")
    assert [text.get_text().split(":")[0] for text in everything.axes[0].texts] == ['trained from stage "all" on']
    only_head = plot_network(rows(["head"], ["head"]), "Head")
    assert len(only_head.axes[1].patches) == 1
    nothing = plot_network([], "Nothing")
    assert nothing.axes[0].texts[0].get_text() == "This network has no layers."
    for name, figure in (("all", everything), ("head", only_head), ("nothing", nothing)):
        style.save(figure, tmp_path / f"{name}.png")

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from artclf.config.space import search_space, setting, space_mistakes
from artclf.errors import ArtclfError


def parsed(*words: str) -> list:
    return OverridesParser.create().parse_overrides(list(words))


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("choice(auto,10,25)", ["auto", "10", "25"]),
        ("interval(0,0.7)", ["0.0", "0.7"]),
        ("tag(log,interval(1e-5,1e-2))", ["1e-05", "0.01"]),
        ("int(interval(1,40))", ["1", "40"]),
        ("range(1,10,3)", ["1", "7"]),  # as in Python: 10 is not among them
        ("range(0.0,0.5,0.25)", ["0.0", "0.25"]),
    ],
)
def test_values_are_drawn_within_the_ends(text: str, ends: list[str]) -> None:
    (override,) = parsed(f"a.b={text}")
    found = setting(override)
    assert found.ends == ends
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = {found.draw(study.ask()) for _ in range(12)}
    assert len(drawn) > 1
    if found.words:
        assert drawn <= set(ends)
    else:
        assert all(float(ends[0]) <= float(word) <= float(ends[1]) for word in drawn)
    assert not any(again.is_sweep_override() for again in parsed(*(f"a.b={word}" for word in drawn)))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("lr=tag(log,interval(0,1))", "allowed with log: more than 0"),
        ("lr=tag(lg,interval(1,2))", "got the tag lg; allowed: log"),
        ("lr=interval(2,1)", "the lowest comes first: interval(1, 2)"),
        ("n=range(5,5)", "holds no number"),
        ("n=range(0,9,0)", "holds no number"),
        ("n=tag(log,range(1,100,7))", "has no step"),
    ],
)
def test_an_impossible_space_is_refused(word: str, said: str) -> None:
    (override,) = parsed(word)
    with pytest.raises(ArtclfError) as error:
        setting(override)
    assert said in str(error.value)


def test_the_command_line_extends_and_replaces_the_configured_space() -> None:
    params = {"head": "choice(mlp,linear)", "head.dropout": "interval(0,0.7)", "+finetune": "choice(last10,all)"}
    typed = ["head.dropout=interval(0,0.3)", "model=resnet50,efficientnet_b0"]
    searched, settled = search_space(params, parsed("head=mlp", *typed, "seed=1"))
    assert [o.input_line for o in searched] == ["+finetune=choice(last10,all)", *typed]
    assert [o.input_line for o in settled] == ["head=mlp", "seed=1"]
    assert setting(searched[0]).key == "+finetune"
    with pytest.raises(ArtclfError, match=r"hydra\.sweeper\.params"):
        search_space({"head": "choice("}, [])


@pytest.mark.parametrize(
    ("words", "metric", "said"),
    [
        (["seed=0,1"], "val/loss", "luck"),
        (["data.val_fraction=0.1,0.2"], "val/loss", "different images"),
        (["monitor.metric=val/loss,val/auroc"], "val/loss", "different metrics"),
        (["loss=bce,focal"], "val/loss", "monitor.metric=val/auroc"),
        (["balance=augment,pos_weight"], "val/loss", "monitor.metric=val/auroc"),
        (["balance=augment,pos_weight"], "val/auroc", None),
        (["data.image_size=128,224"], "val/loss", None),
        ([], "val/loss", "nothing to search"),
    ],
)
def test_no_search_chooses_how_trials_are_compared(words: list[str], metric: str, said: str | None) -> None:
    lines = space_mistakes(parsed(*words), metric)
    assert len(lines) == (said is not None)
    assert said is None or said in lines[0]

import numpy as np
import pytest

from artclf.data.balance import multiply, plan_balance

TARGETS = np.array([1] * 70 + [0] * 30)  # 1 = AI


def test_augment_adds_copies_of_the_smaller_class_by_the_seed() -> None:
    plan = plan_balance(TARGETS, "augment", 3)
    assert np.bincount(TARGETS[plan.rows]).tolist() == [70, 70]
    assert (plan.copies[:100] == 0).all()
    assert (TARGETS[plan.rows[100:]] == 0).all()
    per_image = np.bincount(plan.rows[100:], minlength=100)[70:]
    assert sorted(set(per_image)) == [1, 2]
    assert len(set(zip(plan.rows, plan.copies, strict=True))) == 140  # each copy has a number of its own
    assert (plan_balance(TARGETS, "augment", 3).rows == plan.rows).all()
    assert (plan_balance(TARGETS, "augment", 4).rows != plan.rows).any()
    assert len(plan_balance(np.array([0, 1] * 5), "augment", 0).rows) == 10  # equal classes get none


def test_undersample_keeps_as_many_of_the_larger_class() -> None:
    plan = plan_balance(TARGETS, "undersample", 0)
    assert np.bincount(TARGETS[plan.rows]).tolist() == [30, 30]
    assert len(set(plan.rows)) == 60
    assert (plan_balance(TARGETS, "undersample", 1).rows != plan.rows).any()


def test_sampler_and_pos_weight_weigh_the_classes_and_none_changes_nothing() -> None:
    sampler, pos_weight, none = (plan_balance(TARGETS, name, 0) for name in ("sampler", "pos_weight", "none"))
    assert sampler.weights is not None
    assert sampler.weights[TARGETS == 0].sum() == pytest.approx(sampler.weights[TARGETS == 1].sum())
    assert pos_weight.pos_weight == pytest.approx(3 / 7)  # human to AI
    assert none.rows.tolist() == list(range(100))
    assert (none.weights, none.pos_weight) == (None, None)


@pytest.mark.parametrize("name", ["augment", "sampler", "pos_weight", "undersample", "none"])
def test_copies_stand_in_place_of_the_images_of_both_classes(name: str) -> None:
    plan = plan_balance(TARGETS, name, 0)
    copied = multiply(plan, 4)
    assert len(copied.rows) == 4 * len(plan.rows)
    assert (copied.copies > 0).all()  # an unaltered image of one class alone would tell its class
    assert len(set(zip(copied.rows, copied.copies, strict=True))) == len(copied.rows)  # each drawn for itself
    assert np.bincount(copied.rows).tolist() == (4 * np.bincount(plan.rows)).tolist()
    assert copied.pos_weight == plan.pos_weight
    assert (copied.weights is None) == (plan.weights is None)

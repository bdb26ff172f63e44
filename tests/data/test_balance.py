import numpy as np
import pytest

from artclf.data.balance import plan_balance

TARGETS = np.array([0] * 70 + [1] * 30)


def test_augment_fills_the_smaller_class_up_with_copies() -> None:
    plan = plan_balance(TARGETS, "augment", 0)
    assert np.bincount(TARGETS[plan.rows]).tolist() == [70, 70]
    assert (plan.copies[:100] == 0).all()
    assert (TARGETS[plan.rows[100:]] == 1).all()
    per_picture = np.bincount(plan.rows[100:], minlength=100)[70:]
    assert sorted(set(per_picture)) == [1, 2]
    pairs = set(zip(plan.rows, plan.copies, strict=True))
    assert len(pairs) == 140  # each copy has a number of its own


def test_which_pictures_are_copied_is_a_function_of_the_seed() -> None:
    assert (plan_balance(TARGETS, "augment", 3).rows == plan_balance(TARGETS, "augment", 3).rows).all()
    assert (plan_balance(TARGETS, "augment", 3).rows != plan_balance(TARGETS, "augment", 4).rows).any()


def test_undersample_keeps_as_many_of_the_larger_class() -> None:
    plan = plan_balance(TARGETS, "undersample", 0)
    assert np.bincount(TARGETS[plan.rows]).tolist() == [30, 30]
    assert len(set(plan.rows)) == 60
    assert (plan_balance(TARGETS, "undersample", 1).rows != plan.rows).any()


def test_sampler_draws_both_classes_equally() -> None:
    plan = plan_balance(TARGETS, "sampler", 0)
    assert plan.weights is not None
    assert plan.weights[TARGETS == 0].sum() == pytest.approx(plan.weights[TARGETS == 1].sum())


def test_pos_weight_is_the_ratio_of_human_to_ai() -> None:
    assert plan_balance(TARGETS, "pos_weight", 0).pos_weight == pytest.approx(3 / 7)


def test_none_changes_nothing() -> None:
    plan = plan_balance(TARGETS, "none", 0)
    assert plan.rows.tolist() == list(range(100))
    assert plan.weights is None
    assert plan.pos_weight is None


def test_equal_classes_get_no_copies() -> None:
    assert len(plan_balance(np.array([0, 1] * 5), "augment", 0).rows) == 10


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="balance: got 'smote'; allowed: augment"):
        plan_balance(TARGETS, "smote", 0)

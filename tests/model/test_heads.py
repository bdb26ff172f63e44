import pytest
import torch

from artclf.model.heads import HEADS, MLP, Linear


@pytest.mark.parametrize("name", HEADS)
def test_a_head_gives_one_logit_a_picture(name: str) -> None:
    head = HEADS[name](features=16)
    logit = head(torch.randn(4, 16))
    assert logit.shape == (4,)
    logit.sum().backward()
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_linear_without_dropout_is_linear() -> None:
    head = Linear(8)
    a, b = torch.randn(2, 8), torch.randn(2, 8)
    torch.testing.assert_close(head(a) + head(b), head(a + b) + head(torch.zeros(2, 8)))


def test_mlp_drops_out_in_training_only() -> None:
    head = MLP(8, hidden=64, dropout=0.9)
    features = torch.randn(5, 8)
    assert not torch.equal(head(features), head(features))
    head.eval()
    assert torch.equal(head(features), head(features))

import pytest

from paretune.influence import select_parameters
from policies import ARCHITECTURES, policy


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_middle_blocks_are_the_papers_share(architecture: str) -> None:
    model = policy(architecture, layers=7)  # ⌊70/36⌋ … ⌊175/36⌋
    expected = {id(p) for i in (1, 2, 3, 4) for p in model.model.layers[i].parameters()}
    assert {id(p) for p in select_parameters(model, "middle")} == expected


def test_all_trainable_parameters() -> None:
    model = policy()
    model.model.embed_tokens.weight.requires_grad_(False)
    chosen = {id(p) for p in select_parameters(model, "all")}
    assert chosen == {id(p) for p in model.parameters()} - {id(model.model.embed_tokens.weight)}


def test_blocks_under_an_adapter() -> None:
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(policy(layers=4), peft.LoraConfig(target_modules=["q_proj"]))
    names = {name for name, p in model.named_parameters() if any(p is q for q in select_parameters(model, [2]))}
    assert len(names) == 2
    assert all("layers.2." in name and "lora" in name for name in names)


def test_an_index_out_of_range() -> None:
    with pytest.raises(ValueError, match="names block 5, but the model has blocks 0 to 1"):
        select_parameters(policy(), [5])


def test_nothing_to_train() -> None:
    model = policy()
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="holds no trainable parameter"):
        select_parameters(model, "all")

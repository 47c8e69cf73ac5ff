import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretune.influence import select_parameters
from policies import ARCHITECTURES, policy

MODEL = policy(layers=4)


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


@given(indices=st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_a_block_counts_once_however_often_it_is_named(indices: list[int]) -> None:
    chosen = select_parameters(MODEL, indices)
    assert len(chosen) == len({id(p) for p in chosen})
    assert {id(p) for p in chosen} == {id(p) for i in indices for p in MODEL.model.layers[i].parameters()}


def test_weights_that_blocks_share_count_once() -> None:
    model = policy(layers=3)
    model.model.layers[2].mlp = model.model.layers[0].mlp
    assert len(select_parameters(model, [0, 2])) == len({id(p) for p in select_parameters(model, [2, 0])})


@pytest.mark.parametrize("index", [5, -1])
def test_an_index_out_of_range(index: int) -> None:
    with pytest.raises(ValueError, match=f"names block {index}, but the model has blocks 0 to 1"):
        select_parameters(policy(), [index])


def test_nothing_to_train() -> None:
    model = policy()
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="holds no trainable parameter"):
        select_parameters(model, "all")

"""Divergence of runs: which pairs, whose samples, and what makes a run unusable. Tiny policies in made-up runs."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from paretune.choosing import divergence as module
from paretune.choosing.divergence import (
    DivergenceSettings,
    UnusableRunError,
    known,
    measure,
    open_run,
    plan,
)
from paretune.choosing.token_kl import both_ways, completion_kl
from paretune.record.json_lines import append_line
from paretune.record.parsing import RecordError
from policies import policy, saved_policy, tokenizer

PROMPTS = [f"{i}+{i * i}=" for i in range(10)]
SETTINGS = DivergenceSettings(
    task="sums", data=None, split="validation", samples=10, max_completion_length=6, temperature=1.0,
    chat_template_kwargs=None, batch_size=4, seed=0,
)  # fmt: skip


def whole(checkpoint: Path) -> Path:
    """Add what makes a folder with a policy a whole checkpoint."""
    for file in ("paretune.json", "trainer_state.json"):
        (checkpoint / file).write_text("{}")
    return checkpoint


def saved_run(directory: Path, seeds: dict[int, int]) -> Path:
    """A run with a randomly initialised policy at each step, by its seed."""
    for step, seed in seeds.items():
        saved_policy(directory / f"checkpoint-{step}", seed=seed)
        whole(directory / f"checkpoint-{step}")
    directory.mkdir(exist_ok=True)
    (directory / "run.json").write_text(json.dumps({"schema": 1, "task": "sums", "started": f"when {directory.name}"}))
    return directory


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    parent = tmp_path_factory.mktemp("runs")
    steps = {"a": {10: 1, 20: 2}, "b": {10: 3, 20: 4}, "c": {20: 5, 30: 6}}
    return [saved_run(parent / name, seeds) for name, seeds in steps.items()]


@pytest.fixture(scope="module")
def records(directories: list[Path]) -> list[dict]:
    return list(measure(plan([open_run(d) for d in directories]), PROMPTS, SETTINGS))


def pairs_of(*directories: Path):
    return plan([open_run(directory) for directory in directories])


def refused(*directories: Path) -> str:
    with pytest.raises(UnusableRunError) as raised:
        list(measure(pairs_of(*directories), PROMPTS, SETTINGS))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_every_pair_at_every_common_step(directories, records):
    a, b, c = map(str, directories)
    assert [(r["step"], *r["runs"]) for r in records] == [(10, a, b), (20, a, b), (20, a, c), (20, b, c)]
    for record in records:
        kl = record["kl"]
        assert kl["mean"] == (kl["a_b"] + kl["b_a"]) / 2 > 0
        assert all(0 < record["standard_error"][way] < kl[way] for way in ("a_b", "b_a", "mean"))
        assert record["prompts"] == 10
        assert 10 <= record["tokens"]["a"] <= 60


def test_each_way_is_on_the_samples_of_its_first_policy(directories, records):
    [first] = [r for r in records if r["step"] == 10]
    a, b = (module._Policy(d / "checkpoint-10", PROMPTS, SETTINGS) for d in directories[:2])
    results = []
    for one, other in ((a, b), (b, a)):
        one.sample(SETTINGS, 10, torch.device("cpu"))
        assert [s.prompt for s in one.samples] == [tokenizer()(p)["input_ids"] for p in PROMPTS]
        for sample in one.samples:
            ended = sample.completion[-1] == tokenizer().eos_token_id
            assert tokenizer().eos_token_id not in sample.completion[:-1]
            assert len(sample.completion) == 6 or ended
        results += [completion_kl(one.model, other.model, one.samples), one.lengths]
    expected = both_ways(*results)
    assert first["kl"] == {"a_b": expected.a_b, "b_a": expected.b_a, "mean": expected.mean}
    assert first["tokens"] == {"a": sum(a.lengths), "b": sum(b.lengths)}


def test_samples_follow_the_policy(directories):
    """The first tokens of many samples of one prompt against the distribution they are drawn from."""
    settings = replace(SETTINGS, max_completion_length=1, batch_size=4000, temperature=0.5)
    one = module._Policy(directories[0] / "checkpoint-10", ["1+1="] * 4000, settings)
    one.model.generation_config.top_k = 2  # a policy's own settings do not count
    one.sample(settings, 0, torch.device("cpu"))
    drawn = np.bincount([s.completion[0] for s in one.samples], minlength=26) / 4000
    with torch.no_grad():
        p = (one.model(torch.tensor([one.prompts[0]])).logits[0, -1] / 0.5).softmax(-1).numpy()
    assert (np.abs(drawn - p) < 4 * np.sqrt(p / 4000) + 1e-3).all()
    assert (drawn > 0).sum() > 2


def test_reproducible_whatever_else_is_measured(directories, records):
    a, b, c = directories
    torch.manual_seed(99)
    before = torch.get_rng_state()
    [alone] = measure(pairs_of(a, c), PROMPTS, SETTINGS)
    assert alone == records[2]
    assert torch.equal(torch.get_rng_state(), before)
    swapped = measure(pairs_of(b, a), PROMPTS, SETTINGS)
    for there, here in zip(records[:2], swapped, strict=True):
        assert (there["kl"]["a_b"], there["kl"]["mean"]) == (here["kl"]["b_a"], here["kl"]["mean"])
    [other_seed, _] = measure(pairs_of(a, b), PROMPTS, replace(SETTINGS, seed=1))
    assert other_seed["kl"] != records[0]["kl"]


def test_each_checkpoint_is_loaded_once(directories, monkeypatch):
    loaded = []
    load = AutoModelForCausalLM.from_pretrained
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", lambda c, **k: loaded.append(c) or load(c, **k))
    list(measure(pairs_of(*directories), PROMPTS, SETTINGS))
    steps = {"a": [10, 20], "b": [10, 20], "c": [20]}
    assert sorted(map(str, loaded)) == [str(d / f"checkpoint-{step}") for d in directories for step in steps[d.name]]


def test_the_same_policy_twice(tmp_path):
    [record] = measure(
        pairs_of(saved_run(tmp_path / "x", {1: 7}), saved_run(tmp_path / "y", {1: 7})), PROMPTS, SETTINGS
    )
    assert record["kl"] == record["standard_error"] == {"a_b": 0.0, "b_a": 0.0, "mean": 0.0}


def test_chat_prompts(tmp_path):
    chats = [[{"role": "user", "content": prompt}] for prompt in PROMPTS]
    for name, seed in (("x", 1), ("y", 2)):
        reader = tokenizer()
        reader.chat_template = (
            "{% for m in messages %}{{ m.content }}{% endfor %}{% if short %}{% else %}a b{% endif %}"
        )
        reader.save_pretrained(saved_run(tmp_path / name, {5: seed}) / "checkpoint-5")
    pairs = pairs_of(tmp_path / "x", tmp_path / "y")
    [plain] = measure(pairs, PROMPTS, SETTINGS)
    [short] = measure(pairs, chats, replace(SETTINGS, chat_template_kwargs={"short": True}))
    [long] = measure(pairs, chats, SETTINGS)
    assert short["kl"] == plain["kl"] != long["kl"]
    reader.chat_template = "no"
    reader.save_pretrained(tmp_path / "y" / "checkpoint-5")
    with pytest.raises(UnusableRunError, match="turn the prompts into different tokens"):
        list(measure(pairs, chats, SETTINGS))


def test_adapters(tmp_path, directories):
    """A PEFT checkpoint, which holds the adapter alone, counts as the policy it makes of its base model."""
    base = saved_policy(tmp_path / "base", seed=1)
    adapted = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base), LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    )
    checkpoint = saved_run(tmp_path / "adapter", {}) / "checkpoint-10"
    adapted.save_pretrained(checkpoint)
    tokenizer().save_pretrained(whole(checkpoint))
    assert not (checkpoint / "config.json").exists()
    merged = saved_run(tmp_path / "merged", {10: 1})
    adapted.merge_and_unload().save_pretrained(merged / "checkpoint-10")
    other = directories[1]
    [by_adapter] = measure(pairs_of(tmp_path / "adapter", other), PROMPTS, SETTINGS)
    [by_merged] = measure(pairs_of(merged, other), PROMPTS, SETTINGS)
    by_base, _ = measure(pairs_of(directories[0], other), PROMPTS, SETTINGS)
    assert by_adapter["kl"]["mean"] == pytest.approx(by_merged["kl"]["mean"], rel=1e-4)
    assert by_adapter["kl"]["mean"] != pytest.approx(by_base["kl"]["mean"], rel=1e-2)
    (checkpoint / "adapter_model.safetensors").unlink()
    assert f"the checkpoint {checkpoint} cannot be used" in refused(tmp_path / "adapter", other)


def test_adapters_without_peft(tmp_path, directories, monkeypatch):
    checkpoint = saved_run(tmp_path / "adapter", {10: 1}) / "checkpoint-10"
    (checkpoint / "adapter_config.json").write_text("{}")
    monkeypatch.setattr(module, "is_peft_available", lambda: False)
    assert "pip install 'paretune[peft]'" in refused(tmp_path / "adapter", directories[0])


@pytest.mark.parametrize("damage", ["weights cut off", "weights gone", "a weight missing", "config", "tokenizer"])
def test_a_broken_checkpoint_is_named(damage, tmp_path, directories):
    broken = saved_run(tmp_path / "broken", {10: 1}) / "checkpoint-10"
    weights = broken / "model.safetensors"
    if damage == "weights cut off":
        weights.write_bytes(weights.read_bytes()[:500])
    elif damage == "weights gone":
        weights.unlink()
    elif damage == "a weight missing":
        tensors = load_file(weights)
        tensors.pop("model.norm.weight")
        save_file(tensors, weights, metadata={"format": "pt"})
    elif damage == "config":
        (broken / "config.json").write_text("{")
    else:
        (broken / "tokenizer.json").unlink()
    assert f"the checkpoint {broken} cannot be used: " in refused(tmp_path / "broken", directories[0])


def test_vocabularies_must_agree(tmp_path, directories):
    run = saved_run(tmp_path / "other", {10: 1})
    words = Tokenizer(models.WordLevel({"<unk>": 0, "<eos>": 1, **{w: i for i, w in enumerate("+=", 2)}}, "<unk>"))
    words.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    reader = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<eos>", unk_token="<unk>")
    reader.save_pretrained(run / "checkpoint-10")
    said = refused(directories[0], run)
    assert f"{directories[0]}/checkpoint-10 and {run}/checkpoint-10 have different vocabularies" in said
    saved_run(run, {10: 1})
    wider = policy()
    wider.resize_token_embeddings(40)
    wider.save_pretrained(run / "checkpoint-10")
    assert "have different vocabularies" in refused(directories[0], run)


def test_no_common_step(tmp_path, directories):
    other = saved_run(tmp_path / "other", {15: 1, 25: 2})
    a = directories[0]
    assert f"both have a checkpoint: {a} at 10, 20 and {other} at 15, 25." in refused(a, other)


def test_a_run_without_checkpoints(tmp_path, directories):
    with pytest.raises(UnusableRunError, match="has no checkpoint: train it with save_steps"):
        open_run(saved_run(tmp_path / "other", {}))
    half = saved_run(tmp_path / "half", {10: 1})
    (half / "checkpoint-10" / "paretune.json").unlink()  # cut off while it was saved
    with pytest.raises(UnusableRunError, match="has no checkpoint"):
        open_run(half)
    with pytest.raises(FileNotFoundError, match="is not the directory of a run"):
        open_run(tmp_path)


def test_a_run_given_twice(directories):
    a = directories[0]
    assert "is given twice" in refused(a, a.parent / "b" / ".." / "a")


def test_known_records(tmp_path, directories, records):
    for record in records:
        append_line(tmp_path / "out.jsonl", record)
    a, b, c = directories
    found = known(tmp_path / "out.jsonl", SETTINGS)
    assert all(pair.key in found for pair in [*pairs_of(a, b, c), *pairs_of(c, b, a)])
    assert known(tmp_path / "out.jsonl", replace(SETTINGS, seed=1)) == {}
    assert known(tmp_path / "none.jsonl", SETTINGS) == {}
    (tmp_path / "other.jsonl").write_text('{"step": 3}\n')
    with pytest.raises(RecordError, match=r"Line 1 of '.*other\.jsonl'"):
        known(tmp_path / "other.jsonl", SETTINGS)
    again = shutil.copytree(a, tmp_path / "a")  # a run trained anew in its place is another
    header = json.loads((again / "run.json").read_text())
    (again / "run.json").write_text(json.dumps({**header, "started": "later"}))
    assert not any(pair.key in found for pair in pairs_of(again, b))

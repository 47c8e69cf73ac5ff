import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "fetch_smollm2.py"
MODEL = ROOT / "models" / "SmolLM2-135M-Instruct"
FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def fetch(folder):
    return subprocess.run([sys.executable, SCRIPT, folder], capture_output=True, text=True)


def test_a_model_that_is_there_is_left_alone_and_half_a_model_is_named(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for file in FILES[1:]:
        (folder / file).write_text("kept")
    refused = fetch(folder)
    assert refused.returncode == 1
    assert "lacks config.json: remove it" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1

    (folder / FILES[0]).write_text("kept")
    accepted = fetch(folder)
    assert accepted.returncode == 0
    assert "already there" in accepted.stdout
    assert {file.read_text() for file in folder.iterdir()} == {"kept"}


@pytest.mark.slow
@pytest.mark.skipif(not MODEL.is_dir(), reason="`make smollm2` has not been run")
def test_the_fetched_model_chats_and_stops():
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(MODEL, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(MODEL, local_files_only=True)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert tokenizer.eos_token_id == model.config.eos_token_id == model.generation_config.eos_token_id == end
    assert tokenizer.pad_token_id == end
    assert model.dtype == torch.float32
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert sum(parameter.numel() for parameter in model.parameters()) == 134_515_008

    text = "é 12+30=42.\n漢"
    assert tokenizer.decode(tokenizer(text).input_ids) == text
    batch = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    reply = model.generate(**batch, max_new_tokens=40, do_sample=False)[0, batch["input_ids"].shape[1] :]
    assert "Paris" in tokenizer.decode(reply)
    assert end in reply

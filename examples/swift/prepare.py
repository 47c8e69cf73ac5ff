"""Write a policy and data for the example: the policy of 0.8 M parameters that comes with paretune, and its sums.

    python prepare.py

It makes the folder policy/ and the file sums.jsonl. In place of them take any model and data set that ms-swift knows.
"""

import json
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer

from paretune import tasks


def main():
    """Write both into the current folder."""
    task = tasks.load("arithmetic")
    tokenizer = AutoTokenizer.from_pretrained(task.model)
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    tokenizer.save_pretrained("policy")
    AutoModelForCausalLM.from_pretrained(task.model).save_pretrained("policy")
    rows = [
        {"messages": [{"role": "user", "content": row["prompt"]}], "answer": row["answer"], "numbers": row["numbers"]}
        for row in task.train.select(range(512))
    ]
    Path("sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()

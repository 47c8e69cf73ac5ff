"""How far the policies of several runs have moved apart: token-level KL between checkpoints of the same step.

The appendix of Lu et al., "Learning to Optimize Multi-Objective Alignment Through Dynamic Reward Weighting"
(https://arxiv.org/abs/2509.11452) follows single objectives and presets this way. For runs a and b the divergence is
½ [KL(a‖b) + KL(b‖a)], each way on completions that its first policy samples for the same prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import combinations, groupby
from os.path import normpath
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils import is_peft_available

from paretune.choosing.token_kl import Sample, both_ways, completion_kl
from paretune.record.checkpoints import checkpoints
from paretune.record.entries import Header
from paretune.record.fields import Fields
from paretune.record.json_lines import numbered_lines, plain
from paretune.record.reader import RunReader


class UnusableRunError(ValueError):
    """A run, or its checkpoint, cannot be compared; the message says which, and why."""


@dataclass(frozen=True)
class DivergenceSettings:
    """What a divergence depends on besides the policies.

    Attributes:
        task: whose prompts.
        data: the folder of the task's data, if it was given.
        split: train, validation or test.
        samples: prompts, the first so many of the split; one completion each.
        max_completion_length: tokens after which a completion is cut.
        temperature: at which completions are sampled and policies compared, above 0.
        chat_template_kwargs: for the chat template that makes the prompts.
        batch_size: completions generated at once. Another one draws other samples.
        seed: 0 or more; with the step it decides the samples.
    """

    task: str
    data: str | None
    split: str
    samples: int
    max_completion_length: int
    temperature: float
    chat_template_kwargs: dict[str, Any] | None
    batch_size: int
    seed: int


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A run on disk.

    Attributes:
        path: its directory, as it stands in the records.
        header: its run.json.
        checkpoints: its whole checkpoints by step.
    """

    path: str
    header: Header
    checkpoints: Mapping[int, Path]


Key = tuple[int, frozenset[tuple[str, str | None]]]


class Pair(NamedTuple):
    """Two runs at a step at which both have a checkpoint."""

    step: int
    a: TrainedRun
    b: TrainedRun

    @property
    def key(self) -> Key:
        """What tells the pair from others, whichever run comes first; a run trained anew is another."""
        return self.step, frozenset((run.path, run.header.started) for run in (self.a, self.b))


def open_run(directory: str | Path) -> TrainedRun:
    """Read what run it is and which checkpoints it has.

    Raises:
        FileNotFoundError: if the directory holds no run.
        RecordError: if its run.json is broken.
        UnusableRunError: if it has no checkpoint.
    """
    run = TrainedRun(normpath(directory), RunReader(directory).header, checkpoints(directory))
    if not run.checkpoints:
        raise UnusableRunError(f"the run {run.path} has no checkpoint: train it with save_steps.")
    return run


def plan(runs: Sequence[TrainedRun]) -> list[Pair]:
    """Every pair at every step at which both have a checkpoint, earliest step first.

    Raises:
        UnusableRunError: if two are the same run, or have no step in common.
    """
    pairs = []
    for a, b in combinations(runs, 2):
        if Path(a.path).resolve() == Path(b.path).resolve():
            raise UnusableRunError(f"{b.path} is given twice: name different runs.")
        common = a.checkpoints.keys() & b.checkpoints.keys()
        if not common:
            steps = " and ".join(f"{run.path} at {', '.join(map(str, run.checkpoints))}" for run in (a, b))
            raise UnusableRunError(f"no step at which both have a checkpoint: {steps}. Train with equal save_steps.")
        pairs += [Pair(step, a, b) for step in common]
    return sorted(pairs, key=lambda pair: pair.step)  # stable: the runs of a step stay in the order given


@dataclass(frozen=True)
class Divergence:
    """One line of the records: how far two policies are apart.

    Attributes:
        key: which pair it is, see :attr:`Pair.key`.
        mean: ½ [KL(a‖b) + KL(b‖a)] in nats per token; None where it is not finite.
        error: its standard error; None where there is none.
        settings: what it was measured with.
    """

    key: Key
    mean: float | None
    error: float | None
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, fields: Fields) -> Divergence:
        """Read a line."""
        step, runs = fields.need("step", fields.count("step")), fields.texts("runs")
        started = fields.sequence("started")
        if len(runs) != 2 or len(started) != 2 or not all(one is None or isinstance(one, str) for one in started):
            fields.refuse("runs and started must be of two runs")
        kl, errors = fields.inside("kl"), fields.inside("standard_error")
        settings = fields.need("settings", fields.mapping("settings") or None)
        fields.need("kl", kl.content or None)
        key = (step, frozenset(zip(runs, started, strict=True)))
        return cls(key, kl.number("mean"), errors.number("mean"), settings)


def known(path: str | Path, settings: DivergenceSettings) -> dict[Key, Divergence]:
    """The records in a file that were measured with these settings.

    Raises:
        OSError: if it cannot be read.
        RecordError: if a line, other than a torn last one, is something else than such a record.
    """
    wanted = plain(asdict(settings))
    lines = numbered_lines(path)
    read = [Divergence.of(Fields(line.content, f"Line {line.number} of {str(path)!r}")) for line in lines]
    return {line.key: line for line in read if line.settings == wanted}


def check_policies(pairs: Sequence[Pair], prompts: Sequence[Any], settings: DivergenceSettings) -> None:
    """Find out whether every checkpoint can be loaded, without its weights in memory, before one is sampled from.

    Raises:
        UnusableRunError: if one is broken, or those of one step have different vocabularies.
    """
    for step, group in groupby(pairs, key=lambda pair: pair.step):
        first: _Policy | None = None
        for run in dict.fromkeys(run for pair in group for run in (pair.a, pair.b)):
            policy = _Policy(run.checkpoints[step], prompts, settings, device_map="meta")
            first = first or policy
            policy.check_against(first)


def measure(
    pairs: Sequence[Pair],
    prompts: Sequence[Any],
    settings: DivergenceSettings,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[dict[str, Any]]:
    """Measure each pair.

    Every checkpoint is loaded once and sampled from once. On an accelerator no more than two policies are at a time,
    the step's others wait in the host's memory.

    Args:
        pairs: what :func:`plan` gave, or some of it, in its order.
        prompts: the first ``settings.samples`` prompts: strings, or lists of chat messages.
        settings: the rest.
        tell: called with what is done next.

    Yields:
        The record of one pair: step, runs [a, b], kl {a_b, b_a, mean} in nats per token, standard_error (the same
        keys), prompts, tokens {a, b} of the completions, started [a, b] and settings.

    Raises:
        UnusableRunError: if a checkpoint is broken, or two have different vocabularies.
    """
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    assert device is not None
    for step, group in groupby(pairs, key=lambda pair: pair.step):
        of_step = list(group)
        policies: dict[str, _Policy] = {}
        for run in (run for pair in of_step for run in (pair.a, pair.b)):
            if run.path not in policies:
                tell(f"step {step}: sampling from {run.path}")
                policy = _Policy(run.checkpoints[step], prompts, settings)
                policy.check_against(next(iter(policies.values()), policy))
                policy.sample(settings, step, device)
                policy.model.to("cpu")  # to wait for its pairs
                policies[run.path] = policy
        for pair in of_step:
            tell(f"step {step}: {pair.a.path} and {pair.b.path}")
            for path, policy in policies.items():
                policy.model.to(device if path in (pair.a.path, pair.b.path) else "cpu")
            yield _record(pair, policies[pair.a.path], policies[pair.b.path], settings)


def _record(pair: Pair, a: _Policy, b: _Policy, settings: DivergenceSettings) -> dict[str, Any]:
    temperature, rows = settings.temperature, settings.batch_size
    forth = completion_kl(a.model, b.model, a.samples, temperature=temperature, batch_size=rows)
    back = completion_kl(b.model, a.model, b.samples, temperature=temperature, batch_size=rows)
    result = both_ways(forth, a.lengths, back, b.lengths)
    return {
        "step": pair.step,
        "runs": [pair.a.path, pair.b.path],
        "kl": {"a_b": result.a_b, "b_a": result.b_a, "mean": result.mean},
        "standard_error": {"a_b": result.a_b_error, "b_a": result.b_a_error, "mean": result.mean_error},
        "prompts": len(a.samples),
        "tokens": {"a": sum(a.lengths), "b": sum(b.lengths)},
        "started": [pair.a.header.started, pair.b.header.started],
        "settings": asdict(settings),
    }


class _Policy:
    """A checkpoint in memory, with the prompts as it reads them and its completions."""

    def __init__(self, checkpoint: Path, prompts: Sequence[Any], settings: DivergenceSettings, **kwargs: Any) -> None:
        self.checkpoint = checkpoint
        if (checkpoint / "adapter_config.json").is_file() and not is_peft_available():
            raise UnusableRunError(f"the checkpoint {checkpoint} is an adapter: `pip install 'paretune[peft]'`.")
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)
            self.prompts = _encode(self.tokenizer, prompts, settings.chat_template_kwargs or {})
            self.model, loading = AutoModelForCausalLM.from_pretrained(
                checkpoint, trust_remote_code=False, dtype="auto", output_loading_info=True, **kwargs
            )
        except Exception as error:  # a damaged folder raises whatever the reader of the damaged file does
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UnusableRunError(f"the checkpoint {checkpoint} cannot be used: {reason}") from error
        if missing := sorted(loading["missing_keys"]):  # transformers fills these with random numbers
            raise UnusableRunError(f"the checkpoint {checkpoint} cannot be used: it lacks {missing[0]}.")
        self.samples: list[Sample] = []

    @property
    def lengths(self) -> list[int]:
        """Tokens of each completion."""
        return [len(sample.completion) for sample in self.samples]

    def check_against(self, other: _Policy) -> None:
        """Make sure that the same token numbers mean the same to both.

        Raises:
            UnusableRunError: if they do not.
        """
        both = f"the checkpoints {other.checkpoint} and {self.checkpoint}"
        if self.tokenizer.get_vocab() != other.tokenizer.get_vocab() or self._width != other._width:
            raise UnusableRunError(f"{both} have different vocabularies: compare runs of one model.")
        if self.prompts != other.prompts:
            raise UnusableRunError(f"{both} turn the prompts into different tokens: compare runs of one chat template.")

    @property
    def _width(self) -> int:
        width: int = self.model.config.get_text_config().vocab_size
        return width

    def sample(self, settings: DivergenceSettings, step: int, device: torch.device) -> None:
        """Sample one completion a prompt, the same ones whenever settings and step are the same."""
        self.model.to(device)
        ends, padding = self._end_tokens()
        # All of it is replaced: what the model's own settings say beyond this would be filled in.
        self.model.generation_config = GenerationConfig(
            do_sample=True,
            temperature=settings.temperature,
            top_k=0,
            top_p=1.0,
            max_new_tokens=settings.max_completion_length,
            eos_token_id=ends,
            pad_token_id=padding,
            bos_token_id=self.tokenizer.bos_token_id,
            disable_compile=True,
        )
        with _seeded(settings.seed, step, device), torch.inference_mode():
            for begin in range(0, len(self.prompts), settings.batch_size):
                batch = self.prompts[begin : begin + settings.batch_size]
                longest = max(map(len, batch))
                ids = [[padding] * (longest - len(prompt)) + prompt for prompt in batch]
                mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in batch]
                output = self.model.generate(
                    input_ids=torch.tensor(ids, device=device), attention_mask=torch.tensor(mask, device=device)
                )
                for prompt, tokens in zip(batch, output[:, longest:].tolist(), strict=True):
                    self.samples.append(Sample(prompt, _until_end(tokens, ends)))

    def _end_tokens(self) -> tuple[list[int], int]:
        """The tokens that end a completion, those that end it in training, and one to pad with."""
        declared = self.model.generation_config.eos_token_id
        ends = [] if declared is None else [declared] if isinstance(declared, int) else list(declared)
        if self.tokenizer.eos_token_id is not None and self.tokenizer.eos_token_id not in ends:
            ends.insert(0, self.tokenizer.eos_token_id)
        padding = self.tokenizer.pad_token_id
        return ends, padding if padding is not None else (ends or [0])[0]


def _encode(tokenizer: Any, prompts: Sequence[Any], chat_template_kwargs: Mapping[str, Any]) -> list[list[int]]:
    """The prompts' token numbers, as TRL makes them."""
    if isinstance(prompts[0], str):
        encoded = tokenizer(text=list(prompts))
    else:
        encoded = tokenizer.apply_chat_template(
            conversation=list(prompts),
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            **chat_template_kwargs,
        )
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def _until_end(tokens: list[int], ends: Sequence[int]) -> list[int]:
    """The completion up to its first end token, that included."""
    for i, token in enumerate(tokens):
        if token in ends:
            return tokens[: i + 1]
    return tokens


@contextmanager
def _seeded(seed: int, step: int, device: torch.device) -> Iterator[None]:
    """Random numbers decided by seed and step alone; the process's own go on afterwards as if nothing had been drawn.

    They are the same for every run, so that nothing depends on the order of runs or on what was measured before.
    """
    on_host = device.type == "cpu"
    devices, kind = ([], "cuda") if on_host else ([device.index or 0], device.type)
    with torch.random.fork_rng(devices=devices, device_type=kind):
        torch.manual_seed(int(np.random.SeedSequence([seed, step]).generate_state(1)[0]))
        yield

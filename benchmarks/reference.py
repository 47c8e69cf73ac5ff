"""The paper's algorithm as its released code runs it, to be measured against."""

from typing import Any

import torch
from torch import Tensor
from trl import GRPOTrainer

from paretune.influence import Influence


def paper_gradients(trainer: GRPOTrainer, micro_batches: list[Any], advantages: Tensor) -> Tensor:
    """``[K, P]``: g_k = ∇J_k by a forward and a backward pass each, in the model's own precision.

    With a float64 model they are the oracle of the others' errors.

    Args:
        trainer: whose ``compute_loss`` is differentiated.
        micro_batches: the batch, in one process.
        advantages: ``[N, K]``, each objective alone.
    """
    put_aside = [p.grad for p in trainer.model.parameters()]
    matrix = torch.empty(0)
    for k, column in enumerate(advantages.unbind(dim=1)):
        trainer.model.zero_grad()
        for micro_batch in micro_batches:
            inputs = {**micro_batch, "advantages": column[micro_batch["sample_index"]]}
            GRPOTrainer.compute_loss(trainer, trainer.model, inputs).backward()
        gradients = [p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None]
        if k == 0:
            matrix = gradients[0].new_empty(advantages.shape[1], sum(len(g) for g in gradients))
        torch.cat(gradients, out=matrix[k])
    for parameter, gradient in zip(trainer.model.parameters(), put_aside, strict=True):
        parameter.grad = gradient
    return matrix.mul_(-trainer.current_gradient_accumulation_steps / trainer.args.steps_per_generation)


def paper_influence(trainer: GRPOTrainer, micro_batches: list[Any], advantages: Tensor) -> Influence:
    """K forward and backward passes over the batch and a K × P matrix of gradients (Lu et al., Algorithm 2)."""
    matrix = paper_gradients(trainer, micro_batches, advantages)
    gramian = (matrix @ matrix.T).double().cpu()
    return Influence(values=gramian.sum(dim=1), method="exact", gramian=gramian)

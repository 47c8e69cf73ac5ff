"""The rules in trainers of other frameworks: one file a framework, which alone imports it, over one core.

:class:`paretune.MultiObjectiveTrainer`, for TRL's GRPO, has more (docs/integrations.md).
"""

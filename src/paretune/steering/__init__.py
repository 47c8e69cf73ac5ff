"""Policies steered by priorities: how a prompt says them, the data that teach it, and where they are measured."""

from paretune.steering.data import COLUMN, stating, steered
from paretune.steering.lattice import lattice
from paretune.steering.template import FILE, Template, shares

__all__ = ["COLUMN", "FILE", "Template", "lattice", "shares", "stating", "steered"]

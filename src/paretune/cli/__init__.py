"""The command line: one file a command."""

from paretune.cli.main import main

__all__ = ["main"]

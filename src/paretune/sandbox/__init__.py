"""Programs that a model wrote, run where they can do no harm."""

from paretune.sandbox.choice import open_sandbox
from paretune.sandbox.limits import Limits
from paretune.sandbox.sandbox import Outcome, Program, Sandbox, SandboxError

__all__ = ["Limits", "Outcome", "Program", "Sandbox", "SandboxError", "open_sandbox"]

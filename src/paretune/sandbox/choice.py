"""Which sandbox there is here."""

from paretune.sandbox.limits import Limits
from paretune.sandbox.sandbox import Sandbox, SandboxError
from paretune.sandbox.selftest import ATTEMPTS, broken_promises

SAFE_BACKENDS = ("bubblewrap", "landlock")


def open_sandbox(*, limits: Limits | None = None, unsafe_no_sandbox: bool = False) -> Sandbox:
    """Open the first back end that runs on this machine and keeps every promise of the self-test.

    Args:
        limits: of each run.
        unsafe_no_sandbox: run programs with all the rights of this user instead, on a machine that is a sandbox
            itself.

    Raises:
        SandboxError: if there is none; the message says what each one lacks.
    """
    if unsafe_no_sandbox:
        return Sandbox("unsafe", limits=limits)
    lacks = []
    for backend in SAFE_BACKENDS:
        try:
            sandbox = Sandbox(backend, limits=limits)
        except SandboxError as error:
            lacks.append(str(error))
            continue
        broken = broken_promises(sandbox)
        if not broken:
            sandbox.tested = list(ATTEMPTS)
            return sandbox
        sandbox.close()
        leaks = "; ".join(f"not so that a program {promise}: {said}" for promise, said in broken.items())
        lacks.append(f"The sandbox ({backend}) leaks ({leaks}).")
    raise SandboxError(
        " ".join([*lacks, "Let this machine make user namespaces (bubblewrap) or use Landlock (Linux 6.12 or newer);"])
        + " on a machine that may be broken, unsafe_no_sandbox runs programs without any."
    )

"""How one of several processes ends."""

import gc

from torch import distributed


def leave_process_group() -> None:
    """End this process's part in the group; without one, do nothing.

    A thread of gloo that still holds a tensor while Python shuts down aborts the process (PyTorch pull request 179291):
    a run that was finished would count as killed. The threads end with the last reference to the group; the trainer
    holds one in DistributedDataParallel, so let go of it before.
    """
    if distributed.is_initialized():
        distributed.destroy_process_group()
        gc.collect()

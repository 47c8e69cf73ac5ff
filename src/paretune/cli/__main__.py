"""``python -m paretune.cli``: how accelerate's launcher starts the command on every process."""

import os
import sys
from importlib import import_module

from paretune.cli.main import main

status = main()
if "LOCAL_RANK" in os.environ:  # of several; whatever else starts this way may do without torch
    import_module("paretune.cli.process_group").leave_process_group()
sys.exit(status)

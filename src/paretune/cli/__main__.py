"""``python -m paretune.cli``: how accelerate's launcher starts the command on every process."""

import sys

from paretune.cli.main import main

sys.exit(main())

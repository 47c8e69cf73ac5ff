"""Make src/paretune/cli/described.json anew, by which commands know rules and settings before they import TRL.

To be run whenever a rule, a task's description or MultiObjectiveConfig changes; a test fails until then.
"""

import json

from paretune.cli.described import FILE
from paretune.cli.describing import describe


def main() -> None:
    FILE.write_text(json.dumps(describe(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(FILE)


if __name__ == "__main__":
    main()

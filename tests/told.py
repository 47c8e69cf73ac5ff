"""What a command makes of its command line, for tests."""

from collections.abc import Mapping, Sequence
from typing import Any

from paretune.cli.parser import make_parser
from paretune.cli.settings import Settings, resolve


def parse(argv: Sequence[str], *, prog: str, defaults: Mapping[str, Any]) -> Settings:
    parser = make_parser(prog)
    return resolve(parser, parser.read(argv), defaults)

"""`python -m ostinato.cli` is the command `ostinato`, as `torchrun -m` wants it."""

import sys

from ostinato.cli.main import main

sys.exit(main())

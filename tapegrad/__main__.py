"""`python -m tapegrad`: the command of tapegrad.cli."""

import sys

from tapegrad.cli import main

sys.exit(main())

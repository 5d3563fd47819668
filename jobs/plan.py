"""`ray job submit --working-dir . -- python jobs/plan.py ...`: takes what `glioray plan` takes."""

import sys

from _bootstrap import find_package

if __name__ == "__main__":
    find_package()
    from glioray.cli import main

    sys.argv[1:1] = ["plan"]
    main()

"""`ray job submit --working-dir . -- python jobs/tune.py ...`: takes what `glioray tune` takes."""

import sys

from _bootstrap import find_package

if __name__ == "__main__":
    find_package()
    from glioray.cli import main

    sys.argv[1:1] = ["tune"]
    main()

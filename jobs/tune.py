"""`ray job submit --working-dir . -- python jobs/tune.py ...`: takes what `glioray tune` takes."""

from _bootstrap import run

if __name__ == "__main__":
    run("tune")

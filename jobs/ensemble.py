"""`ray job submit --working-dir . -- python jobs/ensemble.py ...`: takes what `glioray ensemble` takes."""

from _bootstrap import run

if __name__ == "__main__":
    run("ensemble")

"""`ray job submit --working-dir . -- python jobs/prepare.py ...`: takes what `glioray prepare` takes."""

from _bootstrap import run

if __name__ == "__main__":
    run("prepare")

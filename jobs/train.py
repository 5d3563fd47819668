"""`ray job submit --working-dir . -- python jobs/train.py ...`: takes what `glioray train` takes."""

from _bootstrap import run

if __name__ == "__main__":
    run("train")

"""`ray job submit --working-dir . -- python jobs/evaluate.py ...`: takes what `glioray evaluate` takes."""

from _bootstrap import run

if __name__ == "__main__":
    run("evaluate")

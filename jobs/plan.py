"""`ray job submit --working-dir . -- python jobs/plan.py ...`: takes what `glioray plan` takes."""

from _bootstrap import run

if __name__ == "__main__":
    run("plan")

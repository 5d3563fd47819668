"""`ray job submit --working-dir . -- python jobs/publish.py ...`: takes what `glioray publish` takes."""

from _bootstrap import run

if __name__ == "__main__":
    run("publish")

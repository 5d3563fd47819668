"""`dataset.html`: one page, readable offline, on which a person sees what was prepared.

`write` puts it together; `table` reads the columns, `scans` the pixels of the few rows that are shown;
`figures`, `strips` and `walk` draw.
"""

from glioray.data.page.write import FILE_NAME, write_page

__all__ = ["FILE_NAME", "write_page"]

"""What every setting and every record is: a value that does not change, with no field that it does not know."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """The base of all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

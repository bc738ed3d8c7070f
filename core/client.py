"""pyairtable, the client of Airtable's API, as much of it as is used here.

Loading it makes some two hundred pydantic models of bases, webhooks and audit logs, and builds a validator
for each, which is half of the time that it takes. Nothing here asks for one, so they are left to be built
where one is first used, which pydantic knows as `defer_build`: 0.06 s of every command's start.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel


@contextmanager
def _models_built_when_used() -> Iterator[None]:
    """For models that other code defines in this block, and would have built at its end too."""
    rebuild = vars(BaseModel)["model_rebuild"]
    BaseModel.model_config["defer_build"] = True
    setattr(BaseModel, "model_rebuild", classmethod(lambda _: None))  # noqa: B010 (no type knows a method replaced)
    try:
        yield
    finally:
        setattr(BaseModel, "model_rebuild", rebuild)  # noqa: B010 (as above)
        del BaseModel.model_config["defer_build"]


with _models_built_when_used():
    from pyairtable import Api, formulas

__all__ = ["Api", "formulas"]

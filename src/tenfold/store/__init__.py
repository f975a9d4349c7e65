"""What is kept: a result as a directory, a plan as JSON, weights as safetensors."""

from tenfold.store.folder import load, read_plan, save, write_plan
from tenfold.store.plan_file import plan_from_json, plan_to_json
from tenfold.store.pretrained import load_pretrained

__all__ = [
    "load",
    "load_pretrained",
    "plan_from_json",
    "plan_to_json",
    "read_plan",
    "save",
    "write_plan",
]

"""safetensors -> damaged safetensors: headers that lie about lengths, types, shapes and places."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from benchmarks.fuzzing.mutate_bytes import NUMBERS, mutate_bytes
from benchmarks.fuzzing.mutate_json import change, write

LENGTH = 8
TYPES = ("F64", "F32", "F16", "BF16", "I64", "I8", "BOOL", "U8", "F8_E4M3", "C64", "F4", "")


def mutate_tensors(content: bytes, random: Random) -> bytes:
    """The header changed as JSON, its length, or any bytes of the file."""
    kind = random.random()
    if kind < 0.3 or len(content) < LENGTH:
        return mutate_bytes(content, random)
    length = int.from_bytes(content[:LENGTH], "little")
    header, rest = json.loads(content[LENGTH : LENGTH + length]), content[LENGTH + length :]
    if kind < 0.6:
        text = write(change(header, random, random.choice((1, 1, 2))))
    else:
        text = json.dumps(misstated(header, random))
    told = text.encode("utf-8", "surrogatepass")
    said = random.choice(NUMBERS) if random.random() < 0.05 else len(told)
    return said.to_bytes(LENGTH, "little") + told + rest


def misstated(header: dict[str, Any], random: Random) -> dict[str, Any]:
    """Another type, shape, place or name of one tensor, in a header of the right form."""
    name = random.choice([key for key in header if key != "__metadata__"])
    told = header[name]
    begin, end = told["data_offsets"]
    what = random.randrange(7)
    if what == 0:
        told["dtype"] = random.choice(TYPES)
    elif what == 1:
        told["shape"] = random.choice(
            ([], [0], [1, *told["shape"]], told["shape"][::-1], [end - begin])
        )
    elif what == 2:
        told["data_offsets"] = [begin, end + random.choice((-4, 4, 2**20, 2**40, 2**62))]
    elif what == 3:
        told["shape"] = [random.choice(NUMBERS) for _ in range(random.randint(1, 4))]
    elif what == 4:
        header[random.choice(("", "x" * 3000, "a\nb", "other.weight", "../x"))] = header.pop(name)
    elif what == 5:
        header[f"{name}2"] = dict(told)
    else:
        del header[name]
    return header

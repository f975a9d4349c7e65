"""Files of torch.save -> damaged ones: pickles that want more, archives with other parts."""

from __future__ import annotations

import io
import pickle
import zipfile
from random import Random

from benchmarks.fuzzing.mutate_bytes import mutate_bytes

# Names as long as those that torch writes, so that lengths stay right, and others.
CALLS = (
    b"cos\nsystem\n(S'true'\ntR.",
    b"cbuiltins\nbytearray\n(I4000000000\ntR.",
    b"cbuiltins\neval\n(S'1'\ntR.",
    b"ccollections\nOrderedDict\n)R.",
    b"c__main__\nNet\n)R.",
    b"(lp0\n0g0\n.",
    b"N.",
    b"",
)


def mutate_pickle(content: bytes, random: Random) -> bytes:
    """Bytes of the file, or of one part of its archive, or another pickle in its place."""
    if random.random() < 0.4 or not zipfile.is_zipfile(io.BytesIO(content)):
        return mutate_bytes(content, random)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    pickled = [name for name in parts if name.endswith("data.pkl")]
    name = random.choice((*pickled * 3, *parts))
    if random.random() < 0.15:
        parts[name] = random.choice((*CALLS, nested(random)))
    elif random.random() < 0.05:
        del parts[name]
    else:
        parts[name] = mutate_bytes(parts[name], random)
    return zipped(parts)


def nested(random: Random) -> bytes:
    """Plain values, as deep as a pickle has them."""
    value: object = random.choice((None, 1, "weight", {}, [], {"weight": 1.0}, 2**70))
    for _ in range(random.choice((0, 1, 5, 100))):
        value = {"state_dict": value} if random.random() < 0.8 else [value]
    return pickle.dumps(value, protocol=2)


def zipped(parts: dict[str, bytes]) -> bytes:
    """An archive without compression, as torch writes it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()

"""Bytes -> damaged bytes: bits that flip, parts that go, come twice, or are another's."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

NUMBERS = (0, 1, 2**7, 2**8 - 1, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
LONG = 64  # bytes that are changed at once, at most


def flip(content: bytearray, random: Random) -> None:
    """One bit."""
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)


def cut(content: bytearray, random: Random) -> None:
    """The end is missing."""
    del content[random.randrange(len(content)) :]


def take_out(content: bytearray, random: Random) -> None:
    """A part in the middle is missing."""
    start = random.randrange(len(content))
    del content[start : start + random.randint(1, LONG)]


def insert(content: bytearray, random: Random) -> None:
    """Noise that was not there."""
    start = random.randrange(len(content) + 1)
    content[start:start] = random.randbytes(random.randint(1, LONG))


def repeat(content: bytearray, random: Random) -> None:
    """A part comes twice."""
    start = random.randrange(len(content))
    content[start:start] = content[start : start + random.randint(1, LONG)]


def lie(content: bytearray, random: Random) -> None:
    """A number of 1 to 8 bytes, most often where lengths stand."""
    width = random.choice((1, 2, 4, 8))
    start = random.choice((0, random.randrange(len(content)), max(0, len(content) - 22)))
    number = random.choice(NUMBERS) % 2 ** (8 * width)
    content[start : start + width] = number.to_bytes(width, random.choice(("little", "big")))


def blank(content: bytearray, random: Random) -> None:
    """Zeros, as a disk leaves them."""
    start = random.randrange(len(content))
    end = min(len(content), start + random.randint(1, LONG))
    content[start:end] = bytes(end - start)


def empty(content: bytearray, random: Random) -> None:
    """Nothing at all, or noise."""
    content[:] = random.randbytes(random.choice((0, 0, 1, 8, 100)))


CHANGES: tuple[Callable[[bytearray, Random], None], ...] = (
    flip,
    cut,
    take_out,
    insert,
    repeat,
    lie,
    blank,
    empty,
)
WEIGHTS = (8, 4, 3, 3, 2, 5, 2, 0.3)


def mutate_bytes(content: bytes, random: Random) -> bytes:
    """A file with one to four changes."""
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4))):
        if changed:
            random.choices(CHANGES, WEIGHTS)[0](changed, random)
    return bytes(changed)

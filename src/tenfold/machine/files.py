"""Files appear whole or not at all: written beside the target under another name, then renamed. So
does what is kept in the cache, an aid and never a need, which fails in silence."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from tenfold.errors import InputError, bad_value

VARIABLE = "TENFOLD_CACHE"  # a directory for what is dear to make; empty switches it off


def check_free(path: str | Path) -> Path:
    """Refuse to overwrite: what exists may be somebody's only copy."""
    target = Path(path)
    if target.exists():
        raise bad_value("The output must not exist yet", target, "choose another name")
    return target


@contextmanager
def placing(target: Path) -> Iterator[Path]:
    """A temporary path of the target's name; all files and folders written beside it are moved to
    the target's folder when the block ends, none when it raises.

    Raises InputError when one of them exists there already, or the folder cannot be written.
    """
    check_free(target)
    with explained(target):
        folder = Path(tempfile.mkdtemp(prefix=".tenfold.", dir=nearest(target.parent)))
    try:
        yield folder / target.name
        move(sorted(folder.iterdir(), key=lambda file: file.name == target.name), target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def placing_folder(target: Path) -> Iterator[Path]:
    """A new folder beside the target, which takes its name when the block ends, not when it raises.

    Raises InputError when the target exists already or cannot be written.
    """
    check_free(target)
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            yield part
            open_up(part)
            part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A temporary path that takes the target's name, and place, when the block ends; the target is
    as before when it raises. Raises InputError when it cannot be written."""
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".tenfold.", dir=target.parent))
        try:
            yield folder / target.name
            open_up(folder / target.name)
            (folder / target.name).replace(target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def move(files: list[Path], target: Path) -> None:
    """Each file or folder into the target's folder, the target itself last; all of them or none."""
    moved: list[Path] = []
    with explained(target):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            for file in files:
                place = check_free(target.with_name(file.name))
                open_up(file)
                moved.append(file.rename(place))
        except (OSError, InputError):
            for place in moved:
                remove(place)
            raise


def open_up(path: Path) -> None:
    """Let others read a file, or a folder with all that it holds: temporary names keep them out,
    what is saved need not."""
    for each in (path, *path.rglob("*")):
        each.chmod(0o755 if each.is_dir() else 0o644)


def remove(path: Path) -> None:
    """Delete a file or a whole folder, if it is still there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def bytes_in(folder: Path) -> int:
    """Bytes of all files in a folder and in those below it."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def nearest(folder: Path) -> Path:
    """The folder, or the closest one above it that exists."""
    return folder if folder.exists() else nearest(folder.parent)


@contextmanager
def explained(target: Path) -> Iterator[None]:
    """Errors of writing inside the block become InputErrors of a target that cannot be written."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise bad_value(
            "The output must be writable", f"{error}", f"choose another place than {target}"
        ) from error


def cache_folder() -> Path | None:
    """``$TENFOLD_CACHE``, or a folder in the user's cache directory; None switches it off."""
    chosen = os.environ.get(VARIABLE)
    if chosen is not None:
        return Path(chosen) if chosen else None
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tenfold"


def keep(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make the file, whole or not at all; an unwritable folder is passed over."""
    with contextlib.suppress(SafetensorError, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
        os.close(handle)
        try:
            write(Path(part))
            Path(part).replace(path)
        finally:
            Path(part).unlink(missing_ok=True)

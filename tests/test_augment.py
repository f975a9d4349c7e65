"""Mirrored and shifted images are the same images; other inputs are left alone."""

from __future__ import annotations

import torch

from tenfold.data.augment import VIEWS, mirrored, moved, varied, view


def images():
    return torch.arange(2 * 3 * 16 * 24, dtype=torch.float32).reshape(2, 3, 16, 24)


def test_images_are_there_twice_once_from_the_other_side():
    x, labels = images(), torch.arange(4)
    found = mirrored([x, labels])
    assert len(found) == 3
    assert found[0] is x
    assert torch.equal(found[2], x.flip(3))


def test_a_varied_image_is_a_window_of_itself_or_of_its_mirror_image():
    torch.manual_seed(0)
    x = images()
    wide = torch.nn.functional.pad(x, (3, 3, 2, 2), mode="reflect")
    mirror = torch.nn.functional.pad(x.flip(3), (3, 3, 2, 2), mode="reflect")
    seen = set()
    for _ in range(20):
        found = varied(x)
        assert found.shape == x.shape
        for k in range(len(x)):
            places = [
                (side, i, j)
                for side, source in enumerate((wide, mirror))
                for i in range(5)
                for j in range(7)
                if torch.equal(source[k, :, i : i + 16, j : j + 24], found[k])
            ]
            assert places
            seen.update(places)
    assert len({side for side, _, _ in seen}) == 2
    assert len(seen) > 8


def test_small_images_are_not_shifted_and_other_inputs_not_touched():
    torch.manual_seed(0)
    small = torch.randn(4, 1, 4, 4)
    found = varied(small)
    for k in range(4):
        assert torch.equal(found[k], small[k]) or torch.equal(found[k], small[k].flip(2))
    sequence = torch.randn(4, 5, 6)
    assert varied(sequence) is sequence


def test_a_moved_image_has_its_edges_reflected():
    x = images()
    found = moved(x, 2, -3)
    assert torch.equal(found[:, :, 2:, :-3], x[:, :, :-2, 3:])
    assert torch.equal(found[:, :, 0, :-3], x[:, :, 2, 3:])
    assert torch.equal(moved(x, 0, 0), x)


def test_views_are_the_image_its_mirror_image_and_both_moved_about():
    x, length = images(), torch.arange(2)
    found = [view({"pixels": x, "length": length}, index) for index in range(VIEWS)]
    seen = [one["pixels"] for one in found]
    assert all(one["length"] is length for one in found)
    assert torch.equal(seen[0], x)
    assert torch.equal(seen[1], x.flip(3))
    assert torch.equal(seen[2], moved(x, -1, -1))
    assert torch.equal(seen[3], moved(x.flip(3), -1, -1))
    assert not any(torch.equal(a, b) for k, a in enumerate(seen) for b in seen[:k])

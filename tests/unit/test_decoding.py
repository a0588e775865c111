"""The encoding of a body is checked whole, although it is checked by the piece."""

from __future__ import annotations

import pytest

from tap_croct.decoding import clean

PIECES = 3 * 4096  # bytes


@pytest.mark.parametrize("character", ["é", "日", "🎉"])
@pytest.mark.parametrize("before", range(5))
def test_characters_at_the_ends_of_pieces(character: str, before: int) -> None:
    body = b'"%b%b"' % (b"a" * before, character.encode() * PIECES)
    assert clean(body) == (body, False)


@pytest.mark.parametrize("position", [1, 4094, 4095, 4096, 4097, PIECES - 2, PIECES - 1])
@pytest.mark.parametrize("wrong", [b"\xff", b"\x80", b"\xc3", b"\xe6\x97", b"\xf0\x9f\x8e"])
def test_what_is_not_utf8(position: int, wrong: bytes) -> None:
    body = (b"a" * position + wrong).ljust(PIECES, b"a")
    with pytest.raises(UnicodeDecodeError):
        clean(body)


def test_a_character_that_the_end_cuts() -> None:
    for length in range(PIECES - 5, PIECES + 5):
        with pytest.raises(UnicodeDecodeError):
            clean(b"a" * length + "🎉".encode()[:-1])

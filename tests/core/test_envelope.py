"""Entries as bytes: what was sealed comes back, and nothing else is believed."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcache.core.envelope import Sealed, Unreadable, open_sealed, plain_payload, seal

KEY, IDENTITY = "{urn:galileo:user_id:1}#Get", "json:1"
SAMPLE = Sealed(b"payload", 1_700_000_000.25, 1_700_000_060.0, b"e" + bytes(15))
DATA = seal(SAMPLE, KEY, IDENTITY)

moments = st.floats(allow_nan=False)
sealed_entries = st.builds(
    Sealed,
    st.binary(max_size=40),
    moments,
    moments,
    st.none() | st.binary(min_size=1, max_size=40),
    moments,
    moments,
    st.booleans(),
)
keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
identities = st.text(st.characters(codec="ascii"), max_size=20)


def flaw(data: bytes, key: str = KEY, identity: str = IDENTITY) -> str:
    with pytest.raises(Unreadable) as caught:
        open_sealed(data, key, identity)
    return caught.value.flaw


class TestSeal:
    @given(sealed_entries, keys, identities)
    def test_round_trip(self, sealed: Sealed, key: str, identity: str) -> None:
        """What was sealed comes back as it was, with its times and its epoch."""
        assert sealed == open_sealed(seal(sealed, key, identity), key, identity)

    @given(sealed_entries, keys, keys)
    def test_other_key(self, sealed: Sealed, key: str, other: str) -> None:
        """Under any other key the same bytes are refused."""
        data = seal(sealed, key, IDENTITY)

        assert key == other or flaw(data, other) in ("other_key", "corrupt")

    @given(st.binary(max_size=80))
    def test_anything_else(self, data: bytes) -> None:
        """Bytes from anywhere are refused, and never an error of another kind."""
        assert flaw(data) in ("corrupt", "version", "other_key")
        assert flaw(b"gC\x02" + data) in ("corrupt", "other_key")


epochs = st.sampled_from([None, SAMPLE.epoch, b"e" + b"1" * 15, b"x"])


class TestPlain:
    @given(sealed_entries, keys, identities, epochs)
    def test_as_opened(self, sealed: Sealed, key: str, identity: str, epoch: bytes | None) -> None:
        """A value of this epoch that ends when it expires comes back; an entry of any other kind does not."""
        for one in (sealed, sealed._replace(epoch=epoch, stale_sec=0.0), SAMPLE):
            data = seal(one, key, identity)
            is_plain = not one.is_exception and bytes(8) == struct.pack(">d", one.stale_sec)
            expected = one.payload if is_plain and one.epoch == epoch else None

            assert expected == plain_payload(data, key, identity, epoch)

    @given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
    def test_damaged(self, place: int, flipped: int) -> None:
        """No byte can be another without being noticed."""
        data = bytearray(DATA)
        data[place] ^= flipped

        assert plain_payload(bytes(data), KEY, IDENTITY, SAMPLE.epoch) is None

    def test_not_its_own(self) -> None:
        """Bytes of another key or serializer are none, nor is nothing at all."""
        assert SAMPLE.payload == plain_payload(DATA, KEY, IDENTITY, SAMPLE.epoch)

        assert plain_payload(DATA, KEY + "x", IDENTITY, SAMPLE.epoch) is None
        assert plain_payload(DATA, KEY, "json:2", SAMPLE.epoch) is None
        assert plain_payload(None, KEY, IDENTITY, SAMPLE.epoch) is None
        assert plain_payload(seal(SAMPLE._replace(epoch=b"ej"), KEY, "son"), KEY, "json", b"e") is None


class TestFlaws:
    def test_other_key(self) -> None:
        """Bytes of another key are told from damaged ones."""
        assert "other_key" == flaw(DATA, "urn:galileo:user_id:2#Get")

    def test_other_serializer(self) -> None:
        """Bytes of another serializer are named so, even where one identity begins with the other."""
        assert "other_serializer" == flaw(DATA, identity="pickle:1")
        assert "other_serializer" == flaw(DATA, identity="json:12")
        assert "other_serializer" == flaw(DATA, identity="json:")

    def test_shifted_identity(self) -> None:
        """A payload that begins as the identity goes on does not lend it the rest."""
        data = seal(Sealed(b"2payload", 0.0, 0.0, None), KEY, "json:1")

        assert "other_serializer" == flaw(data, identity="json:12")

    @pytest.mark.parametrize("version", [0, 1, 255])
    def test_version(self, version: int) -> None:
        """Bytes of another version are named so, whatever follows."""
        assert "version" == flaw(DATA[:2] + bytes([version]) + DATA[3:])

    @pytest.mark.parametrize("data", [b"", b"gC", b"gC\x01", b"null", b"\x80\x04N."], ids=repr)
    def test_foreign(self, data: bytes) -> None:
        """What is no envelope at all is corrupt."""
        assert "corrupt" == flaw(data)

    def test_every_bit(self) -> None:
        """No bit can be flipped anywhere."""
        for place in range(len(DATA)):
            for bit in range(8):
                damaged = bytearray(DATA)
                damaged[place] ^= 1 << bit
                assert flaw(bytes(damaged)) in ("corrupt", "version", "other_key"), (place, bit)

    def test_every_byte(self) -> None:
        """No byte can be replaced by any other."""
        for place in range(len(DATA)):
            for byte in set(range(256)) - {DATA[place]}:
                flaw(DATA[:place] + bytes([byte]) + DATA[place + 1 :])

    def test_every_truncation(self) -> None:
        """Nothing can be missing at the end, or stand there in addition."""
        assert {"corrupt"} == {flaw(DATA[:size]) for size in range(len(DATA))}
        assert "corrupt" == flaw(DATA + b"\0")

    def test_message(self) -> None:
        """The error says what the miss is counted under."""
        assert "version" == str(Unreadable("version"))

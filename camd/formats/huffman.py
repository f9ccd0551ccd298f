"""The Huffman tables that a JPEG means when it has none.

ITU-T T.81 gives typical tables (K.3.3), and practice has made them the standard ones of
Motion JPEG: the USB video class lets a camera leave them out, and many do.
"""

from __future__ import annotations

# Class and number of the table, how many codes there are of 1 to 16 bits, and what the
# codes stand for, shortest first (T.81 B.2.4.2).
_TABLES = bytes.fromhex(
    # Table K.3: luminance, DC.
    "00"
    "00010501010101010100000000000000"
    "000102030405060708090a0b"
    # Table K.5: luminance, AC.
    "10"
    "0002010303020403050504040000017d"
    "01020300041105122131410613516107227114328191a1082342b1c11552d1f0"
    "2433627282090a161718191a25262728292a3435363738393a43444546474849"
    "4a535455565758595a636465666768696a737475767778797a83848586878889"
    "8a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5"
    "c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8"
    "f9fa"
    # Table K.4: chrominance, DC.
    "01"
    "00030101010101010101010000000000"
    "000102030405060708090a0b"
    # Table K.6: chrominance, AC.
    "11"
    "00020102040403040705040400010277"
    "000102031104052131061241510761711322328108144291a1b1c109233352f0"
    "156272d10a162434e125f11718191a262728292a35363738393a434445464748"
    "494a535455565758595a636465666768696a737475767778797a828384858687"
    "88898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3"
    "c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8"
    "f9fa"
)

STANDARD_TABLES = b"\xff\xc4" + (len(_TABLES) + 2).to_bytes(2, "big") + _TABLES
"""One DHT segment with all four tables."""

#!/usr/bin/env python3
"""seal.py - reads and ages N.seal of the log sink, for tests (src/logsink/seal.h has the bytes).

    seal.py show FILE             state=complete bytes=N sealed_at_ms=N keep_ms=N removed=N flags=N
    seal.py age FILE SECONDS      sealed so much earlier
"""
import struct
import sys

STATE, BYTES, SEALED_AT, KEEP, REMOVED, FLAGS, CRC, SIZE = 12, 48, 96, 104, 120, 121, 124, 128


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def load(path):
    with open(path, "rb") as f:
        seal = bytearray(f.read())
    if len(seal) != SIZE or struct.unpack_from("<I", seal, CRC)[0] != crc32c(seal[:CRC]):
        sys.exit(f"{path}: not a good seal")
    return seal


def main():
    seal = load(sys.argv[2])
    at = struct.unpack_from("<Q", seal, SEALED_AT)[0]
    if sys.argv[1] == "show":
        state = {1: "complete", 2: "gap"}.get(struct.unpack_from("<I", seal, STATE)[0], "?")
        print(f"state={state} bytes={struct.unpack_from('<Q', seal, BYTES)[0]} sealed_at_ms={at} "
              f"keep_ms={struct.unpack_from('<Q', seal, KEEP)[0]} removed={seal[REMOVED]} flags={seal[FLAGS]}")
        return
    struct.pack_into("<Q", seal, SEALED_AT, at - int(sys.argv[3]) * 1000)
    struct.pack_into("<I", seal, CRC, crc32c(seal[:CRC]))
    with open(sys.argv[2], "r+b") as f:
        f.write(seal)


if __name__ == "__main__":
    main()

"""The storage of notebook 02: an Azurite with a zip of pictures and a partitioned table, both made of the digits in
notebooks/data. Prints one line of JSON (`connection`) when all is there, and ends Azurite when its standard input ends.

Called by `cargo xtask test` as: notebook_storage.py AZURITE_PROGRAM DIGITS_CSV_GZ
"""
import csv
import gzip
import io
import json
import re
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib

import polars as pl
from azure.storage.blob import BlobServiceClient

ACCOUNT = "devstoreaccount1"
# The key that every Azurite has by default; it opens nothing else.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
START_SECONDS = 60
# Pictures in the archive: enough for a grid and a table, few enough for an emulator.
PICTURES = 400


def start(program, scratch):
    """Azurite on a free port; gives the process and its address."""
    log = open(f"{scratch}/log", "w+")
    command = [program, "--blobHost", "127.0.0.1", "--blobPort", "0", "--skipApiVersionCheck", "--disableTelemetry", "--location", f"{scratch}/data"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"successfully listens on (http://\S+)\n", open(log.name).read())
        if found:
            return process, found[1]
        time.sleep(0.1)
    process.kill()
    sys.exit(f"Azurite did not start: {open(log.name).read()}")


def png(values):
    """An 8 by 8 picture in grey: values from 0 (white) to 16 (black)."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(255 - round(v * 255 / 16) for v in values[y * 8:y * 8 + 8]) for y in range(8))
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def digits(path):
    """Digit, its number among those of its kind, and 64 values, of each picture."""
    seen = {}
    with gzip.open(path, "rt") as file:
        for row in csv.reader(file):
            values, digit = [int(float(v)) for v in row[:64]], int(float(row[64]))
            seen[digit] = seen.get(digit, -1) + 1
            yield digit, seen[digit], values


def fill(connection, path):
    """Makes the containers `pictures` and `tables`."""
    service = BlobServiceClient.from_connection_string(connection)
    pictures, tables = service.create_container("pictures"), service.create_container("tables")
    everything = list(digits(path))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for digit, number, values in everything[:PICTURES]:
            out.writestr(f"{digit}/{number:04}.png", png(values))
    pictures.upload_blob("digits.zip", archive.getvalue())
    for digit in range(10):
        mine = [(number, values) for d, number, values in everything if d == digit]
        frame = pl.DataFrame({
            "picture": [f"{number:04}.png" for number, _ in mine],
            "ink": [sum(values) for _, values in mine],
            "upper": [sum(values[:32]) for _, values in mine],
            "left": [sum(v for i, v in enumerate(values) if i % 8 < 4) for _, values in mine],
        })
        out = io.BytesIO()
        frame.write_parquet(out)
        tables.upload_blob(f"digits/digit={digit}/part-0.parquet", out.getvalue())


def main():
    program, path = sys.argv[1:3]
    with tempfile.TemporaryDirectory(prefix="ochre-notebook-") as scratch:
        process, address = start(program, scratch)
        try:
            connection = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={address}/{ACCOUNT};"
            fill(connection, path)
            print(json.dumps({"connection": connection}), flush=True)
            sys.stdin.read()
        finally:
            process.terminate()
            process.wait(timeout=10)


if __name__ == "__main__":
    main()

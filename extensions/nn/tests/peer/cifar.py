"""CIFAR-10 as its page has it, both versions, small: `python cifar.py FOLDER` writes cifar-10-binary.tar.gz and cifar-10-python.tar.gz.

Picture i of batch b (0 to 4, the test's is 5) has the class (7 i + b) % 10, and row y, column x of channel c is (31 i + 17 c + 5 y + 3 x + 11 b) % 256.
"""
import io
import pathlib
import pickle
import sys
import tarfile

import numpy

COUNT = 20
NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
folder = pathlib.Path(sys.argv[1])


def label(b, i):
    return (7 * i + b) % 10


def pixels(b, i):
    """A row of 3072 bytes: 1024 of red, then of green, then of blue, each row by row."""
    c, y, x = numpy.meshgrid(numpy.arange(3), numpy.arange(32), numpy.arange(32), indexing="ij")
    return ((31 * i + 17 * c + 5 * y + 3 * x + 11 * b) % 256).astype("u1").reshape(-1)


def add(archive, name, content):
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.uname, member.gname = len(content), 0o644, "kriz", "kriz"
    archive.addfile(member, io.BytesIO(content))


def directory(archive, name):
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, 0o755
    archive.addfile(member)


parts = [("test_batch", 5)] + [(f"data_batch_{b + 1}", b) for b in [3, 0, 1, 4, 2]]
with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz", format=tarfile.GNU_FORMAT) as archive:
    directory(archive, "cifar-10-batches-bin")
    for name, b in parts:
        # <1 x label><3072 x pixel>, as the page says.
        add(archive, f"cifar-10-batches-bin/{name}.bin", b"".join(bytes([label(b, i)]) + pixels(b, i).tobytes() for i in range(COUNT)))
    add(archive, "cifar-10-batches-bin/batches.meta.txt", ("\n".join(NAMES) + "\n\n").encode())
    add(archive, "cifar-10-batches-bin/readme.html", b"<a href='https://www.cs.toronto.edu/~kriz/cifar.html'>")
with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz", format=tarfile.GNU_FORMAT) as archive:
    directory(archive, "cifar-10-batches-py")
    for name, b in parts:
        batch = {b"data": numpy.stack([pixels(b, i) for i in range(COUNT)]), b"labels": [label(b, i) for i in range(COUNT)], b"batch_label": name.encode(), b"filenames": []}
        add(archive, f"cifar-10-batches-py/{name}", pickle.dumps(batch, 2))
    add(archive, "cifar-10-batches-py/batches.meta", pickle.dumps({b"label_names": NAMES, b"num_vis": 3072}, 2))

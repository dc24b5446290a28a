"""Looks for known secrets, in every form in which they could have been written, in bytes and below directories.

`secret_tests` uses it on what it captured; `cargo xtask test` runs it as a program over what the whole run left behind:
`secret_hunt.py LIST SINCE DIRECTORY...`, where LIST holds the secrets of the tests (a JSON list; it is not searched itself) and
SINCE is a time: older files were there before.
"""
import base64
import html
import json
import os
import pathlib
import re
import sys
import urllib.parse

# The key of the emulated storage account is the same everywhere; the tests use it as a secret, so it counts as one.
AZURITE = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6" \
    "IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
# A larger file is no text of ours, and a core would be found by its name.
LARGEST = 256 << 20


def forms(value):
    """All texts that stand for a value: what a careless program writes."""
    raw = value.encode()
    texts = {
        value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], json.dumps(value).replace("/", "\\/")[1:-1],
        json.dumps(json.dumps(value))[3:-3], html.escape(value), html.escape(value).replace("&#x27;", "&#39;"),
        urllib.parse.quote(value, safe=""), lower(urllib.parse.quote(value, safe="")), urllib.parse.quote(value), urllib.parse.quote_plus(value),
        raw.hex(), raw.hex().upper(), ", ".join(map(str, raw)), ",".join(map(str, raw)), value.replace("'", "'\\''"),
        "".join(f"\\u{ord(c):04x}" for c in value),
    }
    for offset in range(3):
        padded = b"\0" * offset + raw
        first, end = (offset * 8 + 5) // 6, len(padded) * 8 // 6
        texts |= {encode(padded).decode()[first:end] for encode in (base64.standard_b64encode, base64.urlsafe_b64encode)}
    return {text.encode() for text in texts}


def lower(quoted):
    """With escapes in small letters."""
    return re.sub("%..", lambda found: found.group().lower(), quoted)


def find(haystack, values):
    """Which of the values stand in some bytes, with what stands around the first place."""
    found = []
    for value in values:
        for form in forms(value):
            at = haystack.find(form)
            if at >= 0:
                found.append((value[:4] + "…", haystack[max(0, at - 60) : at + len(form) + 20]))
                break
    return found


def files(directories, since=0.0):
    """Files that changed since a time; what goes while it is looked at is left out."""
    for directory in directories:
        for path in (pathlib.Path(folder) / name for folder, _, names in os.walk(directory) for name in names):
            try:
                if path.is_file() and not path.is_symlink() and path.stat().st_mtime >= since and path.stat().st_size <= LARGEST:
                    yield path
            except OSError:
                continue  # it went while we looked


def search(directories, values, since=0.0, leave=()):
    """Files that hold one of the values; cores are found by their names."""
    leave = {pathlib.Path(path).resolve() for path in leave}
    found = []
    for path in files(directories, since):
        if path.resolve() in leave:
            continue
        if path.name == "core" or path.name.startswith("core."):
            found.append(f"{path}: a core")
        try:
            hits = find(path.read_bytes(), values)
        except OSError:
            continue
        found += [f"{path}: {name} in {around!r}" for name, around in hits]
    return found


def note(values):
    """Tells the search after the whole run what to look for."""
    path = os.environ.get("OCHRE_HUNT_LIST")
    if path:
        before = json.loads(pathlib.Path(path).read_text()) if os.path.exists(path) else []
        pathlib.Path(path).write_text(json.dumps(sorted({*before, *values})))


if __name__ == "__main__":
    known = [*json.loads(pathlib.Path(sys.argv[1]).read_text()), AZURITE]
    hits = search(sys.argv[3:], known, float(sys.argv[2]), leave=[sys.argv[1]])
    print("\n".join(hits) or f"none of {len(known)} secrets was found")
    sys.exit(1 if hits else 0)

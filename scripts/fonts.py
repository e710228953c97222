"""Fetch the font of every document, Noto Sans SC (OFL-1.1), regular and bold, into .cache/fonts.

The whole fonts, not the web's slices of them: a person's rare name character must be there. They lie in one npm package; npm
itself is not needed. Its SHA-256 is pinned here. Without network: put the two files there by hand, or set TIDEOVER_FONTS.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / ".cache" / "fonts"
REGISTRY = "https://registry.npmjs.org"
ARCHIVE = "@expo-google-fonts/noto-sans-sc/-/noto-sans-sc-0.4.3.tgz"
SHA256 = "0d69d0f4971d2ff574e3d93cbc218dc950bf3f3f8f8e2c008d97687ed53aee59"
WANTED = ("package/400Regular/NotoSansSC_400Regular.ttf", "package/700Bold/NotoSansSC_700Bold.ttf", "package/LICENSE_FONT")


def there() -> bool:
    """Whether both fonts and their licence lie in the folder."""
    return all((FOLDER / Path(name).name).exists() for name in WANTED)


def fetch() -> None:
    """Download the package (57 MB), compare its SHA-256, keep the two fonts and their licence. Raises OSError, ValueError."""
    registry = os.environ.get("NPM_CONFIG_REGISTRY", REGISTRY).rstrip("/")
    seen = hashlib.sha256()
    with tempfile.TemporaryFile() as kept:
        with urllib.request.urlopen(f"{registry}/{ARCHIVE}", timeout=60) as answer:
            while block := answer.read(1 << 20):
                seen.update(block)
                kept.write(block)
        if seen.hexdigest() != SHA256:
            raise ValueError(f"{ARCHIVE} has SHA-256 {seen.hexdigest()}, not {SHA256}: not unpacked")
        kept.seek(0)
        FOLDER.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=kept, mode="r:gz") as archive:
            for name in WANTED:
                member = archive.extractfile(name)
                assert member is not None, name
                part = FOLDER / f".{Path(name).name}.part"
                part.write_bytes(member.read())
                part.replace(FOLDER / Path(name).name)


if __name__ == "__main__":
    if not there():
        try:
            fetch()
        except (OSError, ValueError) as error:
            print(f"the font of documents could not be fetched: {error}", file=sys.stderr)
            print(
                f"put NotoSansSC_400Regular.ttf and NotoSansSC_700Bold.ttf into {FOLDER} or set TIDEOVER_FONTS", file=sys.stderr
            )
            raise SystemExit(1) from error
    print(FOLDER)

"""Write the Chinese catalogue: every English sentence of the pages, from scripts/messages_zh.tsv, as .po and .mo.

Fails when a sentence has no Chinese, so that no page is half translated.
"""

from __future__ import annotations

import re
from pathlib import Path

import polib

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "src/tideover/web/locale/zh_Hans/LC_MESSAGES"
TABLE = ROOT / "scripts/messages_zh.tsv"
TRANSLATE = re.compile(r"""{%\s*translate\s+(?:"([^"]+)"|'([^']+)')""")
BLOCK = re.compile(r"{%\s*blocktranslate(.*?)%}(.*?){%\s*endblocktranslate\s*%}", re.S)
NAMERS = r"_|gettext_noop|_kind|_plain|_row|_logged|_changed"
PYTHON = re.compile(rf"""(?:\b(?:{NAMERS})\(|\blabel=)\s*"([^"]+)\"""")
"""Sentences in code: gettext, and the labels of exception rows."""
PAIRS = re.compile(r"""\("[\w-]+", "([A-Z][^"]+)\"""")


def found() -> dict[str, str]:
    """Every msgid of the templates and of the modules that name things; value: its plural, or empty."""
    out: dict[str, str] = {}
    for path in sorted((ROOT / "src").rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        for a, b in TRANSLATE.findall(text):
            out[a or b] = ""
        for _, body in BLOCK.findall(text):
            one, _, many = re.sub(r"{{\s*(\w+)\s*}}", r"%(\1)s", body).partition("{% plural %}")
            out[one] = many
    for path in sorted((ROOT / "src").rglob("*.py")):
        for text in PYTHON.findall(path.read_text(encoding="utf-8")):
            out[text] = ""
    for name in ("web/context.py", "web/views.py"):
        for text in PAIRS.findall((ROOT / "src/tideover" / name).read_text(encoding="utf-8")):
            out[text] = ""
    names = (ROOT / "src/tideover/lending/words.py").read_text(encoding="utf-8").split("NAMES = {")[1]
    for text in re.findall(r'": "([^"]+)"', names):
        out[text] = ""
    for path in (ROOT / "src/tideover/lending/rules").glob("bank_*.py"):
        reasons = path.read_text(encoding="utf-8").partition("REASONS = {")[2].partition("\n}")[0]
        for text in re.findall(r'": "([^"]+)"', reasons):
            out[text] = ""
    return out


def table() -> dict[str, str]:
    """English → Chinese."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t", 1) for line in lines if "\t" in line)


def main() -> int:
    """Write the catalogue, or list what is missing."""
    wanted, zh = found(), table()
    missing = [m for m in wanted if m not in zh]
    if missing:
        print("no Chinese for:", *missing, sep="\n")
        return 1
    po = polib.POFile()
    po.metadata = {"Content-Type": "text/plain; charset=UTF-8", "Language": "zh_Hans", "Plural-Forms": "nplurals=1; plural=0;"}
    for msgid, plural in sorted(wanted.items()):
        flags = ["python-format"] if "%(" in msgid else []
        if plural:
            po.append(polib.POEntry(msgid=msgid, msgid_plural=plural, msgstr_plural={0: zh[msgid]}, flags=flags))
        else:
            po.append(polib.POEntry(msgid=msgid, msgstr=zh[msgid], flags=flags))
    OUT.mkdir(parents=True, exist_ok=True)
    po.save(str(OUT / "django.po"))
    po.save_as_mofile(str(OUT / "django.mo"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

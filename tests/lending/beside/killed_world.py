"""A book beside a core in a database of its own, for workers that are killed: build N, settle, tell."""

from __future__ import annotations

import sys
from datetime import timedelta


def main(act: str, count: int = 0) -> None:
    """One act."""
    import django

    django.setup()
    from django.core.management import call_command

    if act == "build":
        import os
        from pathlib import Path

        Path(os.environ["TIDEOVER_HOME"]).mkdir(parents=True, exist_ok=True)
        call_command("migrate", verbosity=0)
        from tests.factories import house_build
        from tests.lending.beside.test_instructions import ask

        house = house_build()
        house.entity.book_mode = "overlay"
        house.entity.save()
        house.loan.refresh_from_db()
        for n in range(count):
            ask(house, f"k{n}")
        return
    from tideover.core.business_time import now
    from tideover.lending.beside.core_link import link_of
    from tideover.lending.beside.instructions import instructions_work
    from tideover.lending.models import Instruction, LegalEntity

    if act == "settle":
        import time

        entity = LegalEntity.objects.get(code="BANK")
        for n in range(40):
            instructions_work(entity, link=link_of("BANK"), at=now() + timedelta(minutes=31 * n))
            if not Instruction.objects.filter(state__in=("requested", "sent")).exists():
                return
            time.sleep(0.3)
        return
    for i in Instruction.objects.order_by("pk"):
        print(f"{i.reference}={i.state}:{0 if i.event_id is None else 1}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))

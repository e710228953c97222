"""When replay settled each instalment of a book: lines `loan_id,due,amount_minor,settled` (empty: never) on standard output.

Run: TIDEOVER_HOME=… python -m tests.real_books.settled AS_OF
"""

from __future__ import annotations

import sys


def main(as_of: str) -> None:
    """Print one line an instalment."""
    import django

    django.setup()
    import numpy as np

    from tideover.engine.batch import rows_many
    from tideover.engine.terms import NO_DAY, date_of, day
    from tideover.lending.columns import loans_read
    from tideover.lending.models import Contract

    loans = loans_read(np.array(Contract.objects.order_by("pk").values_list("pk", flat=True), np.int64))
    _, offsets, rows = rows_many(loans.terms, loans.events, np.full(len(loans.ids), day(as_of), np.int64))
    print("loan_id,due,amount_minor,settled")
    for i, number in enumerate(loans.names()):
        for row in rows[offsets[i] : offsets[i + 1]]:
            settled = "" if row["paid_on"] == NO_DAY else date_of(int(row["paid_on"]))
            print(f"{number},{date_of(int(row['due_on']))},{row['principal'] + row['interest']},{settled}")


if __name__ == "__main__":
    main(sys.argv[1])

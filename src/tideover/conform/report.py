"""What a conformance run says: each differing cell, and why a case was not compared."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Difference:
    """One cell that is not what the case says."""

    id: str
    cell: str
    expected: str
    got: str


@dataclass(slots=True)
class CaseResult:
    """One case: how many cells were compared, which differ; `not_compared` names the reason when none was."""

    id: str
    compared_cells: int = 0
    differences: list[Difference] = field(default_factory=list)
    not_compared: str | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    """Cells that were not compared, by reason."""

    def check(self, cell: str, expected: object, got: object) -> None:
        """Compare one cell; both sides are compared as text."""
        self.compared_cells += 1
        if str(expected) != str(got):
            self.differences.append(Difference(self.id, cell, str(expected), str(got)))

    def leave_out(self, reason: str, cells: int = 1) -> None:
        """Count cells that are not compared, by reason."""
        self.left_out[reason] = self.left_out.get(reason, 0) + cells

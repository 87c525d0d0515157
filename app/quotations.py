"""What is quoted of the library's documents, wherever it is kept: in answers and in reports on them."""

from __future__ import annotations

from collections.abc import Sequence

from app.database import Database
from app.grounds import erased
from app.report_store import ReportStore
from app.store import Store


class Quotations:
    def __init__(self, database: Database) -> None:
        self._answers = Store(database)
        self._reports = ReportStore(database)

    def documents(self) -> list[str]:
        """The documents that are quoted, whoever's."""
        return sorted({*self._answers.quoted_documents(), *self._reports.quoted_documents()})

    def forget(self, documents: Sequence[str]) -> int:
        """For after these documents were erased: takes what was quoted of them away. Returns how many answers that were."""
        self._reports.forget_documents(documents)
        return self._answers.forget_documents(documents, blank=erased)

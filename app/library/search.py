"""Search over the passages: a langchain retriever on the store's full-text index, and what its facade makes of it.

First the index gives candidates by BM25, any word of the question counting; then they are put in order by how much of the
question each holds, how close together, and whether it uses words that answers to such a question use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.documents import Document as Text
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig

from app.library.asking import Asked, asked
from app.library.ranking import Ranked, Ranking, marks, ranked
from app.library.terms import Terms
from app.library_store import LibraryStore
from app.records import Found, Scope, SearchResult

CANDIDATES = 50
WEIGHTS = (8.0, 8.0, 1.0)  # of title, section and text in BM25; tuned, as Ranking is, by tests/benchmarks/search.py


class PassageRetriever(BaseRetriever):
    """Passages for a question, best first, with ``passage``, ``score``, ``bearing`` and ``marks`` in each one's metadata.

    Runs no callbacks: langchain's tracing, which the environment may switch on, would send the question away.
    """

    store: LibraryStore
    terms: Terms
    owner: str
    limit: int = 6
    scope: Scope = Scope.ALL
    documents: Sequence[str] = ()
    weights: tuple[float, float, float] = WEIGHTS
    ranking: Ranking = Ranking()

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> list[Text]:
        return self._get_relevant_documents(input)

    async def ainvoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> list[Text]:
        return self._get_relevant_documents(input)

    def _get_relevant_documents(self, query: str, *, run_manager: object = None) -> list[Text]:
        question = asked(query, self.terms)
        if not question.wanted:
            return []
        candidates = self.store.match(
            self.owner, question.expression, weights=self.weights, limit=CANDIDATES, scope=self.scope, documents=self.documents
        )
        return [_text(question, one) for one in ranked(question, candidates, self.limit, self.ranking)]


class Searcher:
    def __init__(self, store: LibraryStore, terms: Terms) -> None:
        self._store = store
        self._terms = terms

    def search(
        self, owner: str, query: str, *, limit: int = 6, scope: Scope = Scope.ALL, documents: Sequence[str] = ()
    ) -> SearchResult:
        """Passages that the owner may read, in all documents of the scope or in the named ones; none for a question without
        words of content. Takes any text.

        Raises:
            StoreError: the library cannot be read.
        """
        retriever = PassageRetriever(
            store=self._store, terms=self._terms, owner=owner, limit=limit, scope=scope, documents=tuple(documents)
        )
        texts = retriever.invoke(query)
        expansions = self._terms.expand(query)
        others = dict.fromkeys(other for one in expansions for other in one.others)
        return SearchResult(
            tuple(Found(**text.metadata) for text in texts), tuple(one.sentence for one in expansions), tuple(others)
        )


def _text(question: Asked, one: Ranked) -> Text:
    where = marks(question, one.passage.text)
    held = {"passage": one.passage, "score": one.score, "bearing": one.bearing, "marks": where}
    return Text(page_content=one.passage.text, metadata=held)

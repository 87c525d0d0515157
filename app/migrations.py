"""The database's shape, as numbered steps that are only ever appended to. Knows tables, not what they mean."""

from __future__ import annotations

from sqlite_utils import Database, Migrations


def all_migrations() -> Migrations:
    """Every step from a blank file to today's shape, in order. A step that has been released is never edited."""
    steps = Migrations("llamacare")

    @steps(name="0001_conversations")
    def _conversations(db: Database) -> None:
        db.table("visitors").create({"id": int, "token_hash": str, "created": str}, pk="id", not_null={"token_hash", "created"})
        db.table("visitors").create_index(["token_hash"], unique=True)
        db.table("conversations").create(
            {"id": str, "visitor": int, "title": str, "created": str, "updated": str},
            pk="id",
            not_null={"visitor", "title", "created", "updated"},
            foreign_keys=[("visitor", "visitors", "id")],
        )
        db.table("conversations").create_index(["visitor", "updated"])
        db.table("messages").create(
            {
                "id": str,
                "conversation": str,
                "position": int,
                "role": str,
                "text": str,
                "status": str,
                "note": str,
                "model": str,
                "source": str,
                "first_token": float,
                "tokens_per_second": float,
                "tokens": int,
                "context_used": int,
                "created": str,
            },
            pk="id",
            not_null={"conversation", "position", "role", "text", "status", "created"},
            foreign_keys=[("conversation", "conversations", "id")],
        )
        db.table("messages").create_index(["conversation", "position"], unique=True)

    @steps(name="0002_practice")
    def _practice(db: Database) -> None:
        db.table("rounds").create(
            {"id": str, "visitor": int, "number": int, "question_order": str, "started": str},
            pk="id",
            not_null={"visitor", "number", "question_order", "started"},
            foreign_keys=[("visitor", "visitors", "id")],
        )
        db.table("rounds").create_index(["visitor", "number"], unique=True)
        db.table("attempts").create(
            {
                "round": str,
                "question": str,
                "chosen": str,
                "key": str,
                "confidence": str,
                "seconds": float,
                "hints": int,
                "struck": str,
                "created": str,
            },
            pk=("round", "question"),
            not_null={"chosen", "key", "confidence", "seconds", "hints", "struck", "created"},
            foreign_keys=[("round", "rounds", "id")],
        )
        db.table("flags").create(
            {"visitor": int, "question": str}, pk=("visitor", "question"), foreign_keys=[("visitor", "visitors", "id")]
        )

    @steps(name="0003_reasoning")
    def _reasoning(db: Database) -> None:
        db.table("messages").add_column("reasoning", str, not_null_default="")

    return steps

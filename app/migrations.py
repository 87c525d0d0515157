"""The database's shape, as numbered steps that are only ever appended to. Knows tables, not what they mean."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

SESSIONS = (
    """create table sessions (
        id text primary key, visitor integer not null references visitors(id), number integer not null, mode text not null,
        title text not null, state text not null, created text not null, ended text, unique (visitor, number))""",
    """create table session_blocks (
        session text not null references sessions(id), number integer not null, first integer not null, last integer not null,
        seconds real not null, state text not null, deadline text, seconds_left real, primary key (session, number))""",
    """create table session_items (
        session text not null references sessions(id), position integer not null, question text not null,
        block integer not null default 0, chosen text, confidence text not null default 'unsure',
        struck text not null default '[]', highlights text not null default '[]', hints integer not null default 0,
        seconds real not null default 0, touched text, primary key (session, position), unique (session, question))""",
    """create table graded (
        session text not null references sessions(id), question text not null, visitor integer not null references visitors(id),
        position integer not null, chosen text not null, key text not null, confidence text not null, seconds real not null,
        options integer not null default 5, hints integer not null, struck text not null, system text not null default '',
        subject text not null default '', step text not null default '', difficulty text not null default '', miss text,
        model text, model_choice text, model_probability real, model_key_probability real, model_earned integer,
        created text not null, primary key (session, question))""",
    """create table tallies (
        visitor integer not null references visitors(id), dimension text not null, name text not null, n integer not null,
        correct integer not null, seconds real not null, said real not null, error real not null,
        primary key (visitor, dimension, name)) without rowid""",
    """create table question_states (
        visitor integer not null references visitors(id), question text not null, attempts integer not null,
        last_correct integer not null, last_sure integer not null, disagreed integer not null, state integer not null,
        step integer, stability real not null, difficulty real not null, due text not null, last_review text not null,
        primary key (visitor, question)) without rowid""",
    """create table notes (
        visitor integer not null references visitors(id), question text not null, text text not null, updated text not null,
        primary key (visitor, question))""",
    """create table tutor_messages (
        id text primary key, session text not null, position integer not null, place integer not null, role text not null,
        text text not null, status text not null, note text not null, model text not null, created text not null,
        unique (session, position, place), foreign key (session, position) references session_items(session, position))""",
    """insert into sessions (id, visitor, number, mode, title, state, created)
        select id, visitor, number, 'tutor', 'All topics',
            case when number = (select max(number) from rounds r where r.visitor = rounds.visitor) then 'open' else 'ended' end,
            started from rounds""",
    "update sessions set ended = created where state = 'ended'",
    """insert or ignore into session_items (session, position, question)
        select rounds.id, place.key + 1, place.value from rounds, json_each(rounds.question_order) as place""",
    """insert or ignore into session_items (session, position, question)
        select round, 100000 + rowid, question from attempts""",
    """insert into graded (session, question, visitor, position, chosen, key, confidence, seconds, hints, struck, created)
        select a.round, a.question, s.visitor, i.position, a.chosen, a.key, a.confidence, a.seconds, a.hints, a.struck, a.created
        from attempts a join sessions s on s.id = a.round
        join session_items i on i.session = a.round and i.question = a.question""",
    "drop table attempts",
    "drop table rounds",
    "alter table graded rename to attempts",
    "create index attempts_of on attempts (visitor, created)",
    "create index attempts_at on attempts (visitor, question)",
    "create index attempts_in on attempts (session, position)",
    "create index attempts_disputed on attempts (visitor, created) where model_earned = 1",
)
OWN_QUESTIONS = (
    """create table own_batches (
        id text primary key, visitor integer not null references visitors(id), file text not null, created text not null)""",
    "create index own_batches_of on own_batches (visitor, created)",
    """create table own_questions (
        number integer primary key, visitor integer not null references visitors(id),
        batch text not null references own_batches(id), id text not null, stem text not null, key text not null,
        system text not null, subject text not null, step text not null, difficulty text not null, rest text not null,
        unique (visitor, id))""",
    "create index own_questions_of on own_questions (batch)",
    # holds all that a list of topics needs, so that the long texts are not read for it
    "create index own_topics on own_questions (visitor, number, id, system, subject, step, difficulty)",
)

LIBRARY = (
    "create table owners (number integer primary key autoincrement, owner text not null unique, last integer not null default 0)",
    "insert into owners (number, owner) values (0, '')",
    """create table documents (
        id text primary key, owner integer not null references owners(number), title text not null, kind text not null,
        file text not null, digest text not null, key text not null, date text not null, licence text not null,
        source text not null, added text not null, pages integer, characters integer not null, passages integer not null,
        sample integer not null, unique (owner, key))""",
    "create index documents_same on documents (owner, digest)",
    """create table passages (
        id integer primary key, document text not null references documents(id), place integer not null, section text not null,
        page integer, start integer not null, end integer not null, title text not null, text text not null,
        unique (document, place))""",
    """create virtual table passages_fts using fts5(
        title, section, text, content = 'passages', content_rowid = 'id', tokenize = "porter unicode61 remove_diacritics 2")""",
    """create trigger passages_added after insert on passages begin
        insert into passages_fts (rowid, title, section, text) values (new.id, new.title, new.section, new.text);
    end""",
    """create trigger passages_removed after delete on passages begin
        insert into passages_fts (passages_fts, rowid, title, section, text)
            values ('delete', old.id, old.title, old.section, old.text);
    end""",
    "create table notes (name text primary key, value text not null)",
)

GROUNDS = (
    "alter table messages add column grounds text not null default ''",
    """create table quotations (
        message text not null references messages(id) on delete cascade, document text not null,
        primary key (message, document)) without rowid""",
    "create index quotations_of on quotations (document)",
)

REPORTS = (
    """create table reports (
        id integer primary key autoincrement, visitor integer not null references visitors(id), subject text not null,
        created text not null, kinds text not null, text text not null, question text not null, answer text not null,
        draft text not null, model text not null, file text not null, digest text not null, prompt text not null,
        passages text not null, erased integer not null, unique (visitor, subject))""",
    "create index reports_of on reports (visitor, created)",
    """create table report_documents (
        report integer not null references reports(id) on delete cascade, document text not null,
        primary key (report, document)) without rowid""",
    "create index report_documents_of on report_documents (document)",
)


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

    @steps(name="0004_sessions")
    def _sessions(db: Database) -> None:
        """A round becomes a session in tutor mode; its attempts stay. What attempts add up to is made when they are next used."""
        for statement in SESSIONS:
            db.conn.execute(statement)

    @steps(name="0005_own_questions")
    def _own_questions(db: Database) -> None:
        for statement in OWN_QUESTIONS:
            db.conn.execute(statement)

    @steps(name="0006_grounds")
    def _grounds(db: Database) -> None:
        for statement in GROUNDS:
            db.conn.execute(statement)

    @steps(name="0007_reports")
    def _reports(db: Database) -> None:
        for statement in REPORTS:
            db.conn.execute(statement)

    return steps


def library_migrations() -> Migrations:
    """As ``all_migrations``, for the file that holds documents and their passages."""
    steps = Migrations("llamacare library")

    @steps(name="0001_library")
    def _library(db: Database) -> None:
        """A passage's id holds its owner: ``owners.number`` in the upper half, a count that is never given twice in the lower."""
        for statement in LIBRARY:
            db.conn.execute(statement)

    @steps(name="0002_nobody")
    def _nobody(db: Database) -> None:
        """Owners of what is arriving and of what is gone, which no visitor can be: a visitor's name has 64 characters."""
        db.conn.execute("insert into owners (number, owner) values (-3, 'arriving'), (-2, 'gone')")

    return steps

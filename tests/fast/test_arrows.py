"""The house of DESIGN.md, read off the source: which module may import which, and where each library lives."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENTRY = "app.py"

# From the ground up. A part imports only what lies below its own level; parts of one level never import each other.
# `engine`, `library` and `ui` are packages. Levels finer than DESIGN.md's line, each for one import that is meant:
LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "files"}),
    frozenset({"records"}),
    # where blocks of reasoning begin and end, for prompts and for what the engine writes; files as rows, for what reads them;
    # the rules of sessions, when an item comes back and what answers add up to, for what keeps them
    # the shapes of answers; where sentences end; what an answer stands on, as JSON
    frozenset(
        {
            "thinking",
            "rowfiles",
            "reference",
            "stems",
            "topics",
            "sessions",
            "schedule",
            "tallies",
            "shapes",
            "sentences",
            "grounds",
        }
    ),
    frozenset({"words", "quantities", "citations"}),  # a text's words, its numbers with their units, its references
    frozenset({"roots", "phrases"}),  # what words of one meaning share
    frozenset({"statements"}),  # what a sentence says, for those that compare two
    frozenset({"clauses"}),  # the statements that one sentence joins
    frozenset({"opposition", "narrowing", "attribution"}),  # whether one says otherwise, less, or of something else
    frozenset({"claims", "extract", "lookup"}),  # what carries a sentence; the sentences that answer; by what it is looked up
    frozenset({"short_answers"}),  # the sentences that answer, part by part
    # where public question sets keep what; beside the questions, which alone read them; any bytes as records of a table
    frozenset({"layouts", "tables"}),
    frozenset({"eci", "measure", "questions", "prompts", "settings", "columns"}),
    # fits and applies what eci reads out; a classifier of options, beside the measures; sets to measure on
    frozenset({"calibration", "baseline", "labelled"}),
    frozenset({"imports"}),  # uploads as questions
    frozenset({"exports"}),  # questions as files, in the forms that `imports` reads again
    frozenset({"migrations"}),  # beside the database, which alone runs them
    frozenset({"database"}),  # one file, for every store
    frozenset({"engine", "store", "practice_store", "library_read_store", "report_store"}),
    frozenset(
        {"library_store", "quotations"}
    ),  # writes what the other reads, and reads it too; what both stores quote of documents
    # a visitor's own questions; what a backup may hold; documents as passages, and search
    frozenset({"own_store", "backup", "library"}),
    frozenset({"bases", "probes"}),  # between finetune and quantize: which model was trained, and what a model computes
    frozenset({"readings"}),  # what is asked of an engine to read a question
    frozenset({"earned", "score_journal"}),  # what was fitted and judged on readings; readings on disk
    frozenset({"measure_sets", "readout"}),  # makes what `earned` keeps; reads a question with what counts of it
    # measuring for the page; yes, no or maybe over a text, and whether a passage carries a claim
    frozenset({"measuring", "evidence", "judging"}),
    frozenset({"measure_command"}),  # measuring as a command, which `models` offers
    frozenset({"catalogue", "download", "gguf_header"}),  # models that are known, fetched, looked into, before any is opened
    frozenset({"models"}),  # answers with the engine's own record of a model to start
    # what questions are worth; what sums of answers say; what an answer stands on
    frozenset({"bank", "results", "grounding"}),
    # of all that the other stores keep of a visitor; the questions that one can practise
    frozenset({"backup_store", "deck"}),
    frozenset({"turns"}),  # one answer, from the question to what is kept
    frozenset({"chat", "quiz", "lastrun", "reporting", "reports"}),
    frozenset({"review", "tutor"}),  # what was answered in the quiz; a chat about one of its items
    frozenset({"shelf"}),  # all that is known of the models at hand, for their page
    frozenset({"ui"}),
    frozenset({"shell"}),  # the guards find the visitor's token where `ui.visitors` says that it stands
    frozenset({"doors"}),  # Gradio's own guards, built of the shell's
    frozenset({"web"}),
    frozenset({ENTRY}),
)

# Every library that is not Python's own, and where it may be imported. sqlite3 is Python's own and still has one home.
HOMES: dict[str, frozenset[str]] = {
    "llama_cpp": frozenset({"engine"}),
    "gradio": frozenset({"ui", "web"}),  # web mounts what ui builds
    "sqlite_utils": frozenset({"database", "migrations"}),
    "sqlite3": frozenset({"database", "topics", "exports"}),  # topics searches in memory, exports writes Anki's tables there
    "jinja2": frozenset({"prompts"}),
    "numpy": frozenset({"eci", "calibration", "measure", "engine", "readings", "score_journal", "probes", "baseline"}),
    "markdown_it": frozenset({"ui"}),
    "genanki": frozenset({"exports"}),
    "fsrs": frozenset({"schedule"}),
    "langchain_core": frozenset({"library"}),
    "langchain_text_splitters": frozenset({"library"}),
    "pypdfium2": frozenset({"library"}),
    "docx": frozenset({"library"}),
    "bs4": frozenset({"library"}),
    "snowballstemmer": frozenset({"words"}),
    "fastapi": frozenset({"web", "ui"}),
    "pydantic": frozenset({"ui"}),
    "starlette": frozenset({"web", "doors", "shell", "ui"}),
    "anyio": frozenset({"web", "ui"}),
    "uvicorn": frozenset({ENTRY}),
    "httpx": frozenset({"download"}),
}
TRAINING = frozenset({"torch", "transformers", "peft", "finetune", "quantize"})

# What may be called while a module is imported: each only builds a value that nobody can change, or declares a field.
PURE_CALLS = frozenset({"re.compile", "Path", "frozenset", "MappingProxyType", "field", "Field", "Depends", "enumerate"})
STATEMENTS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp)
ENVIRONMENT = frozenset({"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"})


@dataclass(frozen=True)
class Source:
    """One module. ``part`` is its place in LEVELS."""

    path: Path
    module: str
    part: str
    tree: ast.Module

    def at(self, node: ast.AST) -> str:
        return f"{self.path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


@dataclass(frozen=True)
class Arrow:
    target: str
    node: ast.stmt

    @property
    def library(self) -> str:
        return self.target.partition(".")[0]


def read_source(path: Path) -> Source:
    names = path.relative_to(ROOT).with_suffix("").parts
    module = ".".join(names[:-1] if names[-1] == "__init__" else names)
    part = ENTRY if path.name == ENTRY else (names[1] if len(names) > 1 else "")
    return Source(path, module, part, ast.parse(path.read_text(encoding="utf-8")))


SOURCES = tuple(read_source(path) for path in (ROOT / ENTRY, *sorted((ROOT / "app").rglob("*.py"))))
INSIDE = tuple(source for source in SOURCES if source.module != "app" or source.part == ENTRY)  # all but app/__init__.py
each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: str(source.path.relative_to(ROOT)))


def arrows(source: Source) -> Iterator[Arrow]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (Arrow(name.name, node) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source.at(node)}: a relative import; write the whole name"
            assert node.module is not None
            # `from app import chat` names a module, `from app.chat import Chat` a thing in one
            yield from (Arrow(f"{node.module}.{name.name}" if node.module == "app" else node.module, node) for name in node.names)


def level(part: str) -> int:
    found = [height for height, parts in enumerate(LEVELS) if part in parts]
    assert len(found) == 1, f"{part!r} has no level; give it its place in LEVELS, as in DESIGN.md"
    return found[0]


def part_of(target: str) -> str:
    return target.split(".")[1]


def test_every_part_of_the_application_has_its_level_and_every_level_its_parts() -> None:
    assert {source.part for source in INSIDE} == frozenset.union(*LEVELS)


def test_the_package_is_not_hidden_by_the_script_of_its_name() -> None:
    assert (ROOT / "app" / "__init__.py").is_file()


@each_source
def test_imports_point_down(source: Source) -> None:
    if source not in INSIDE:
        assert list(arrows(source)) == []
        return
    upward = [
        f"{source.at(arrow.node)} imports {arrow.target}"
        for arrow in arrows(source)
        if arrow.library == "app" and part_of(arrow.target) != source.part and level(part_of(arrow.target)) >= level(source.part)
    ]
    assert upward == []


def test_migrations_are_run_by_the_database_alone_and_chosen_where_a_file_of_its_own_is_opened() -> None:
    users = {s.part for s in SOURCES for arrow in arrows(s) if arrow.target == "app.migrations"}
    assert users == {"database", "library_store"}


# What training may import of the application (DESIGN.md, The house), with the parts that these were split into.
FINETUNE_USES = frozenset(
    {"errors", "records", "rowfiles", "layouts", "questions", "prompts", "eci", "calibration", "measure", "engine"}
    | {"readings", "earned", "files", "bases", "probes", "gguf_header"}
)
FINETUNE_HOMES = {
    "peft": {"base"},
    "bitsandbytes": {"base"},
    "codecarbon": {"energy"},
    "accelerate": {"loop", "run"},
    "matplotlib": {"plots", "progress"},
    "yaml": {"config"},
    "llama_cpp": set(),
    "gradio": set(),
}
FINETUNE = tuple(read_source(path) for path in sorted((ROOT / "finetune").glob("*.py")))
# What makes a file of what was trained stands on the same.
QUANTIZE_USES = FINETUNE_USES
QUANTIZE_HOMES = {
    "torch": {"merge", "weights"},  # in processes of their own: everything else runs without
    "transformers": {"weights"},
    "bitsandbytes": {"merge"},
    "llama_cpp": {"native"},
    "matplotlib": {"pictures"},
    "gguf": {"tensor_table"},
    "peft": set(),
    "gradio": set(),
}
QUANTIZE = tuple(read_source(path) for path in sorted((ROOT / "quantize").glob("*.py")))


@pytest.mark.parametrize("source", QUANTIZE, ids=lambda source: source.part)
def test_quantising_never_imports_training(source: Source) -> None:
    name = source.path.stem
    for arrow in arrows(source):
        if arrow.library == "app":
            assert part_of(arrow.target) in QUANTIZE_USES, f"{source.at(arrow.node)} imports {arrow.target}"
        assert arrow.library != "finetune", source.at(arrow.node)
        assert name in QUANTIZE_HOMES.get(arrow.library, {name}), f"{source.at(arrow.node)} imports {arrow.library}"


@pytest.mark.parametrize("source", FINETUNE, ids=lambda source: source.part)
def test_training_uses_only_the_lower_parts_of_the_application(source: Source) -> None:
    name = source.path.stem
    for arrow in arrows(source):
        if arrow.library == "app":
            assert part_of(arrow.target) in FINETUNE_USES, f"{source.at(arrow.node)} imports {arrow.target}"
        assert arrow.library != "quantize", source.at(arrow.node)
        assert name in FINETUNE_HOMES.get(arrow.library, {name}), f"{source.at(arrow.node)} imports {arrow.library}"


@pytest.mark.parametrize("package", ["app.engine", "app.ui", "app.library"])
def test_no_circle_within_a_package(package: str) -> None:
    below = {
        source.module: {arrow.target for arrow in arrows(source) if arrow.target.startswith(f"{package}.")}
        for source in SOURCES
        if source.module.startswith(f"{package}.")
    }
    while leaves := [module for module, targets in below.items() if not targets & below.keys()]:
        for leaf in leaves:
            del below[leaf]
    assert below == {}


@each_source
def test_every_library_stays_in_its_home(source: Source) -> None:
    strays = [
        f"{source.at(arrow.node)} imports {arrow.target}"
        for arrow in arrows(source)
        if arrow.library != "app"
        and (arrow.library in HOMES or arrow.library not in sys.stdlib_module_names)
        and source.part not in HOMES.get(arrow.library, ())
    ]
    assert strays == []


def test_every_home_is_lived_in() -> None:
    seen = {(arrow.library, source.part) for source in SOURCES for arrow in arrows(source)}
    assert [(library, part) for library, parts in HOMES.items() for part in parts if (library, part) not in seen] == []


def test_the_application_names_nothing_of_training() -> None:
    assert [source.at(arrow.node) for source in SOURCES for arrow in arrows(source) if arrow.library in TRAINING] == []


def test_the_web_application_loads_neither_llama_cpp_nor_training() -> None:
    """In a process of its own: what the whole application imports, at any depth, through any library."""
    unwanted = sorted(TRAINING | {"llama_cpp"})
    script = f"import sys, app.web, app.models, app.engine.local; print([m for m in {unwanted} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


@each_source
def test_imports_stand_at_the_head_of_the_file(source: Source) -> None:
    """An import in a function hides a knot; a star hides what is used."""
    head = {id(node) for node in source.tree.body}
    assert [source.at(arrow.node) for arrow in arrows(source) if id(arrow.node) not in head] == []
    stars = [n for n in ast.walk(source.tree) if isinstance(n, ast.ImportFrom) and any(name.name == "*" for name in n.names)]
    assert [source.at(node) for node in stars] == []
    hidden = [n for n in ast.walk(source.tree) if isinstance(n, ast.Call) and _last(n.func) in ("import_module", "__import__")]
    assert [source.at(node) for node in hidden] == []


@each_source
def test_nothing_is_kept_in_globals(source: Source) -> None:
    assert [source.at(node) for node in ast.walk(source.tree) if isinstance(node, ast.Global)] == []


@each_source
def test_importing_a_module_does_nothing(source: Source) -> None:
    """At module level stand imports, definitions and constants, and no call but those that only build a constant."""
    for node in source.tree.body:
        fine = isinstance(node, STATEMENTS) or _is_docstring(node) or _is_main_guard(node)
        assert fine, f"{source.at(node)}: a statement that runs on import"
    pure = PURE_CALLS | FROZEN
    calls = [node for value in _constants(source.tree) for node in _run_at_once(value) if isinstance(node, ast.Call)]
    running = [f"{source.at(call)} calls {_dotted(call.func)}" for call in calls if _dotted(call.func) not in pure]
    assert running == []


@each_source
def test_no_module_or_class_holds_state_that_can_change(source: Source) -> None:
    shared = [source.at(value) for value in _constants(source.tree) if any(isinstance(n, DISPLAYS) for n in _bare(value))]
    assert shared == []


@each_source
def test_the_environment_is_read_at_the_start_alone(source: Source) -> None:
    """app.py and a command's last line pass it in; settings names what is read of it; the engine's own process may set one."""
    if source.part in (ENTRY, "settings"):
        return
    allowed = {id(node) for statement in source.tree.body if _is_main_guard(statement) for node in ast.walk(statement)}
    allowed |= {
        id(target.value)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assign) and source.module == "app.engine.child"
        for target in node.targets
        if isinstance(target, ast.Subscript)
    }
    touched = [
        n for n in ast.walk(source.tree) if isinstance(n, ast.Attribute) and _dotted(n) in {f"os.{e}" for e in ENVIRONMENT}
    ]
    assert [source.at(node) for node in touched if id(node) not in allowed] == []
    named = [n for n in ast.walk(source.tree) if isinstance(n, ast.ImportFrom) and n.module == "os"]
    assert [source.at(node) for node in named if {name.name for name in node.names} & ENVIRONMENT] == []
    homes = [n for n in ast.walk(source.tree) if isinstance(n, ast.Attribute) and n.attr in ("home", "expanduser")]
    assert [source.at(node) for node in homes] == [], "the home folder is read from the environment too"


def _frozen_dataclasses() -> frozenset[str]:
    classes = [n for source in SOURCES for n in ast.walk(source.tree) if isinstance(n, ast.ClassDef)]
    return frozenset(node.name for node in classes if any("frozen=True" in ast.unparse(mark) for mark in node.decorator_list))


FROZEN = _frozen_dataclasses()


def _constants(node: ast.Module | ast.ClassDef) -> Iterator[ast.expr]:
    """The values that a module's and its classes' bodies assign, all built while the module is imported."""
    for statement in node.body:
        if isinstance(statement, ast.ClassDef):
            yield from _constants(statement)
        elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            yield statement.value


def _run_at_once(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all in it but the bodies of lambdas, which run when they are called."""
    if not isinstance(node, ast.Lambda):
        yield node
        for child in ast.iter_child_nodes(node):
            yield from _run_at_once(child)


def _bare(node: ast.expr) -> Iterator[ast.AST]:
    """The node and what it holds, but neither a call's arguments nor a subscript's brackets, which are types here."""
    yield node
    if not isinstance(node, ast.Call | ast.Subscript):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield from _bare(child)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def _dotted(node: ast.expr) -> str:
    return ast.unparse(node)


def _last(node: ast.expr) -> str:
    return _dotted(node).rpartition(".")[2]

"""One round after another: each scene is played by every peer that can, in an order that turns with the rounds.

Figures of one round come from one slice of the work, the same for all peers; the next round has another.
"""

from __future__ import annotations

import itertools
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from app.records import Question
from tests.benchmarks.client import Client, PeerFailed
from tests.benchmarks.figures import percentile
from tests.benchmarks.prompts import Rendered, shared_length
from tests.benchmarks.sizes import Record, Sizes
from tests.benchmarks.work import Encoder, Supply, numbered, orders

MEBIBYTE = 1 << 20
ONCE = ("soak", "seeds")  # a model


class Bench:
    """One model's peers, its work and its record."""

    def __init__(
        self, clients: Mapping[str, Client], supply: Supply, encoder: Encoder, sizes: Sizes, log: Callable[[str], None]
    ) -> None:
        self.record = Record(facts={name: client.facts for name, client in clients.items()})
        self._clients = clients
        self._supply = supply
        self._encoder = encoder
        self._sizes = sizes
        self._log = log
        self._lasting: list[Rendered] = []
        self._round = 0

    def run(self, scenes: Sequence[str], rounds: int) -> None:
        for number in range(1, rounds + 1):
            self._round = number
            for scene in scenes:
                if scene in ONCE and self._round > 1:
                    continue
                begun = time.monotonic()
                SCENES[scene](self)
                self.record.seconds[scene] = self.record.seconds.get(scene, 0.0) + time.monotonic() - begun

    # Chats

    def chat(self) -> None:
        """8 users at once."""
        prompts = self._chats(self._sizes.users)
        for peer in self._turn("ours", "locked", "server", "native", "torch", "raw"):
            if self._round > self._sizes.rounds_of.get(peer, self._round):
                continue
            result = self._ask("chat", peer, "users", prompts=_frames(prompts), tokens=self._sizes.answer)
            if result:
                self._count(peer, result["users"], self._sizes.answer)
                self._add("chat", peer, "speed", sum(user["tokens"] for user in result["users"]) / result["wall"])
                self._add("chat", peer, "first", percentile([_first(user) for user in result["users"]], 0.95))

    def single(self) -> None:
        """One user: decoding alone."""
        prompts = self._chats(1)
        for peer in self._turn("ours", "locked", "native", "raw"):
            result = self._ask("single", peer, "users", prompts=_frames(prompts), tokens=self._sizes.answer)
            if result:
                self._count(peer, result["users"], self._sizes.answer)
                self._add("single", peer, "decode", _decode_rate(result["users"][0]))

    def turns(self) -> None:
        """An early and a late turn of a conversation, each asked while another conversation's answer is being written."""
        histories = [self._history(max(self._sizes.turns)) for _ in range(2)]
        for peer in self._turn("ours", "locked", "native"):
            if peer != "ours" and self._round > 1:
                continue  # half a minute each time, without a target
            for name, turn in zip(("early", "late"), self._sizes.turns, strict=True):
                before = [self._conversation(history, turn - 1) for history in histories]
                replies = []
                for prompt in before:
                    result = self._ask("turns", peer, "users", prompts=[prompt.frame()], tokens=self._sizes.reply)
                    replies.append(result["users"][0]["text"] if result else "")
                now, other = [self._conversation(history, turn, reply) for history, reply in zip(histories, replies, strict=True)]
                result = self._beside("turns", peer, other, now, self._sizes.reply * 2, after=4)
                if result:
                    self._add("turns", peer, name, _first(result["reader"]))

    def intrusion(self) -> None:
        """A long prompt arrives while a stream runs."""
        stream, long = self._chats(1)[0], self._supply.long(self._sizes.long)
        after = self._sizes.intruded // 4
        for peer in self._turn("ours", "native"):
            if peer != "ours" and self._round > 1:
                continue  # without a target
            result = self._beside("intrusion", peer, stream, long, self._sizes.intruded, after=after)
            if result:
                times = result["background"]["times"]
                gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
                self._add("intrusion", peer, "usual", statistics.median(gaps[: after - 1]))
                self._add("intrusion", peer, "longest", max(gaps))

    def busy(self) -> None:
        """Decoding with all cores, then with one of them kept busy by another process. The prompt is read already."""
        prompts = _frames(self._chats(1))
        for peer in self._turn("ours", "locked"):
            idle = self._ask("busy", peer, "users", prompts=prompts, tokens=self._sizes.busy)
            with neighbour():
                busy = self._ask("busy", peer, "users", prompts=prompts, tokens=self._sizes.busy)
            if idle and busy:
                self._add("busy", peer, "idle", _decode_rate(idle["users"][0]))
                self._add("busy", peer, "busy", _decode_rate(busy["users"][0]))

    def cancel(self) -> None:
        """A stream is closed while its prompt is read: what that costs whoever comes next."""
        long = [self._supply.long(self._sizes.long) for _ in range(self._sizes.cancels)]
        tiny = [self._supply.tiny() for _ in range(1 + 2 * self._sizes.cancels)]
        result = self._ask("cancel", "ours", "cancel", long=_frames(long), tiny=_frames(tiny))
        if not result:
            return
        batch = self._ask("cancel", "raw", "batch_time", prompt=long[0].frame(), tokens=result["batch"])
        if batch:
            self._add("cancel", "ours", "extra", result["extra"] * 1000)
            self._add("cancel", "raw", "batch", batch["wall"] * 1000)

    def soak(self) -> None:
        """Many short chats, some cancelled, some in tabs that are closed."""
        sizes = self._sizes
        chats = []
        names = random.Random(sizes.soak_chats)
        for _ in range(sizes.soak_chats):
            nonce = f"{names.randrange(10**7, 10**8)}"
            prompt = self._encoder.turns([("user", f"The code is {nonce}. Repeat the code.")])
            chats.append({"prompt": prompt.frame(), "nonce": nonce})
        result = self._ask("soak", "ours", "soak", chats=chats, users=sizes.soak_users, tokens=sizes.soak_answer, seed=1)
        if not result:
            return
        self._add("soak", "ours", "faults", len(result["errors"]) + result["lost"] + result["mixed"])
        self._add("soak", "ours", "allowed", 0.0)
        memory = [size / MEBIBYTE for size in result["memory"]]
        self._add("soak", "ours", "memory_begin", memory[0])
        self._add("soak", "ours", "memory_end", memory[-1])
        endings = ", ".join(f"{name} {count}" for name, count in sorted(result["endings"].items()))
        self._note(
            f"Soak: {result['chats']} chats by {sizes.soak_users} users in {result['wall']:.0f} s; {endings}; "
            f"{len(result['errors'])} errors, {result['lost']} lost, {result['mixed']} with another's code "
            f"({result['own']} repeated their own); memory after a tenth, half and all of them "
            f"{', '.join(f'{size:.0f}' for size in memory)} MiB."
        )
        for error in result["errors"][:3]:
            self._note(f"Soak, an error: {error}")

    def seeds(self) -> None:
        """The same seeds alone, alone again, and beside each other: how far llama.cpp's kernels let the texts be the same."""
        prompts = self._chats(self._sizes.users)
        result = self._ask("seeds", "ours", "seeded", prompts=_frames(prompts), tokens=self._sizes.seeded)
        if result:
            self._note(
                f"Seeds: of {len(prompts)} sampled answers of {self._sizes.seeded} tokens, {result['again']} were the same when "
                f"asked for again alone and {result['beside']} beside each other; the first words that were the same, median: "
                f"{result['again_words']:.0f} and {result['beside_words']:.0f}."
            )

    # Exam questions

    def exam(self) -> None:
        """The same questions by ECI, by generation, by likelihood, by grammar, and read by R."""
        questions = self._supply.questions(self._sizes.questions)
        prompts = [self._encoder.question(question) for question in questions]
        frames, letters = _frames(prompts), ["".join(question.options) for question in questions]
        ids = [[self._encoder.label_ids[letter] for letter in row] for row in letters]
        asked: dict[str, tuple[str, str, dict[str, Any]]] = {
            "ours": ("ours", "scores", {"letters": letters}),
            "exactly": ("locked", "generate_exactly", {"tokens": self._sizes.generated}),
            "until_end": ("locked", "generate_until_end", {"tokens": self._sizes.generated}),
            "likelihoods": ("locked", "likelihoods", {"labels": ids}),
            "letters": ("native", "letters", {"letters": letters}),
            "prompt": ("raw", "prompt_speed", {}),
        }
        total, shared = sum(len(prompt.ids) for prompt in prompts), shared_length(prompts)
        for way in self._turned(list(asked)):
            peer, op, values = asked[way]
            result = self._ask("exam", peer, op, prompts=frames, **values)
            if not result:
                continue
            if way == "ours":
                self._add("exam", peer, "rate", len(questions) / result["wall"])
                self._add("exam", peer, "fresh", (total - shared * len(questions)) / result["wall"])
            elif way == "prompt":
                self._add("exam", peer, way, result["rate"])
            else:
                self._add("exam", peer, way, len(questions) / result["wall"])

    def careful(self) -> None:
        """All cyclic orders against one. The stems begin differently, so that neither profits from the other."""
        chosen = self._supply.questions(self._sizes.careful)
        fast = [numbered(question, 200 + self._round) for question in chosen]
        turned = [order for question in chosen for order in orders(numbered(question, 100 + self._round))]
        for name, questions in self._turned([("fast", fast), ("careful", turned)]):
            wall = self._score("careful", [self._encoder.question(question) for question in questions], questions)
            if wall:
                self._add("careful", "ours", name, wall / len(fast))

    def shots(self) -> None:
        """Solved questions before each question, the same for all of them; then others for each."""
        shared, each = self._sizes.shots
        examples = self._supply.questions(self._sizes.examples)
        questions = self._supply.questions(shared + each)
        same = [self._encoder.question_after(examples, question) for question in questions[:shared]]
        other = [
            self._encoder.question_after([numbered(examples[0], 100 * self._round + number), *examples[1:]], question)
            for number, question in enumerate(questions[shared:], start=1)
        ]
        parts = [("shared", same, questions[:shared]), ("each", other, questions[shared:])]
        for name, prompts, asked in self._turned(parts):
            wall = self._score("shots", prompts, asked)
            if wall:
                self._add("shots", "ours", name, len(asked) / wall)

    # What the scenes are made of

    def _score(self, scene: str, prompts: Sequence[Rendered], questions: Sequence[Question]) -> float:
        letters = ["".join(question.options) for question in questions]
        result = self._ask(scene, "ours", "scores", prompts=_frames(prompts), letters=letters)
        return float(result["wall"]) if result else 0.0

    def _beside(self, scene: str, peer: str, background: Rendered, prompt: Rendered, tokens: int, *, after: int) -> Any:
        return self._ask(
            scene,
            peer,
            "beside",
            background=background.frame(),
            prompt=prompt.frame(),
            background_tokens=tokens,
            tokens=1,
            after=after,
        )

    def _history(self, turns: int) -> list[tuple[str, str]]:
        """(user, assistant) texts of a conversation."""
        return [(f"{self._supply.sentence(18)}?", self._supply.sentence(16)) for _ in range(turns)]

    def _conversation(self, history: Sequence[tuple[str, str]], turn: int, last_reply: str = "") -> Rendered:
        """The prompt of turn ``turn``, from 1; ``last_reply`` stands for the reply of the turn before it."""
        turns: list[tuple[str, str]] = []
        for place, (user, assistant) in enumerate(history[:turn], start=1):
            turns.append(("user", user))
            if place < turn:
                turns.append(("assistant", last_reply if last_reply and place == turn - 1 else assistant))
        return self._encoder.turns(turns)

    def _chats(self, count: int) -> list[Rendered]:
        """Prompts whose greedy answers reach the full length by themselves, so that nobody's end shortens the work."""
        while len(self._lasting) < count:
            candidates = [self._supply.chat(self._sizes.prompt) for _ in range(self._sizes.users)]
            if "raw" not in self._clients:
                self._lasting += candidates
                continue
            lasting, _ = self._clients["raw"].ask("lasting", prompts=_frames(candidates), tokens=self._sizes.answer)
            self._lasting += [prompt for prompt, lasts in zip(candidates, lasting, strict=True) if lasts]
        chosen, self._lasting = self._lasting[:count], self._lasting[count:]
        return chosen

    def _turn(self, *peers: str) -> list[str]:
        return self._turned([peer for peer in peers if peer in self._clients])

    def _turned(self, ways: list[Any]) -> list[Any]:
        """Begins with another one each round."""
        start = (self._round - 1) % max(1, len(ways))
        return ways[start:] + ways[:start]

    def _ask(self, scene: str, peer: str, op: str, **values: Any) -> Any:
        """The peer's result, None when it is not there or failed; that is noted."""
        if peer not in self._clients:
            return None
        try:
            result, usage = self._clients[peer].ask(op, **values)
        except PeerFailed as error:
            self._note(f"Round {self._round}, {scene}: {error}")
            return None
        self.record.others.append(usage.others)
        self._log(
            f"round {self._round} {scene:<9} {peer:<6} {op:<18} {usage.wall:7.2f} s, cores: peer {usage.peer:.2f}, "
            f"others {usage.others:.2f}"
        )
        return result

    def _count(self, peer: str, readers: Sequence[Mapping[str, Any]], asked: int) -> None:
        written = self.record.written.setdefault(peer, [0, 0])
        written[0] += sum(reader["tokens"] for reader in readers)
        written[1] += asked * len(readers)

    def _add(self, scene: str, peer: str, what: str, value: float) -> None:
        self.record.samples.setdefault(f"{scene}/{peer}/{what}", []).append(value)
        self._log(f"round {self._round} {scene:<9} {peer:<6} {what} = {value:.4g}")

    def _note(self, sentence: str) -> None:
        self.record.notes.append(sentence)
        self._log(sentence)


@contextmanager
def neighbour() -> Iterator[None]:
    """A process that keeps one core busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.3)
        yield
    finally:
        process.kill()
        process.wait()


def _frames(prompts: Sequence[Rendered]) -> list[dict[str, Any]]:
    return [prompt.frame() for prompt in prompts]


def _first(reader: Mapping[str, Any]) -> float:
    """Seconds from the request to the first piece."""
    return float(reader["times"][0] - reader["start"])


def _decode_rate(reader: Mapping[str, Any]) -> float:
    times = reader["times"]
    return float((reader["tokens"] - 1) / (times[-1] - times[0]))


SCENES: dict[str, Callable[[Bench], None]] = {
    "chat": Bench.chat,
    "single": Bench.single,
    "turns": Bench.turns,
    "exam": Bench.exam,
    "careful": Bench.careful,
    "shots": Bench.shots,
    "intrusion": Bench.intrusion,
    "busy": Bench.busy,
    "cancel": Bench.cancel,
    "seeds": Bench.seeds,
    "soak": Bench.soak,
}

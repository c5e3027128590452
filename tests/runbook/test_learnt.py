"""Types are learnt once, whichever of many threads comes first."""

from __future__ import annotations

import threading

import msgspec

from runbook.learnt import learnt


def test_many_threads_may_need_a_new_type_at_once() -> None:
    for _ in range(50):
        kind = msgspec.defstruct("Fresh", [(f"field_{n}", dict[str, list[int]], {}) for n in range(30)])
        answers: list[object] = []
        gate = threading.Barrier(8)

        def decode(kind: type = kind, gate: threading.Barrier = gate, answers: list[object] = answers) -> None:
            gate.wait()
            answers.append(msgspec.convert({"field_0": {"a": [1]}}, learnt(kind)))

        threads = [threading.Thread(target=decode) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == 8


def test_it_is_the_same_type() -> None:
    assert learnt(int) is int

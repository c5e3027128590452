"""The order of those who wait, on invented queues: long ones, ones where everybody waits for all, rings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import pytest

from runbook.targets.postgres.locking import Node, Queue, _tree
from tests.checks.fakes import session


def tree(waits_for: Mapping[Node, Sequence[Node]], root: Node = 0) -> list[tuple[int, int]]:
    """Depth and pid of all behind the root."""
    blocks: dict[Node, list[Node]] = defaultdict(list)
    for node, aheads in waits_for.items():
        for ahead in aheads:
            blocks[ahead].append(node)
    pids = {*waits_for, *blocks}
    known = {pid: session(int(pid), application=f"a{int(pid):06}") for pid in pids}
    found = _tree(root, Queue(known, waits_for, blocks, {}, {}))
    return [(waiter.depth, waiter.session.pid) for waiter in found]


@pytest.mark.parametrize(
    ("waits_for", "expected"),
    [
        pytest.param({1: [0], 2: [0]}, [(1, 1), (1, 2)], id="side by side"),
        pytest.param({1: [0], 2: [1], 3: [0]}, [(1, 1), (2, 2), (1, 3)], id="one behind another"),
        pytest.param({1: [0], 2: [0, 1]}, [(1, 1), (2, 2)], id="behind the last of both"),
        pytest.param({1: [0], 2: [0], 3: [1, 2]}, [(1, 1), (2, 3), (1, 2)], id="once, though behind two"),
        pytest.param({1: [0, 9], 2: [1]}, [(1, 1), (2, 2)], id="another root as well"),
        pytest.param({1: [0, 2], 2: [1]}, [(1, 1), (2, 2)], id="a ring"),
        pytest.param({1: [0, 3], 2: [1], 3: [2], 4: [3]}, [(1, 1), (2, 2), (3, 3), (4, 4)], id="a ring with a tail"),
    ],
)
def test_order(waits_for: dict[Node, list[Node]], expected: list[tuple[int, int]]) -> None:
    assert tree(waits_for) == expected


def test_a_storm_in_which_everybody_waits_for_all_before_him() -> None:
    assert tree({pid: list(range(pid)) for pid in range(1, 300)}) == [(pid, pid) for pid in range(1, 300)]


def test_a_queue_longer_than_the_stack() -> None:
    assert len(tree({pid: [pid - 1] for pid in range(1, 3000)})) == 2999

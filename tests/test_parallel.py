"""A function over many items in threads."""

import subprocess
import sys
import threading
import time

import pytest

from yolo_attn.parallel import no_progress, parallel_map


def test_results_come_in_the_order_of_the_items_however_long_each_takes():
    def slow_first(item):
        time.sleep(0.05 * (item == 0))
        return item * 10

    assert parallel_map(slow_first, range(20), no_progress, "title") == list(range(0, 200, 10))


def test_no_items_give_no_results():
    assert parallel_map(str, [], no_progress, "title") == []


def test_items_run_at_the_same_time(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    together = threading.Barrier(2)
    assert len(parallel_map(lambda _: together.wait(30), [1, 2], no_progress, "title")) == 2


def test_the_first_error_is_raised_and_what_has_not_started_never_does(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    started = []

    def work(item):
        started.append(item)
        if item == 0:
            raise ValueError("item 0")
        time.sleep(0.02)

    with pytest.raises(ValueError, match="item 0"):
        parallel_map(work, range(500), no_progress, "title")
    assert len(started) < 100


def test_the_progress_bar_gets_the_title_and_counts_the_items():
    def progress(items, title):
        seen.append((title, len(items)))
        return items

    seen = []
    parallel_map(str, [1, 2, 3], progress, "labels")
    assert seen == [("labels", 3)]


def test_the_progress_bar_is_closed_before_an_error_leaves():
    def progress(items, title):
        try:
            yield from items
        finally:
            closed.append(title)

    closed = []
    try:
        parallel_map(int, ["1", "x"], progress, "labels")
    except ValueError:
        assert closed == ["labels"]
    else:
        raise AssertionError("no error")


def test_it_works_in_a_script_without_a_main_guard_where_nothing_can_be_forked(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, os, sys\n"
        "multiprocessing.set_start_method('spawn')\n"
        "sys.modules['fcntl'] = None\n"
        "for name in {'fork', 'killpg'} & set(dir(os)):\n"
        "    delattr(os, name)\n"
        "from yolo_attn.parallel import no_progress, parallel_map\n"
        "print(parallel_map(abs, [-1, -2], no_progress, ''))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.stdout == "[1, 2]\n", done.stderr

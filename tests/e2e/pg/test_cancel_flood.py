"""Cancel requests with wrong keys by the thousand: the right ones arrive, also from where the flood comes from."""
import multiprocessing
import os
import socket
import struct
import threading
import time

import psycopg
import pytest

import harness

SECONDS_MAX = 120
REQUESTS_MAX = 100_000


def flood(port, ends, sent, is_over):
    """As fast as it goes, bounded in time and number."""
    while not is_over.is_set() and time.monotonic() < ends and sent.value < REQUESTS_MAX:
        try:
            with socket.create_connection(('127.0.0.1', port), timeout=5) as one:
                one.sendall(struct.pack('!IIi', 16, 80877102, 4242) + os.urandom(4))
                one.recv(1)
        except OSError:
            continue
        with sent.get_lock():
            sent.value += 1


@pytest.mark.parametrize('shards', [1, 2])
def test_three_of_three_arrive(own, shards):
    one = own(shards=shards)
    one.start()
    sent, is_over = multiprocessing.Value('i', 0), multiprocessing.Event()
    with one.connect() as a, one.connect() as b, one.connect() as c:
        ends = time.monotonic() + SECONDS_MAX
        flooders = [multiprocessing.Process(target=flood, args=(one.pg_port, ends, sent, is_over)) for _ in range(4)]
        for process in flooders:
            process.start()
        harness.eventually(lambda: sent.value > 500, timeout=60, what='the flood')
        for connection in (a, b, c):
            began = time.monotonic()
            timer = threading.Timer(0.3, connection.cancel)
            timer.start()
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute('SELECT pg_sleep(30)')
            timer.join()
            assert time.monotonic() - began < 20
            assert all(process.is_alive() for process in flooders)
        is_over.set()
        for process in flooders:
            process.join(30)
        assert a.execute('SELECT 1').fetchone() == (1,)
    samples = one.metrics()
    assert sum(value for name, value in samples.items() if name.startswith('ringfence_cancels_unknown_total')) >= sent.value
    assert one.stop() == 0

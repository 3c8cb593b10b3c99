"""Sessions that wait cost their shard nothing that others need."""
import pytest

import harness
import raw
from raw import query

SESSIONS = 300  # More than the small receive buffers of a shard.


@pytest.fixture
def roomy():
    """A server with room for them, and one shard in front of it."""
    directory = harness.work_directory('waiting')
    cluster = harness.Cluster(directory / 'pg', {'max_connections': SESSIONS + 50})
    cluster.start()
    cluster.sql('CREATE DATABASE shop')
    cluster.sql("CREATE ROLE shop_app LOGIN PASSWORD '%s'" % harness.APP_PASSWORD)
    policies = [{'name': 'sleepers', 'roles': ['operator'], 'tags': ['*'], 'level': 'read', 'functions': ['pg_sleep']}]
    one = harness.Appliance(directory / 'rf', cluster, shards=1, policies=policies, log={'level': 'warning', 'format': 'text'})
    one.start()
    yield one
    one.stop()
    cluster.stop()
    harness.remove(directory)


def test_sessions_that_wait_for_an_answer_hold_no_buffer_of_their_shard(roomy):
    user, password = next(iter(harness.USERS.items()))
    clients = []
    try:
        # One after the other: who connects has a time in which to log in.
        for _ in range(SESSIONS):
            clients.append(raw.RawClient(roomy.pg_port, timeout=60))
            clients[-1].log_in(user, password, 'shop')
        # The second Query waits with us until the first, which calls what a policy names, is answered.
        for client in clients:
            client.send(query('SELECT pg_sleep(4)') + query('SELECT 42'))
        with raw.RawClient(roomy.pg_port, timeout=60) as other:
            other.log_in(user, password, 'shop')
            other.send(query('SELECT 7'))
            assert any(kind == b'D' and body.endswith(b'7') for kind, body in other.receive_until(b'Z'))
        for client in clients:
            client.receive_until(b'Z')
            assert any(kind == b'D' and body.endswith(b'42') for kind, body in client.receive_until(b'Z'))
    finally:
        for client in clients:
            client.socket.close()

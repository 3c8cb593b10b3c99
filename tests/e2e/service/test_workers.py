"""Work that other threads do for a shard: of one kind or one user it does not stand in front of another's."""
import contextlib
import select

import harness
import raw

PASSWORD = 'workers-test'
SESSIONS = 40
# About half a second of analysis.
LARGE = 'SELECT 1 WHERE 1 IN (%s)' % ', '.join(str(number) for number in range(60_000))


def answered(clients):
    return len(select.select([client.socket for client in clients], [], [], 0)[0])


def test_large_statements_of_one_user_keep_no_login_and_no_sync_waiting(own, app):
    one = own(
        audit={'durability': 'disk'},
        users=[{'name': name, 'password': PASSWORD, 'roles': [name]} for name in ('reader', 'other', 'writer')],
        policies=[{'name': 'readers', 'roles': ['reader', 'other'], 'tags': ['e2e']},
                  {'name': 'writers', 'roles': ['writer'], 'tags': ['e2e'], 'level': 'admin'}]).start()
    with contextlib.ExitStack() as open_ones:
        clients = [open_ones.enter_context(raw.RawClient(one.pg_port)) for _ in range(SESSIONS)]
        for client in clients:
            client.log_in('reader', PASSWORD, 'shop')
        before = one.metrics()
        for client in clients:
            client.send(raw.query(LARGE))
        harness.eventually(lambda: one.metrics()['ringfence_statements_analysed_aside_total'] == SESSIONS, 30, 0.02,
                           'all to wait for their analysis')
        # A target that nobody has used yet: the key of its password has to be derived.
        with one.connect(user='writer', password=PASSWORD, database='socket', application_name=app) as connection:
            assert connection.execute('SELECT 1').fetchone() == (1,)
        after = one.metrics()
        assert answered(clients) < SESSIONS / 2
        assert after['ringfence_trail_syncs_total'] > before['ringfence_trail_syncs_total']
        assert after['ringfence_key_derivations_total'] > before['ringfence_key_derivations_total']
        # Another restricted user's has its turn among those.
        with raw.RawClient(one.pg_port) as other:
            other.log_in('other', PASSWORD, 'shop')
            other.send(raw.query(LARGE))
            kinds = [kind for kind, _ in other.receive_until(b'Z')]
            assert b'D' in kinds and answered(clients) < SESSIONS / 2
        # Who leaves while he waits is not analysed any more.
        for client in clients[2:]:
            client.socket.close()
        for client in clients[:2]:
            assert b'D' in [kind for kind, _ in client.receive_until(b'Z')]
    assert one.stop() == 0

"""A target whose connections are kept, what the appliance counts of them, and the session that gets one."""
import contextlib

import harness


def pooled(target, **rule):
    def to(name, **more):
        return {'name': name, 'host': '127.0.0.1', 'port': target.port, 'sslmode': 'disable',
                'database': 'shop', 'user': 'shop_app', 'password': harness.APP_PASSWORD,
                'tags': ['e2e'], **more}
    return [to('shop', pool={'max': 1, 'min': 0, 'idle': '10m', **rule}), to('plain')]


def counts(one):
    samples = one.metrics()
    out = {name: samples['ringfence_pool_%s_total' % name]
           for name in ('hits', 'misses', 'returns', 'discards', 'failures', 'expired')}
    out['idle'] = samples['ringfence_pool_connections{shard="0",state="idle"}']
    out['in_use'] = samples['ringfence_pool_connections{shard="0",state="in_use"}']
    return out


def wait_idle(one, number=1, in_use=0):
    """A connection that a session has just left is in use until it has been reset: it counts among neither before."""
    def reached():
        found = counts(one)
        return found['idle'] == number and found['in_use'] == in_use
    harness.eventually(reached, what='%d idle connections, %d in use' % (number, in_use))


def pid_of(connection):
    return connection.execute('SELECT pg_backend_pid()').fetchone()[0]


@contextlib.contextmanager
def next_session(one, before, **more):
    """A session that has the same server process as the one before."""
    wait_idle(one)
    with one.connect(**more) as connection:
        assert pid_of(connection) == before
        yield connection

"""A session's process id is its server's: programs terminate by it, know their own notifications by it, and look up their
row in pg_stat_activity. The secret of the cancel key is ours."""
import asyncio
import struct
import time

import psycopg
import psycopg2
import pytest

import harness
import raw

asyncpg = pytest.importorskip('asyncpg')
PASSWORD = harness.USERS['alice']


def pid_of(connection):
    return connection.execute('SELECT pg_backend_pid()').fetchone()[0]


def test_psycopg_terminates_by_process_id(appliance):
    with appliance.connect() as one, appliance.connect() as other:
        assert one.info.backend_pid == pid_of(one)
        assert other.execute('SELECT pg_terminate_backend(%s)', [one.info.backend_pid]).fetchone() == (True,)
        with pytest.raises(psycopg.OperationalError):
            one.execute('SELECT 1')
        assert other.execute('SELECT 1').fetchone() == (1,)


def test_psycopg_knows_its_own_notifications(appliance):
    with appliance.connect() as one, appliance.connect() as other:
        got = []
        one.add_notify_handler(got.append)
        one.execute('LISTEN mine')
        one.execute("NOTIFY mine, 'own'")
        other.execute("NOTIFY mine, 'other'")
        for _ in range(200):
            one.execute('SELECT 1')
            if len(got) == 2:
                break
            time.sleep(0.02)
        assert {notify.payload: notify.pid for notify in got} == {'own': one.info.backend_pid, 'other': other.info.backend_pid}


def test_psycopg2_knows_its_process_id(appliance):
    connection = psycopg2.connect(**appliance.conninfo())
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute('SELECT pg_backend_pid()')
    assert cursor.fetchone() == (connection.get_backend_pid(),)
    cursor.execute("LISTEN two; NOTIFY two, 'x'")
    cursor.execute('SELECT 1')
    connection.poll()
    assert [notify.pid for notify in connection.notifies] == [connection.get_backend_pid()]
    connection.close()


def test_asyncpg_knows_its_process_id(appliance):
    async def run():
        connection = await asyncpg.connect(host='127.0.0.1', port=appliance.pg_port, user='alice', password=PASSWORD,
                                           database='shop')
        heard = asyncio.get_running_loop().create_future()
        assert connection.get_server_pid() == await connection.fetchval('SELECT pg_backend_pid()')
        await connection.add_listener('three', lambda _, pid, channel, payload: heard.set_result(pid))
        await connection.execute('NOTIFY three')
        assert await asyncio.wait_for(heard, 10) == connection.get_server_pid()
        # asyncpg cancels what times out, by a request of its own.
        with pytest.raises(asyncio.TimeoutError):
            await connection.execute('SELECT pg_sleep(30)', timeout=0.3)
        assert await connection.fetchval('SELECT 1') == 1
        await connection.close()
    asyncio.run(run())


@pytest.mark.parametrize('protocol, size, negotiated', [
    (196608, 4, None), (196609, 4, None), (196610, 32, None), (196617, 32, struct.pack('!II', 196610, 0)),
], ids=['3.0', '3.1', '3.2', '3.9'])
def test_keys_are_as_long_as_the_protocol_has_them_and_cancel(appliance, trail, app, protocol, size, negotiated):
    """As PostgreSQL 18 has it."""
    keys = set()
    for _ in range(2):  # On either shard.
        with raw.RawClient(appliance.pg_port) as client:
            client.log_in('alice', PASSWORD, 'shop', protocol=protocol, application_name=app)
            assert client.negotiated == negotiated
            [[pid]] = raw.rows(client.run('SELECT pg_backend_pid()'))
            assert struct.unpack('!I', client.key[:4])[0] == int(pid)
            assert len(client.key) == 4 + size
            keys.add(client.key[4:])
            client.send(raw.query('SELECT pg_sleep(30)'))
            time.sleep(0.1)
            with raw.RawClient(appliance.pg_port) as other:
                other.send(struct.pack('!II', 8 + len(client.key), 80877102) + client.key)
                assert other.at_end()
            got = client.receive_until(b'Z')
            assert [raw.error_fields(body)['C'] for kind, body in got if kind == b'E'] == ['57014']
            client.send(raw.TERMINATE)
    assert len(keys) == 2
    assert 'cancelled' in {row['outcome'] for row in trail.settled(app, sessions=2)}


def test_the_secret_is_not_the_servers(appliance, target):
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', PASSWORD, 'shop')
        client.send(raw.query('SELECT pg_sleep(1)'))
        with raw.RawClient(target.port) as other:
            other.send(struct.pack('!II', 8 + len(client.key), 80877102) + client.key)
            assert other.at_end()
        assert b'E' not in raw.kinds(client.receive_until(b'Z'))

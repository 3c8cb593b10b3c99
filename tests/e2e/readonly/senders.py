"""The ways in which real clients send a statement. Each gives the SQLSTATEs of the errors that came, '' where there was none."""
import asyncio
import logging

import asyncpg
import psycopg
from psycopg.pq import DiagnosticField, ExecStatus

import harness
import raw
from wall import PASSWORD, PROBE, SOUND

logging.getLogger('psycopg').setLevel(logging.ERROR)  # It warns of each refused pipeline.


class Psycopg:
    """psycopg 3 over libpq: Query messages, unnamed and named statements, pipelines."""

    def __init__(self, wall, database, user='reader'):
        self.connection = psycopg.connect(**wall.conninfo(database, user), autocommit=True, connect_timeout=20)
        self.connection.prepare_threshold = None
        self.names = 0

    def close(self):
        self.connection.close()

    def finish(self, result):
        """Through whatever COPY it began; the state of the end."""
        pgconn = self.connection.pgconn
        while result is not None and result.status in (ExecStatus.COPY_OUT, ExecStatus.COPY_IN):
            if result.status == ExecStatus.COPY_IN:
                pgconn.put_copy_data(b'1\tx\n')
                pgconn.put_copy_end()
            else:
                while pgconn.get_copy_data(0)[0] > 0:
                    pass
            results = []
            while (more := pgconn.get_result()) is not None:
                results.append(more)
            failed = [each for each in results if each.status == ExecStatus.FATAL_ERROR]
            result = (failed or results or [None])[0]
        return result

    def state(self, result):
        result = self.finish(result)
        if result is None or result.status != ExecStatus.FATAL_ERROR:
            return ''
        self.last_message = result.error_message.decode()
        return (result.error_field(DiagnosticField.SQLSTATE) or b'lost').decode()

    def query(self, text):
        return self.state(self.connection.pgconn.exec_(text.encode()))

    def parse(self, text):
        return self.state(self.connection.pgconn.exec_params(text.encode(), []))

    def prepare(self, text):
        self.names += 1
        name = b'wall%d' % self.names
        failed = self.state(self.connection.pgconn.prepare(name, text.encode()))
        return failed or self.state(self.connection.pgconn.exec_prepared(name, []))

    def pipeline(self, text):
        try:
            with self.connection.pipeline():
                self.connection.execute('SELECT 1')
                self.connection.execute(text)
                self.connection.execute('SELECT 2')
        except psycopg.Error as error:
            return error.sqlstate or 'lost'
        return ''

    def is_sound(self):
        """The session answers, is read-only, and who it was."""
        pgconn = self.connection.pgconn
        if pgconn.transaction_status not in (0, 4):
            self.query('ROLLBACK')
        result = pgconn.exec_(PROBE.encode())
        if result.status != ExecStatus.TUPLES_OK:
            return 'the session is over: ' + result.error_message.decode()
        found = tuple(result.get_value(0, i).decode() for i in range(5))
        return '' if found == SOUND else 'the session is not what it was: %s' % (found,)


class Asyncpg:
    def __init__(self, wall, database, user='reader'):
        self.loop = asyncio.new_event_loop()
        info = wall.conninfo(database, user)
        self.connection = self.loop.run_until_complete(asyncpg.connect(
            host=info['host'], port=info['port'], user=info['user'], password=info['password'], database=info['dbname'], ssl=False,
            statement_cache_size=0))

    def close(self):
        self.loop.run_until_complete(self.connection.close())
        self.loop.close()

    def run(self, coroutine):
        try:
            self.loop.run_until_complete(coroutine)
            return ''
        except asyncpg.PostgresError as error:
            return error.sqlstate

    def execute(self, text):
        return self.run(self.connection.execute(text))

    def fetch(self, text):
        return self.run(self.connection.fetch(text))

    def is_sound(self):
        if self.connection.is_closed():
            return 'the session is over'
        if self.connection.is_in_transaction():
            self.execute('ROLLBACK')
        found = self.loop.run_until_complete(self.connection.fetchrow(PROBE))
        return '' if [found[1], found[2], found[3]] == ['on', 'on', True] else 'the session is not what it was: %s' % (found,)


class Raw:
    """Bytes, as they are; `pieces` at a time."""

    def __init__(self, wall, database, user='reader', piece=None):
        self.client = raw.RawClient(wall.appliance.pg_port, piece=piece)
        self.client.log_in(user, PASSWORD, database)

    def close(self):
        self.client.socket.close()

    def send(self, data, readies):
        """Every SQLSTATE up to so many ReadyForQuery, or 'ended'."""
        self.client.send(data)
        states, self.found = [], []
        try:
            while readies:
                kind, body = self.client.receive()
                self.found.append((kind, body))
                readies -= kind == b'Z'
                if kind == b'E':
                    states.append(raw.error_fields(body)['C'])
                elif kind == b'G':
                    self.client.send(raw.message(b'f', b'no\0'))
        except (EOFError, ConnectionError):
            states.append('ended')
        return states

    def is_sound(self):
        try:
            self.client.run('ROLLBACK')
            rows = raw.rows(self.client.run(PROBE))
        except (EOFError, ConnectionError):
            return 'the session is over'
        found = tuple(value.decode() for value in rows[0]) if rows else ()
        return '' if found == SOUND else 'the session is not what it was: %s' % (found,)


def psql(wall, database, texts, user='reader'):
    """One psql for all texts, each followed by the probe: [(text, states, is_sound)]."""
    probe = "SELECT concat_ws('|', %s) AS probe \\gset\n\\warn probe=:probe\n" % PROBE.removeprefix('SELECT ')
    script = ''.join('\\warn @@%d\n%s\n;\nROLLBACK;\n%s' % (number, text, probe) for number, text in enumerate(texts))
    done = harness.subprocess.run([harness.PG_BIN / 'psql', '-X', '-q', '-At', '-v', 'VERBOSITY=sqlstate', '-f', '-'], input=script, text=True,
                                  capture_output=True, timeout=120, cwd='/', env=wall.appliance.environment(user, database, PGPASSWORD=PASSWORD))
    parts = [part.split('\n', 1)[1] for part in done.stderr.split('@@')[1:]]
    assert len(parts) == len(texts), done.stderr[-2000:]
    return [(text, [line.split()[-1] for line in part.splitlines() if 'ERROR:' in line or 'FATAL:' in line], 'probe=' + '|'.join(SOUND) in part)
            for text, part in zip(texts, parts)]

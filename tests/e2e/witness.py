"""What somebody outside of the appliance saw: the target server's own log, compared with the trail; a load in which
each statement can be told from all others; a relay in front of the store that acts at exactly the wrong moment."""
import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time

import psycopg

import harness

DATABASE = 'witness'
TAG = re.compile(r'k\d+\.\d+\.\d+k')
LINE = re.compile(r'^[^|\n]*\|(?P<pid>\d+)\|[^|]*\|[^|]*\|(?P<database>[^|]*)\|(?P<level>[A-Z]+):  (?P<rest>.*)$')
COPY = b'PGCOPY\n'
COMMIT = b'Q\x00\x00\x00\x0bCOMMIT\x00'


def prepare(target):
    """The database under test, in which the server also logs when a statement is complete."""
    if not target.sql('SELECT 1 FROM pg_database WHERE datname = %s', DATABASE):
        target.sql('CREATE DATABASE %s OWNER shop_app' % DATABASE)
        target.sql('ALTER DATABASE %s SET log_min_duration_statement = 0' % DATABASE)
        target.sql('CREATE TABLE told (tag text)', database=DATABASE)
        target.sql('GRANT ALL ON told TO shop_app', database=DATABASE)


def add_target(one):
    one.config['targets'].append({
        'name': DATABASE, 'host': '127.0.0.1', 'port': one.target.port, 'database': DATABASE, 'user': 'shop_app',
        'password': harness.APP_PASSWORD})
    one.write_config()
    return one


class Log:
    """What the server says that it did, by tag: how often executed, whether completed, whether failed."""

    def __init__(self, text):
        self.executed = {}
        self.completed = set()
        self.failed = set()
        running, wants_parameters = {}, {}
        for line in text.splitlines():
            match = LINE.match(line)
            if not match or match['database'] != DATABASE:
                continue
            pid, level, rest = match['pid'], match['level'], match['rest']
            if level == 'LOG' and rest.startswith(('statement: ', 'execute ')):
                tag = TAG.search(rest)
                self.begin(running, pid, tag and tag[0])
                wants_parameters[pid] = rest.startswith('execute ') and not tag
            elif level == 'DETAIL' and wants_parameters.get(pid):
                tag = TAG.search(rest)
                self.begin(running, pid, tag and tag[0])
                wants_parameters[pid] = False
            elif level == 'LOG' and rest.startswith('duration: '):
                if re.fullmatch(r'duration: [\d.]+ ms', rest) and running.get(pid):
                    self.completed.add(running.pop(pid))
                wants_parameters[pid] = False
            elif level == 'ERROR' and running.get(pid):
                self.failed.add(running.pop(pid))

    def begin(self, running, pid, tag):
        running[pid] = tag
        if tag:
            self.executed[tag] = self.executed.get(tag, 0) + 1


def statements(trail, app):
    """What the comparison needs of ringfence.audit_query, without long texts."""
    return trail.rows('SELECT left(statement, 200) AS statement, left(parameters::text, 200) AS parameters, outcome '
                      "FROM ringfence.audit_query WHERE action <> 'postgres_bind' AND application_name = %s", app)


def tag_of(row):
    found = TAG.search(row['statement'] or '') or TAG.search(json.dumps(row['parameters']))
    return found and found[0]


def compare(rows, log):
    """Counts, after asserting what the trail promises. `rows` are those of ringfence.audit_query."""
    by_tag = {}
    for row in rows:
        tag = tag_of(row)
        if tag:
            by_tag.setdefault(tag, []).append(row)
    missing = sorted(set(log.executed) - set(by_tag))
    assert not missing, '%d of %d executed statements are not in the trail: %s' % (
        len(missing), len(log.executed), missing[:10])
    doubles = sorted(tag for tag, same in by_tag.items() if len(same) > 1)
    assert not doubles, 'in the trail more than once: %s' % doubles[:10]
    wrong = [(tag, row['outcome']) for tag, [row] in by_tag.items()
             if (row['outcome'] == 'success' and tag not in log.completed)
             or (row['outcome'] in ('failure', 'cancelled') and tag not in log.failed)
             or row['outcome'] in ('running', 'denied', 'not_executed')]
    assert not wrong, 'the trail says more than the server: %s' % wrong[:10]
    outcomes = {}
    for [row] in by_tag.values():
        outcomes[row['outcome']] = outcomes.get(row['outcome'], 0) + 1
    return {'executed': len(log.executed), 'in trail': len(by_tag), **outcomes}


def complete(trail, app, log):
    """The statements of a test once all that the log shows has a final row; before that nothing."""
    rows = statements(trail, app)
    is_final = all(row['outcome'] != 'running' for row in rows)
    return rows if is_final and {tag_of(row) for row in rows} >= set(log.executed) else None


def sequence(trail):
    """Every record of every journal is there exactly once: numbers from 1 without a gap. Gives how many."""
    shards = trail.rows(
        'WITH numbers AS (SELECT node, shard, seq FROM ringfence.audit_event UNION ALL SELECT node, shard, '
        'outcome_seq FROM ringfence.audit_event WHERE outcome_seq IS NOT NULL) SELECT node, shard, '
        'count(*) AS n, count(DISTINCT seq) AS d, min(seq) AS low, max(seq) AS high FROM numbers GROUP BY 1, 2')
    for shard in shards:
        assert shard['n'] == shard['d'], 'a record is in the store twice: %s' % shard
        assert (shard['low'], shard['high']) == (1, shard['n']), 'a record is not in the store: %s' % shard
    return sum(shard['n'] for shard in shards)


def gaps(trail):
    return trail.rows("SELECT rows, reason, metadata FROM ringfence.audit_event WHERE action = 'trail_gap' "
                      'ORDER BY chain_no')


def verify(one):
    done = subprocess.run([harness.BINARY, 'audit', 'verify', '--config', one.config_file], text=True,
                          capture_output=True, timeout=120, env=harness.clean_environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def everything(one, app, log, timeout):
    """Once all that the target executed is in the trail, with its outcome: the counts, after every comparison."""
    trail = one.trail()
    try:
        rows = harness.eventually(lambda: complete(trail, app, log), timeout, 0.2, 'every statement in the trail')
    except AssertionError:
        rows = statements(trail, app)  # The comparison says what is missing.
    found = compare(rows, log)
    found['records'] = sequence(trail)
    assert not gaps(trail)
    verify(one)
    return found


class Load:
    """Every way to run a statement at once, each statement with a tag of its own, until stopped or cut off."""

    def __init__(self, one, app, turn, kinds=('simple', 'simple', 'prepared', 'pipelined', 'copy', 'long'),
                 long_s=1.4, pause=0.0):
        self.one, self.app, self.turn, self.long_s, self.pause = one, app, turn, long_s, pause
        self.is_over = threading.Event()
        self.answered = set()
        self.errors = []
        self.threads = [threading.Thread(target=self.work, args=(getattr(self, kind), worker), daemon=True)
                        for worker, kind in enumerate(kinds)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self.threads), 'a client hangs'

    def work(self, run, worker):
        try:
            with self.one.connect(database=DATABASE, application_name=self.app, prepare_threshold=None) as connection:
                tags = ('k%d.%d.%dk' % (self.turn, worker, n) for n in range(10 ** 9))
                while not self.is_over.is_set():
                    run(connection, tags)
                    if self.pause:
                        time.sleep(self.pause)
        except psycopg.Error as error:
            self.errors.append(error)

    def simple(self, connection, tags):
        for form in ("SELECT '%s'", "INSERT INTO told VALUES ('%s')", 'SELECT 1 / 0 /* %s */',
                     "SELECT '%s', repeat('x', 20000)"):
            tag = next(tags)
            try:
                connection.execute(form % tag)
                self.answered.add(tag)
            except psycopg.errors.DivisionByZero:
                pass

    def prepared(self, connection, tags):
        tag = next(tags)
        connection.execute('SELECT %s::text, 1', (tag,), prepare=True)
        self.answered.add(tag)

    def pipelined(self, connection, tags):
        mine = [next(tags) for _ in range(20)]
        with connection.pipeline():
            for tag in mine:
                connection.execute('SELECT %s::text, 2', (tag,))
        self.answered.update(mine)

    def copy(self, connection, tags):
        tag = next(tags)
        with connection.cursor().copy('COPY told FROM STDIN /* %s */' % tag) as copy:
            for _ in range(50):
                copy.write('a line of bulk\n' * 40)
        self.answered.add(tag)
        tag = next(tags)
        with connection.cursor().copy('COPY (SELECT generate_series(1, 5000)) TO STDOUT /* %s */' % tag) as copy:
            for _ in copy:
                pass
        self.answered.add(tag)

    def long(self, connection, tags):
        tag = next(tags)
        connection.execute('SELECT pg_sleep(%f) /* %s */' % (random.uniform(0.02, self.long_s), tag))
        self.answered.add(tag)


def quiet(target, timeout=30):
    """Until the server has ended every session: what it logs afterwards is not about them."""
    harness.eventually(lambda: not target.sql('SELECT pid FROM pg_stat_activity WHERE datname = %s', DATABASE),
                       timeout, 0.05, 'the backends to end')


class Link:
    """One connection through the gate."""

    def __init__(self, gate, client, server):
        self.gate, self.client, self.server = gate, client, server
        self.is_mute = False  # What the server says is not passed on.

    def cut(self):
        for side in (self.client, self.server):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def pump(self, source, sink, is_client):
        try:
            while data := source.recv(1 << 16):
                plan = self.gate.plan
                if is_client and plan and self.gate.at in data:
                    self.gate.plan = None
                    plan(self, data)
                    continue
                if is_client or not self.is_mute:
                    sink.sendall(data)
        except OSError:
            pass
        self.cut()


class Gate:
    """A relay to the store, which can be shut, and which calls plan(link, data) instead of passing on the next piece
    with the bytes `at`: a COMMIT, or the head of a COPY's data."""

    def __init__(self, port):
        self.to = port
        self.port = harness.free_port()
        self.plan = None
        self.at = COMMIT
        self.links = []
        self.listener = None
        self.open()

    def url(self, database):
        return 'postgres://postgres@127.0.0.1:%d/%s?sslmode=disable&gssencmode=disable' % (self.port, database)

    def open(self):
        self.listener = socket.create_server(('127.0.0.1', self.port), backlog=64)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def shut(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for link in self.links:
            link.cut()

    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(('127.0.0.1', self.to))
            except OSError:
                return
            link = Link(self, client, server)
            self.links = [old for old in self.links if old.client.fileno() >= 0] + [link]
            for source, sink, is_client in ((client, server, True), (server, client, False)):
                threading.Thread(target=link.pump, args=(source, sink, is_client), daemon=True).start()


def through(gate, store_cluster, make, **changes):
    """An appliance by make(**changes) that reaches its store through the gate, and the store's database."""
    database = 'gate_%d' % gate.port
    store_cluster.sql('CREATE DATABASE %s' % database)
    one = make(store=gate.url(database), **changes)
    one.store_conninfo = lambda: 'host=%s port=%d user=postgres dbname=%s' % (
        store_cluster.socket, store_cluster.port, database)
    return one, database


@contextlib.contextmanager
def stopped(pids):
    """These processes stand still meanwhile."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

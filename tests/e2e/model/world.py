"""The appliance and the server under the model test, batches of sessions through them, and shrinking."""
import collections
import concurrent.futures
import itertools
import os
import random
import time

import harness

import alphabet
import answers
import record
import server_log

DATABASE = 'model'
PASSWORD = 'model-test'
LEVELS = {'admin': 'admin', 'bound': 'admin', 'writer': 'write', 'reader': 'read'}
# What functions, procedures and settings a restricted user may use: what hides, too.
FUNCTIONS = ['swap', 'swap_portal', 'drop_names', 'say']


def prepare(target):
    if not target.sql('SELECT 1 FROM pg_database WHERE datname = %s', DATABASE):
        target.sql('CREATE DATABASE %s OWNER shop_app' % DATABASE)
        target.sql(alphabet.SETUP, database=DATABASE)


def changes(target, **more):
    """Of the configuration."""
    policies = []
    for user, level in LEVELS.items():
        policy = {'name': user, 'roles': [user], 'tags': ['model'], 'level': level}
        if user != 'admin':
            policy['functions'] = FUNCTIONS
            policy['kinds'] = ['call', 'do']
        if user == 'bound':
            policy['deny'] = [{'relations': ['public.nothing_that_is']}]
        policies.append(policy)
    return {
        'users': [{'name': user, 'password': PASSWORD, 'roles': [user]} for user in LEVELS],
        'targets': [{'name': DATABASE, 'host': '127.0.0.1', 'port': target.port, 'database': DATABASE,
                     'user': 'shop_app', 'password': harness.APP_PASSWORD, 'tags': ['model'], 'sslmode': 'disable',
                     **more}],
        'policies': policies}


class World:
    runs = itertools.count()

    def __init__(self, appliance, target, at_once=12):
        self.appliance, self.target, self.at_once = appliance, target, at_once
        self.trail = appliance.trail()
        self.pauses = random.Random(1)

    def close(self):
        if self.trail.connection:
            self.trail.connection.close()

    def play(self, session, name):
        """The client's view of one session, and the server's process."""
        with answers.log_in(self.appliance.pg_port, session.user, PASSWORD, DATABASE, name) as client:
            client.send(answers.raw.query('SELECT pg_backend_pid()'))
            pid = int(answers.raw.rows(client.receive_until(b'Z'))[0][0])
            failed = None
            try:
                client.play(session, lambda: time.sleep(self.pauses.uniform(0, 0.004)))
            except (TimeoutError, answers.Unexpected) as error:
                failed = record.Finding('hang' if isinstance(error, TimeoutError) else 'protocol', repr(error))
            return pid, client.answers, failed

    def batch(self, sessions):
        """A Comparison of each."""
        batch = next(self.runs)
        names = ['model-%d-%d-%d' % (os.getpid(), batch, n) for n in range(len(sessions))]
        since_row = self.trail.rows('SELECT coalesce(max(chain_no), 0) AS last FROM ringfence.audit_event')[0]['last']
        since_byte = self.target.log_position()
        with concurrent.futures.ThreadPoolExecutor(self.at_once) as threads:
            played = list(threads.map(self.play, sessions, names))
        rows = self.rows_since(since_row, names)
        logged = server_log.executed(self.target.logged(since_byte))
        effects = collections.defaultdict(set)
        for n, pid in self.target.sql('SELECT n, pid FROM told', database=DATABASE):
            effects[pid].add(b'%d' % n)
        self.target.sql('TRUNCATE told', database=DATABASE)
        compared = []
        for session, name, (pid, seen, failed) in zip(sessions, names, played):
            # The first row is the question for the process.
            own = rows.get(name, [])
            first = next((i for i, row in enumerate(own) if 'pg_backend_pid' in (row['statement'] or '')), -1)
            one = record.Comparison(session, seen, own[first + 1:], logged.get(pid, []), effects[pid])
            one.finding = failed or one.finding
            compared.append(one)
        return compared

    def rows_since(self, since_row, names):
        """The rows of all these sessions once they have ended, by name."""
        def ended():
            rows = self.trail.rows("SELECT count(*) AS n FROM ringfence.audit_event WHERE chain_no > %s AND "
                                   "action = 'postgres_disconnect'", since_row)
            return rows[0]['n'] >= len(names)
        harness.eventually(ended, 60, 0.05, '%d postgres_disconnect' % len(names))
        found, of_session = {}, {}
        rows = self.trail.rows(record.ROWS, since_row)
        for row in rows:
            if row['action'] == 'postgres_connect':
                of_session[row['session_id']] = row['application_name']
        for row in rows:
            found.setdefault(of_session.get(row['session_id']), []).append(row)
        return found

    # ---- shrinking

    def still(self, candidates, kind, tries=3):
        """The first of these sessions that fails in this way, each played several times: pieces and pauses differ."""
        compared = self.batch([one for one in candidates for _ in range(tries)])
        for n, one in enumerate(compared):
            if one.finding and one.finding.kind == kind:
                return candidates[n // tries], one.finding
        return None

    def shrink(self, session, finding, seconds=60):
        """The session without what its failure does not need."""
        deadline = time.monotonic() + seconds
        size = max(1, len(session.ops) // 2)
        while time.monotonic() < deadline:
            shorter = [record.dataclasses.replace(session, ops=session.ops[:at] + session.ops[at + size:])
                       for at in range(0, len(session.ops), size)]
            found = self.still(shorter, finding.kind)
            if found:
                session, finding = found
                size = min(size, max(1, len(session.ops) // 2))
            elif size > 1:
                size //= 2
            else:
                break
        return session, finding

"""What the end-to-end tests stand on: PostgreSQL clusters, the appliance as a process, and a reader of the trail."""
import contextlib
import hashlib
import json
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import psycopg
from psycopg.rows import dict_row

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get('RINGFENCE_BINARY', ROOT / 'build/release/ringfence'))
PG_BIN = pathlib.Path(os.environ.get('RINGFENCE_PG_BIN', '/usr/lib/postgresql/15/bin'))
TOKEN = 'e2e-admin-token-0123456789'
# Ringfence's users and, in the target, the role behind them.
USERS = {'alice': 'wonder-land 1', 'bob': 'büilder-ü', 'carol': 'x' * 60}
APP_PASSWORD = 'only-ringfence-knows'


def eventually(condition, timeout=15.0, every=0.05, what='it to happen'):
    """Polls until condition() is true and returns what it gave."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError('waited %.0f s for %s' % (timeout, what))
        time.sleep(every)


def port_candidates():
    """What free_port() tries: ports that no connection gets by itself; test processes beside each other share none."""
    begin, end = (int(word) for word in pathlib.Path('/proc/sys/net/ipv4/ip_local_port_range').read_text().split())
    worker = int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0')[2:])
    workers = int(os.environ.get('PYTEST_XDIST_WORKER_COUNT', '1'))
    # Below what the kernel gives to clients; where that leaves too few, among those.
    first, last = (10_000, begin) if begin >= 12_000 else (begin, end)
    ports = list(range(first + worker, last, workers))
    random.shuffle(ports)
    return ports


ports_left = port_candidates()


def free_port():
    """One that nobody listens on, and that was not given before: whoever got it may not listen there yet."""
    while True:
        port = ports_left.pop()
        with socket.socket() as probe:
            try:
                probe.bind(('127.0.0.1', port))
            except OSError:
                continue
        return port


def pg_account():
    """PostgreSQL refuses to run as root; Debian's package made this user for it."""
    return pwd.getpwnam('postgres') if os.getuid() == 0 else pwd.getpwuid(os.getuid())


def as_pg():
    """Keyword arguments for subprocess that run a program as the database's user."""
    account = pg_account()
    environment = {'PATH': os.environ['PATH'], 'LC_ALL': 'C.UTF-8', 'HOME': '/tmp'}
    if os.getuid() != 0:
        return {'env': environment, 'cwd': '/'}
    return {'env': environment, 'cwd': '/', 'user': account.pw_uid, 'group': account.pw_gid, 'extra_groups': []}


def work_directory(name):
    """A short path that the database's user can enter (a socket's name holds 107 bytes)."""
    path = pathlib.Path(tempfile.mkdtemp(prefix='rf-%s-' % name, dir='/tmp'))
    path.chmod(0o755)
    return path


class Cluster:
    """A PostgreSQL server of its own on loopback and a Unix socket; superuser postgres by the socket."""

    def __init__(self, directory, settings=()):
        self.directory = directory
        self.data = directory / 'data'
        self.socket = directory / 'socket'
        self.log = directory / 'server.log'
        self.port = free_port()
        directory.mkdir(exist_ok=True)
        if os.getuid() == 0:
            account = pg_account()
            os.chown(directory, account.pw_uid, account.pw_gid)
        subprocess.run(['mkdir', '-p', str(self.socket)], check=True, **as_pg())
        subprocess.run([PG_BIN / 'initdb', '-D', self.data, '-U', 'postgres', '-E', 'UTF8', '--locale=C.UTF-8',
                        '--auth=trust', '--no-sync'], check=True, stdout=subprocess.DEVNULL, **as_pg())
        self.settings = {
            'port': self.port, 'listen_addresses': '127.0.0.1', 'unix_socket_directories': self.socket,
            'fsync': 'off', 'synchronous_commit': 'off', 'full_page_writes': 'off', 'max_connections': 300,
            'shared_buffers': '64MB', 'jit': 'off', 'log_statement': 'all', 'log_min_duration_statement': -1,
            'logging_collector': 'off', 'log_line_prefix': '%m|%p|%a|%u|%d|', 'password_encryption': 'scram-sha-256',
            **dict(settings)}
        (self.data / 'postgresql.auto.conf').write_text(
            ''.join("%s = '%s'\n" % (key, str(value).replace("'", "''")) for key, value in self.settings.items()))

    def start(self):
        subprocess.run([PG_BIN / 'pg_ctl', '-D', self.data, '-l', self.log, '-w', '-t', '60', '-s', 'start'],
                       check=True, stdout=subprocess.DEVNULL, **as_pg())
        return self

    def stop(self, mode='immediate'):
        subprocess.run([PG_BIN / 'pg_ctl', '-D', self.data, '-m', mode, '-w', '-t', '60', '-s', 'stop'],
                       check=False, stdout=subprocess.DEVNULL, **as_pg())

    def connect(self, database='postgres', **more):
        return psycopg.connect(host=str(self.socket), port=self.port, user='postgres', dbname=database,
                               autocommit=True, **more)

    def sql(self, text, *parameters, database='postgres'):
        with self.connect(database) as connection:
            cursor = connection.execute(text, parameters or None)
            return cursor.fetchall() if cursor.description else None

    def logged(self, since=0):
        """The server's own log from a byte position on: the witness outside of us."""
        with open(self.log, 'rb') as log:
            log.seek(since)
            return log.read().decode('utf-8', 'replace')

    def log_position(self):
        return self.log.stat().st_size


def make_target(directory):
    """The target: database `shop` with a role for each way to log in."""
    cluster = Cluster(directory)
    (cluster.data / 'pg_hba.conf').write_text('\n'.join([
        'local all postgres trust',
        'local all app_trust trust',
        'local all all scram-sha-256',
        'host all app_md5 127.0.0.1/32 md5',
        'host all app_clear 127.0.0.1/32 password',
        'host all app_trust 127.0.0.1/32 trust',
        'host all all 127.0.0.1/32 scram-sha-256', '']))
    cluster.start()
    cluster.sql('CREATE DATABASE shop')
    shop = (ROOT / 'packaging/demo/shop.sql').read_text()
    subprocess.run([PG_BIN / 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-v', 'app_password=' + APP_PASSWORD,
                    '-h', cluster.socket, '-p', str(cluster.port), '-U', 'postgres', '-d', 'shop', '-f', '-'],
                   input=shop, text=True, check=True, stdout=subprocess.DEVNULL, **as_pg())
    with cluster.connect('shop') as connection:
        connection.execute("CREATE ROLE app_clear LOGIN PASSWORD '%s'" % APP_PASSWORD)
        connection.execute("SET password_encryption = 'md5'")
        connection.execute("CREATE ROLE app_md5 LOGIN PASSWORD '%s'" % APP_PASSWORD)
        connection.execute('CREATE ROLE app_trust LOGIN')
        connection.execute('GRANT ALL ON DATABASE shop TO shop_app')
        connection.execute('GRANT pg_signal_backend TO shop_app')
    cluster.sql('CREATE DATABASE bench OWNER shop_app')
    return cluster


def emit_yaml(value, indent=0):
    """Plain YAML; strings are quoted as JSON, which YAML reads the same."""
    pad = '  ' * indent
    lines = []
    for key, item in value.items():
        if isinstance(item, dict) and item:
            lines += ['%s%s:' % (pad, key), emit_yaml(item, indent + 1)]
        elif isinstance(item, list) and item and isinstance(item[0], dict):
            lines.append('%s%s:' % (pad, key))
            for element in item:
                inner = emit_yaml(element, indent + 2).splitlines()
                lines.append('%s  - %s' % (pad, inner[0].strip()))
                lines += inner[1:]
        else:
            lines.append('%s%s: %s' % (pad, key, json.dumps(item, ensure_ascii=False)))
    return '\n'.join(lines)


def configuration(state, target, pg_port, admin_port, **changes):
    """A whole configuration as a dictionary; `changes` replace top-level keys or are merged into maps."""
    def to(name, **more):
        return {'name': name, 'host': '127.0.0.1', 'port': target.port, 'database': 'shop', 'user': 'shop_app',
                'password': APP_PASSWORD, 'tags': ['e2e'], 'sslmode': 'disable', **more}
    config = {
        'node': 'e2e',
        'state_dir': str(state),
        'shards': 2,
        'log': {'level': 'debug', 'format': 'text'},
        'listeners': [{'name': 'postgres', 'protocol': 'postgres', 'address': '127.0.0.1', 'port': pg_port,
                       'tls': 'off'}],
        'admin': {'address': '127.0.0.1', 'port': admin_port, 'token': TOKEN},
        'store': 'embedded',
        'audit': {'batch_ms': 50, 'failures_window_ms': 200},
        'users': [{'name': name, 'password': password, 'roles': ['operator']} for name, password in USERS.items()],
        'policies': [{'name': 'operators', 'roles': ['operator'], 'tags': ['*'], 'level': 'admin'}],
        'targets': [
            to('shop'),
            to('bench', database='bench'),
            to('socket', host=str(target.socket)),
            to('md5', user='app_md5'),
            to('clear', user='app_clear'),
            to('trust', user='app_trust'),
            to('wrong_password', password='not that one'),
            to('nobody_home', port=free_port()),
        ],
    }
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            config[key] = {**config[key], **value}
        else:
            config[key] = value
    return config


def clean_environment():
    """Without variables that would change what the program or a client is told."""
    return {key: value for key, value in os.environ.items() if not key.startswith(('PG', 'RINGFENCE_'))}


def memory(appliance, what):
    """Bytes of the process by the kernel's status file: VmRSS, RssAnon."""
    with open('/proc/%d/status' % appliance.process.pid) as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith(what + ':'))


def own_memory(pid):
    """Bytes of the process's Pss, of every mapping that is not a file's."""
    total, counts = 0, True
    with open('/proc/%d/smaps' % pid) as maps:
        for line in maps:
            fields = line.split()
            if not fields[0].endswith(':'):
                counts = len(fields) < 6 or not fields[5].startswith('/')
            elif fields[0] == 'Pss:' and counts:
                total += int(fields[1]) * 1024
    return total


class Appliance:
    """The program under test, as a process."""
    binary = BINARY

    def __init__(self, directory, target, **changes):
        self.directory = directory
        self.target = target
        self.state = directory / 'state'
        self.state.mkdir(parents=True, exist_ok=True)
        self.pg_port = free_port()
        self.admin_port = free_port()
        self.config = configuration(self.state, target, self.pg_port, self.admin_port, **changes)
        self.config_file = directory / 'ringfence.yaml'
        self.log_file = directory / 'ringfence.log'
        self.process = None
        self.write_config()

    def shared_key_ring(self):
        """Where appliances of one store find the key ring that they need; None: the store is this one's alone."""
        store = self.config['store']
        url = store if isinstance(store, str) else store.get('url', '')
        if not url.startswith('postgres') or (isinstance(store, dict) and 'key_ring_file' in store):
            return None
        place = psycopg.conninfo.conninfo_to_dict(url)
        name = '-'.join(str(place.get(key, '')) for key in ('host', 'port', 'dbname'))
        return pathlib.Path(tempfile.gettempdir()) / ('rf-ring-' + hashlib.sha256(name.encode()).hexdigest()[:16])

    def take_key_ring(self):
        shared, own = self.shared_key_ring(), self.state / 'control.keys'
        if shared and shared.exists() and not own.exists():
            shutil.copy(shared, own)

    def share_key_ring(self):
        shared, own = self.shared_key_ring(), self.state / 'control.keys'
        if shared and own.exists():
            shutil.copy(own, shared)

    def write_config(self):
        self.config_file.write_text(emit_yaml(self.config) + '\n')
        self.config_file.chmod(0o600)

    def start(self, ready=True, environment=None):
        # Unless its keys come from elsewhere.
        if not {'RINGFENCE_KEY_RING', 'CREDENTIALS_DIRECTORY'} & set(environment or {}):
            self.take_key_ring()
        with open(self.log_file, 'ab') as log:
            self.process = subprocess.Popen(
                [self.binary, 'serve', '--config', self.config_file], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd='/', env={**clean_environment(), **(environment or {})}, start_new_session=True)
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=60):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError('ringfence ended with %s:\n%s' % (self.process.returncode, self.log_tail()))
            return self.http('/readyz')[0] == 200
        eventually(ready, timeout, 0.05, '/readyz; the log ends:\n' + self.log_tail())
        self.share_key_ring()

    def log(self):
        return self.log_file.read_text(errors='replace') if self.log_file.exists() else ''

    def log_tail(self, lines=30):
        return '\n'.join(self.log().splitlines()[-lines:])

    def stop(self, timeout=60):
        """SIGTERM; the exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError('SIGTERM did not end it in %d s:\n%s' % (timeout, self.log_tail())) from None
        return self.process.returncode

    def kill(self):
        self.process.kill()
        self.process.wait()

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def http(self, path, method='GET', token=TOKEN, timeout=10):
        """(status, body as text); status 0 when nothing answers."""
        request = urllib.request.Request('http://127.0.0.1:%d%s' % (self.admin_port, path), method=method)
        if token:
            request.add_header('Authorization', 'Bearer ' + token)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ''

    def json(self, path):
        status, body = self.http(path)
        assert status == 200, (path, status, body)
        return json.loads(body)

    def metrics(self):
        """Samples by name; those with labels by name{labels}, and summed up under the bare name."""
        status, body = self.http('/metrics')
        assert status == 200, body
        samples = {}
        for line in body.splitlines():
            if line and not line.startswith('#'):
                name, value = line.rsplit(' ', 1)
                samples[name] = float(value)
                bare = name.split('{')[0]
                if bare != name:
                    samples[bare] = samples.get(bare, 0.0) + float(value)
        return samples

    def own_memory(self):
        return own_memory(self.process.pid)

    def sessions(self):
        """All pages of the list."""
        found, cursor = [], ''
        while True:
            page = self.json('/api/v1/sessions?limit=1000' + cursor)
            found += page['sessions']
            if not page['next_cursor']:
                return found
            cursor = '&cursor=' + page['next_cursor']

    def conninfo(self, user='alice', database='shop', password=None, **more):
        return {'host': '127.0.0.1', 'port': self.pg_port, 'user': user,
                'password': USERS.get(user) if password is None else password, 'dbname': database, **more}

    def connect(self, user='alice', database='shop', autocommit=True, **more):
        return psycopg.connect(**self.conninfo(user, database, **more), autocommit=autocommit, connect_timeout=20)

    def environment(self, user='alice', database='shop', application_name='e2e', **more):
        """For psql, pgbench and whatever else reads libpq's variables."""
        return {**clean_environment(), 'PGHOST': '127.0.0.1', 'PGPORT': str(self.pg_port), 'PGUSER': user,
                'PGPASSWORD': USERS.get(user, 'none'), 'PGDATABASE': database, 'PGAPPNAME': application_name,
                'LC_ALL': 'C.UTF-8', 'PSQL_HISTORY': '/dev/null', 'PAGER': 'cat', 'PSQLRC': '/dev/null', **more}

    def psql(self, *arguments, stdin=None, timeout=120, check=True, **environment):
        done = subprocess.run([PG_BIN / 'psql', '-X', *arguments], input=stdin, text=True, capture_output=True,
                              timeout=timeout, env=self.environment(**environment), cwd='/')
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def store_conninfo(self):
        """How the tests reach the store: as the one who may read all of it."""
        store = self.config['store']
        if isinstance(store, str) and store.startswith('postgres'):
            return store
        if isinstance(store, dict) and store.get('url'):
            return store['url']
        return embedded_conninfo(self.state)

    def trail(self):
        return Trail(self)


def embedded_conninfo(state):
    """The embedded store's socket directory is entered by root and by the store's own user."""
    sockets = [path for path in pathlib.Path(state).rglob('.s.PGSQL.*') if not path.name.endswith('.lock')]
    assert sockets, 'no store socket below %s' % state
    return 'host=%s port=%s dbname=ringfence user=%s' % (
        sockets[0].parent, sockets[0].name.rsplit('.', 1)[1], 'ringfence_reader')


# One row for each statement, with its final outcome. audit_query may leave out what a test wants to see.
class Trail:
    def __init__(self, appliance):
        self.appliance = appliance
        self.connection = None

    def rows(self, text, *parameters):
        for attempt in (1, 2):
            try:
                if self.connection is None or self.connection.closed:
                    self.connection = psycopg.connect(self.appliance.store_conninfo(), autocommit=True,
                                                      row_factory=dict_row, application_name='e2e-trail')
                return self.connection.execute(text, parameters or None).fetchall()
            except psycopg.OperationalError:
                if attempt == 2:
                    raise
                with contextlib.suppress(Exception):
                    self.connection.close()
                self.connection = None

    # Also what a session that began with this name did after SET application_name.
    OF_APPLICATION = ("(application_name = %s OR session_id IN (SELECT session_id FROM ringfence.audit_event WHERE "
                      "application_name = %s AND action = 'postgres_connect'))")

    def events(self, application_name, action=None):
        return self.rows('SELECT * FROM ringfence.audit_event WHERE ' + self.OF_APPLICATION +
                         ' AND (%s::text IS NULL OR action = %s) ORDER BY ts, shard, seq',
                         application_name, application_name, action, action)

    def queries(self, application_name):
        return self.rows('SELECT * FROM ringfence.audit_query WHERE ' + self.OF_APPLICATION + ' ORDER BY ts, shard, seq',
                         application_name, application_name)

    def settled(self, application_name, sessions=1, timeout=20):
        """The statements of sessions that have ended: nothing can be added to these any more."""
        def ended():
            return len(self.events(application_name, 'postgres_disconnect')) >= sessions
        eventually(ended, timeout, 0.1, '%d postgres_disconnect of %s' % (sessions, application_name))
        return self.queries(application_name)

    def wait(self, application_name, count, timeout=20):
        """At least so many statements with a final outcome."""
        def enough():
            found = self.queries(application_name)
            return found if len([r for r in found if r['outcome'] != 'running']) >= count else None
        return eventually(enough, timeout, 0.1, '%d statements of %s' % (count, application_name))


def remove(directory):
    if not os.environ.get('RINGFENCE_E2E_KEEP'):
        shutil.rmtree(directory, ignore_errors=True)

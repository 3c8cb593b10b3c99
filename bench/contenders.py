"""What the benchmarks compare: Ringfence in several configurations, other proxies, the bare relay, and the server itself.

Each starts on a port of its own in front of the same server; its processes' CPU time is counted, all threads together.
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests/e2e'))
import harness  # noqa: E402  (clusters and the appliance as processes, shared with the end-to-end tests)

TICK = os.sysconf('SC_CLK_TCK')
USER, PASSWORD = 'bench', 'bench-password'
FLOOD_USER = 'flood'  # Of the appliance alone: bench_flood.py's reader, who is not whom the others' bounds are about.
PROGRAMS = pathlib.Path(os.environ.get('RINGFENCE_BENCH_PROGRAMS', ROOT / 'build/release/bench'))
# What "with policies" means everywhere: a hundred patterns, of which the last one matches what is asked.
# Server connections that are kept between sessions, where a contender's name says so: more than clients ever come at once.
POOL = {'min': 0, 'max': 100, 'idle': '60s'}
WHITELIST = ['^SELECT [a-z]+ FROM report_%02d WHERE id = [0-9]+$' % number for number in range(99)] + ['^SELECT ']


def say(text):
    print(text, file=sys.stderr, flush=True)


def cpu_seconds(pid, reaped=False):
    """utime+stime of a process, all its threads, those that have ended too; with `reaped` its dead children's."""
    with open('/proc/%d/stat' % pid) as stat:
        fields = stat.read().rsplit(') ', 1)[1].split()
    return sum(int(value) for value in fields[11:15 if reaped else 13]) / TICK


def children(pid):
    for entry in pathlib.Path('/proc').iterdir():
        if entry.name.isdigit():
            try:
                if int(entry.joinpath('stat').read_text().rsplit(') ', 1)[1].split()[1]) == pid:
                    yield int(entry.name)
            except (OSError, ValueError):
                pass


def tree_cpu_seconds(pid):
    """The same of a PostgreSQL server with all its backends, those that have ended too."""
    total = cpu_seconds(pid, reaped=True)
    for child in children(pid):
        try:
            total += cpu_seconds(child, reaped=True)
        except OSError:
            pass
    return total


class Contender:
    """Where the load connects, and the processes whose time is counted (with `tree`, the children's too)."""

    def __init__(self, name, port, pid=None, store_pid=None, close=None, tree=False):
        self.name, self.port, self.pid, self.store_pid, self.close = name, port, pid, store_pid, close or (lambda: None)
        self.tree = tree
        self.appliance = None
        self.sent = 0  # Transactions in all.

    def used(self):
        own = (tree_cpu_seconds if self.tree else cpu_seconds)(self.pid) if self.pid else 0.0
        return own, tree_cpu_seconds(self.store_pid) if self.store_pid else 0.0

    def settled(self):
        """What is used once nothing is left to do: the writer of the trail works after the last answer."""
        before = self.used()
        deadline = time.monotonic() + 60
        quiet = 0
        while self.pid and quiet < 3 and time.monotonic() < deadline:
            time.sleep(0.25)
            now = self.used()
            quiet = quiet + 1 if now[0] - before[0] <= 0.01 and now[1] - before[1] <= 0.02 else 0
            before = now
        return before

    def pin(self, core):
        """All its threads to one core; the store of the trail to the others."""
        everyone = [self.pid] + (list(children(self.pid)) if self.tree else [])
        for pid in everyone:
            for task in pathlib.Path('/proc/%d/task' % pid).iterdir():
                os.sched_setaffinity(int(task.name), {core})
        if self.store_pid:
            others = set(range(os.cpu_count())) - {core}
            for pid in [self.store_pid, *children(self.store_pid)]:
                os.sched_setaffinity(pid, others)


def wait_for_port(port, process):
    def answers():
        if process.poll() is not None:
            raise SystemExit('a contender ended with %s at once' % process.returncode)
        try:
            socket.create_connection(('127.0.0.1', port), 1).close()
            return True
        except OSError:
            return False
    harness.eventually(answers, 20, what='port %d' % port)


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def start(name, port, command, **options):
    """A program that is a contender; options as for Contender."""
    as_user = options.pop('as_user', {})
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **{
        **as_user, 'env': {'PATH': '/usr/sbin:/usr/bin:/bin'}})
    wait_for_port(port, process)
    return Contender(name, port, process.pid, close=lambda: end(process), **options)


def start_backend(answer_bytes):
    """The server that answers without working."""
    port = harness.free_port()
    return start('backend', port, [PROGRAMS / 'load', 'backend', str(port), str(answer_bytes)])


def start_floor(server_port):
    port = harness.free_port()
    return start('floor', port, [PROGRAMS / 'relay', str(port), str(server_port)])


def start_pgbouncer(directory, server_port, auth='scram-sha-256', settings='', files=(), name='pgbouncer', secret=PASSWORD):
    """Session mode. `secret`: what its file of users has, a password or a SCRAM verifier. `files` (path of a source, name)
    are put beside its configuration, readable for it."""
    port = harness.free_port()
    directory.mkdir()
    for source, copy in files:
        (directory / copy).write_bytes(source.read_bytes())
        (directory / copy).chmod(0o600)
        if os.getuid() == 0:
            os.chown(directory / copy, harness.pg_account().pw_uid, harness.pg_account().pw_gid)
    (directory / 'users.txt').write_text('"%s" "%s"\n' % (USER, secret))
    (directory / 'pgbouncer.ini').write_text(f"""[databases]
bench = host=127.0.0.1 port={server_port} dbname=bench
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = {auth}
auth_file = {directory}/users.txt
pool_mode = session
max_client_conn = 11000
default_pool_size = 10500
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
{settings}
""")
    return start(name, port, ['pgbouncer', '-q', directory / 'pgbouncer.ini'], as_user=harness.as_pg())


def verifier_of(directory, server_port):
    """What the server itself keeps for the user: pgbouncer takes it for its clients, and their keys for the server."""
    with harness.psycopg.connect(host=str(directory / 'pg/socket'), port=server_port, user='postgres', dbname='postgres') as server:
        return server.execute('SELECT rolpassword FROM pg_authid WHERE rolname = %s', (USER,)).fetchone()[0]


def start_haproxy(directory, server_port, bind='', files=(), connections=1000):
    """TCP mode, one thread. `files`: (bytes, name) put beside its configuration; `bind` may name {directory}."""
    port = harness.free_port()
    directory.mkdir()
    for content, name in files:
        (directory / name).write_bytes(content)
    (directory / 'haproxy.cfg').write_text(f"""global
  nbthread 1
  maxconn {connections}
defaults
  mode tcp
  option splice-auto
  timeout connect 10s
  timeout client 1h
  timeout server 1h
listen postgres
  bind 127.0.0.1:{port} {bind.format(directory=directory)}
  server one 127.0.0.1:{server_port}
""")
    return start('haproxy', port, ['haproxy', '-db', '-q', '-f', directory / 'haproxy.cfg'])


def start_nginx(directory, server_port):
    """stream proxy, one worker."""
    port = harness.free_port()
    directory.mkdir()
    module = pathlib.Path('/usr/lib/nginx/modules/ngx_stream_module.so')
    (directory / 'nginx.conf').write_text(f"""{'load_module %s;' % module if module.exists() else ''}
worker_processes 1;
daemon off;
pid {directory}/nginx.pid;
error_log /dev/null;
worker_rlimit_nofile 50000;
events {{ worker_connections 24000; }}
stream {{
  server {{
    listen 127.0.0.1:{port};
    proxy_pass 127.0.0.1:{server_port};
    proxy_timeout 1h;
    tcp_nodelay on;
  }}
}}
""")
    return start('nginx', port, ['nginx', '-p', directory, '-c', directory / 'nginx.conf'], tree=True)


def drop_unknown_keys(one):
    """An older build does not know all keys: those that it names in its errors are left out."""
    while True:
        said = subprocess.run([one.binary, 'check', '--config', one.config_file], text=True, capture_output=True)
        unknown = re.findall(r': ([a-z_]+)\.([a-z_]+): is an unknown key', said.stdout + said.stderr)
        if not unknown:
            return
        for section, key in unknown:
            del one.config[section][key]
        one.write_config()


def start_ringfence(directory, server_port, name='ringfence', shards=1, audit=(), policies=(), listener_tls=None, pool=None, binary=None, **more):
    """The appliance. Without `policies` its user is unrestricted; `audit` and `more` change the configuration; `binary` is
    another build of it."""
    target = {'name': 'bench', 'host': '127.0.0.1', 'port': server_port, 'database': 'bench', 'user': USER,
              'password': PASSWORD, 'sslmode': 'disable', 'tags': ['bench'], **({'pool': pool} if pool else {})}
    server = type('Server', (), {'port': server_port, 'socket': directory})
    if policies:
        more['policies'] = list(policies)
    one = harness.Appliance(directory, server, shards=shards, log={'level': 'warning', 'format': 'text'}, audit=dict(audit),
                            users=[{'name': user, 'password': PASSWORD, 'roles': ['operator']} for user in (USER, FLOOD_USER)], targets=[target], **more)
    if binary:
        one.binary = binary
        drop_unknown_keys(one)
    if listener_tls:
        one.config['listeners'][0]['tls'] = listener_tls
        one.write_config()
    one.start()
    store = None
    for pid_file in one.state.rglob('postmaster.pid'):
        store = int(pid_file.read_text().splitlines()[0])
    contender = Contender(name, one.pg_port, one.process.pid, store, close=one.stop)
    contender.appliance = one
    return contender


def start_bare(directory, server_port, name='ringfence-bare', **more):
    """No policies, no trail: what forwarding and understanding the protocol cost."""
    return start_ringfence(directory, server_port, name, audit={'enabled': False}, **more)


def start_full(directory, server_port, also=(), name='ringfence-full', **more):
    """Everything on: a hundred whitelist patterns and those of `also`, level read, the trail."""
    return start_ringfence(directory, server_port, name, policies=[
        {'name': 'readers', 'roles': ['operator'], 'tags': ['bench'], 'level': 'read',
         'whitelist': WHITELIST + list(also)}], **more)


def start_tcp(directory, server_port):
    """A target of type tcp: what is passed unseen, with the trail of connections."""
    port = harness.free_port()
    server = type('Server', (), {'port': server_port, 'socket': directory})
    one = harness.Appliance(
        directory, server, shards=1, log={'level': 'warning', 'format': 'text'},
        users=[{'name': USER, 'password': PASSWORD, 'roles': ['operator']}],
        targets=[{'name': 'raw', 'type': 'tcp', 'host': '127.0.0.1', 'port': server_port}])
    one.config['listeners'].append({'name': 'raw', 'protocol': 'tcp', 'address': '127.0.0.1', 'port': port, 'target': 'raw',
                                    'network_users': [{'network': '127.0.0.0/8', 'user': USER}]})
    one.write_config()
    one.start()
    contender = Contender('ringfence-tcp', port, one.process.pid, close=one.stop)
    contender.appliance = one
    return contender


def makers(directory, server_port, **more):
    """Functions that start a contender, by its name."""
    return {
        'direct': lambda: Contender('direct', server_port),
        'floor': lambda: start_floor(server_port),
        'ringfence': lambda: start_ringfence(directory / 'rf', server_port, **more),
        'ringfence-auto': lambda: start_ringfence(directory / 'auto', server_port, 'ringfence-auto', 'auto', **more),
        'ringfence-bare': lambda: start_bare(directory / 'bare', server_port, **more),
        'ringfence-full': lambda: start_full(directory / 'full', server_port, **more),
        'ringfence-pool': lambda: start_ringfence(directory / 'pool', server_port, 'ringfence-pool', pool=POOL, **more),
        'ringfence-bare-pool': lambda: start_bare(directory / 'bare-pool', server_port, 'ringfence-bare-pool', pool=POOL, **more),
        'ringfence-tcp': lambda: start_tcp(directory / 'tcp', server_port),
        'pgbouncer': lambda: start_pgbouncer(directory / 'pgbouncer', server_port),
        'pgbouncer-verifier': lambda: start_pgbouncer(directory / 'pgbouncer-verifier', server_port, name='pgbouncer-verifier',
                                                      secret=verifier_of(directory, server_port)),
        # A new connection to the server for each client.
        'pgbouncer-new': lambda: start_pgbouncer(directory / 'pgbouncer-new', server_port, settings='server_lifetime = 0',
                                                 name='pgbouncer-new'),
        'haproxy': lambda: start_haproxy(directory / 'haproxy', server_port),
        'nginx': lambda: start_nginx(directory / 'nginx', server_port)}


def makers_before(directory, server_port, binary):
    """The same for another build, by the names with `before-` in front."""
    return {
        'before-bare': lambda: start_bare(directory / 'before-bare', server_port, 'before-bare', binary=binary),
        'before-full': lambda: start_full(directory / 'before-full', server_port, name='before-full', binary=binary)}


def start_all(wanted, makers_by_name, started):
    """Appends to `started` those that are wanted; a program that is not installed is left out, and that is said."""
    for name in wanted:
        program = name.split('-')[0]
        if program in ('pgbouncer', 'haproxy', 'nginx') and not shutil.which(program, path='/usr/sbin:/usr/bin'):
            say('%s is not installed: left out' % name)
            continue
        if name not in makers_by_name:
            raise SystemExit('no contender %s; there are: %s' % (name, ', '.join(makers_by_name)))
        say('starting ' + name)
        started.append(makers_by_name[name]())

"""What a service manager sees: states, watchdog, sockets and secrets that it passes, manual pages that are true."""
import contextlib
import ctypes
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading

import psycopg
import pytest

import harness
from harness import eventually

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
__WALL = 0x40000000


class Manager:
    """The receiving end of sd_notify(3)."""

    def __init__(self, directory):
        self.path = directory / 'notify'
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.messages = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        with contextlib.suppress(OSError):
            while True:
                self.messages += self.socket.recv(65536).decode().splitlines()

    def has(self, pattern, since=0):
        return any(re.search(pattern, message) for message in self.messages[since:])

    def wait(self, pattern, since=0, timeout=30):
        eventually(lambda: self.has(pattern, since), timeout, what='%s in %s' % (pattern, self.messages[-5:]))


@contextlib.contextmanager
def halted(tid):
    """Stops one thread of a process, and that one alone."""
    def call(request):
        if libc.ptrace(request, tid, None, None) != 0:
            raise OSError(ctypes.get_errno(), 'ptrace of thread %d' % tid)
    call(PTRACE_SEIZE)
    call(PTRACE_INTERRUPT)
    os.waitpid(tid, __WALL)
    try:
        yield
    finally:
        call(PTRACE_DETACH)


def thread(one, name):
    for task in pathlib.Path('/proc/%d/task' % one.process.pid).iterdir():
        if (task / 'comm').read_text().strip() == name:
            return int(task.name)
    raise AssertionError('no thread ' + name)


def test_states_are_told(own):
    one = own()
    manager = Manager(one.directory)
    one.start(environment={'NOTIFY_SOCKET': str(manager.path)})
    manager.wait('^READY=1$')
    manager.wait(r'^STATUS=0 sessions, 3 users, 8 targets$')
    since = len(manager.messages)
    one.config['users'] = one.config['users'][:1]
    one.write_config()
    one.reload()
    manager.wait('^STATUS=0 sessions, 1 users', since)
    manager.wait('^READY=1$', since)
    told = [message.split('=')[0] for message in manager.messages[since:]]
    assert told.index('RELOADING') < told.index('MONOTONIC_USEC') < told.index('READY'), told
    since = len(manager.messages)
    one.config['no_such_key'] = 1
    one.write_config()
    one.reload()
    manager.wait(r'^STATUS=the last reload failed: .*no_such_key', since)
    manager.wait('^READY=1$', since)
    since = len(manager.messages)
    assert one.stop() == 0
    manager.wait('^STOPPING=1$', since)


def test_a_start_that_fails_says_why_in_the_status(own, appliance):
    one = own()
    one.config['listeners'][0]['port'] = appliance.pg_port
    one.write_config()
    manager = Manager(one.directory)
    one.start(ready=False, environment={'NOTIFY_SOCKET': str(manager.path)})
    assert one.process.wait(60) == 1
    manager.wait(r'^STATUS=cannot start: .*listeners\[0\]\.port')
    assert not manager.has('^READY=1')


def all_stored(metrics):
    depths = [value for name, value in metrics.items() if name.startswith('ringfence_journal_depth_records')]
    return metrics['ringfence_writer_batches_total'] > 0 and not any(depths)


@pytest.mark.parametrize('name, shown', [
    ('rf-shard-0', 'data shard 0'), ('rf-shard-1', 'data shard 1'), ('rf-admin', 'admin shard'),
    ('rf-writer', 'trail writer')])
def test_the_watchdog_is_fed_only_while_each_thread_answers(own, name, shown):
    one = own()
    manager = Manager(one.directory)
    one.start(environment={'NOTIFY_SOCKET': str(manager.path), 'WATCHDOG_USEC': '3000000'})
    manager.wait('^WATCHDOG=1$')
    # A writer that is halted while it waits for the store would pass for one whose store does not answer.
    manager.wait('^STATUS=0 sessions')
    eventually(lambda: all_stored(one.metrics()), what='a writer with nothing to do')
    with halted(thread(one, name)):
        manager.wait('^STATUS=%s does not answer' % shown)
        silent_since = len(manager.messages)
        # The main thread goes on to look: it sees a signal.
        one.process.send_signal(signal.SIGHUP)
        manager.wait('^READY=1$', silent_since)
        assert not manager.has('^WATCHDOG=1$', silent_since)
    manager.wait('^WATCHDOG=1$', silent_since)
    with one.connect() as connection:
        assert connection.execute('SELECT 1').fetchone() == (1,)
    assert one.stop() == 0


def listening(port=0, path=None):
    made = socket.socket(socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(str(path) if path else ('127.0.0.1', port))
    made.listen(64)
    made.setblocking(False)  # As systemd may pass it.
    return made


def activated(one, name, passed):
    """Starts the appliance with the socket as descriptor 3, as a socket unit does."""
    environment = {**harness.clean_environment(), 'LISTEN_FDS': '1', 'LISTEN_FDNAMES': name}
    with open(one.log_file, 'ab') as log:
        one.process = subprocess.Popen(
            ['/bin/sh', '-c', 'export LISTEN_PID=$$; exec "$0" "$@"', harness.BINARY, 'serve', '--config', one.config_file],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd='/', env=environment, start_new_session=True,
            preexec_fn=lambda: os.dup2(passed.fileno(), 3), pass_fds=(3,))
    return one


def test_connections_wait_on_the_socket_unit_while_the_service_restarts(own):
    one = own()
    with listening(one.pg_port) as passed:
        for _ in range(2):
            answers = []

            def ask():
                with psycopg.connect(**one.conninfo(), connect_timeout=60, autocommit=True) as connection:
                    answers.append(connection.execute('SELECT 5').fetchone()[0])
            client = threading.Thread(target=ask)
            client.start()  # Nobody serves yet, and nobody refuses.
            activated(one, 'postgres', passed).wait_ready()
            client.join(60)
            assert answers == [5]
            assert one.stop() == 0


def test_a_passed_unix_socket_stays_when_the_service_ends(own):
    one = own()
    path = one.directory / '.s.PGSQL.6432'
    one.config['listeners'] = [{'name': 'local', 'path': str(path)}]
    one.write_config()
    with listening(path=path) as passed:
        activated(one, 'local', passed).wait_ready()
        with psycopg.connect(host=str(one.directory), port=6432, user='alice', dbname='shop',
                             password=harness.USERS['alice']) as connection:
            assert connection.execute('SELECT 6').fetchone() == (6,)
        assert one.stop() == 0
        assert path.is_socket()


def test_a_passed_socket_that_is_not_the_configured_one_is_an_error(own):
    one = own()
    with listening() as passed:
        elsewhere = passed.getsockname()[1]
        assert activated(one, 'postgres', passed).process.wait(60) == 1
        assert '127.0.0.1:%d' % elsewhere in one.log() and '127.0.0.1:%d' % one.pg_port in one.log()
        assert activated(one, 'nobody', passed).process.wait(60) == 1
        assert 'no listener of that name' in one.log()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        assert activated(one, 'postgres', datagrams).process.wait(60) == 1
        assert 'no listening stream socket' in one.log()


def test_secrets_are_taken_from_credentials(own):
    one = own()
    credentials = one.directory / 'credentials'
    credentials.mkdir()
    (credentials / 'admin.token').write_text(harness.TOKEN + '\n')
    (credentials / 'shop.password').write_text(harness.APP_PASSWORD + '\n')
    one.config['admin'].pop('token')
    one.config['admin']['token_file'] = 'admin.token'
    one.config['targets'] = [{**one.config['targets'][0]}]
    one.config['targets'][0].pop('password')
    one.config['targets'][0]['password_file'] = 'shop.password'
    one.write_config()
    one.start(environment={'CREDENTIALS_DIRECTORY': str(credentials)})
    with one.connect() as connection:
        assert connection.execute('SELECT 1').fetchone() == (1,)
    assert harness.APP_PASSWORD not in one.log() and harness.TOKEN not in one.log()


def test_the_manual_pages_name_every_command_and_option():
    page = (harness.ROOT / 'packaging/man/ringfence.8').read_text().replace('\\-', '-')
    client = (harness.ROOT / 'docs/cli.md').read_text()

    def help_of(*command):
        return subprocess.run([harness.BINARY, *command, '--help'], text=True, capture_output=True, check=True).stdout

    def walk_client(command):
        text = help_of(*command)
        for option in set(re.findall(r'^  (?:-\w,)?(--[a-z][a-z-]+)', text, re.M)) - {'--help'}:
            # Each field that is never shown has two, which the page describes by those of a password.
            of_secret = option.endswith('-stdin') or option + '-stdin' in text
            assert of_secret or option in client, (command, option)
        for name in re.findall(r'^  ([a-z][a-z-]*) ', text.partition('Subcommands:')[2], re.M):
            assert re.search('`(ringfence %s )?%s\\b' % (command[0], name), client), (command, name)
            walk_client([*command, name])

    def walk(command):
        text = help_of(*command)
        for option in re.findall(r'(--[a-z][a-z-]+)', text):
            assert option in page, (command, option)
        if 'Subcommands:' not in text:
            return
        for name in re.findall(r'^  ([a-z][a-z-]*) ', text.split('Subcommands:')[1], re.M):
            full = ' '.join([*command, name])
            if '`ringfence %s' % full in client:
                walk_client([*command, name])
                continue
            assert any(full in line for line in page.splitlines() if line.startswith('.B ')), full
            walk([*command, name])
    walk([])


def test_the_manual_page_of_the_configuration_has_every_key():
    text = (harness.ROOT / 'docs/configuration.md').read_text()
    made = subprocess.run(['/usr/bin/python3', harness.ROOT / 'packaging/man/from_markdown.py', 'ringfence.yaml', '5',
                           'File formats', 'configuration', harness.ROOT / 'docs/configuration.md'],
                          text=True, capture_output=True, check=True).stdout
    keys = re.findall(r'^\| `([a-z_.]+)` ', text, re.M)
    assert len(keys) > 40
    for key in keys:
        assert re.search(r'^\.TP\n\\fB%s\\fR' % re.escape(key), made, re.M), key

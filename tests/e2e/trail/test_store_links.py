"""Root and the store user's folder: whatever that user puts in the place of a file, nothing outside is touched."""
import os
import re
import shutil
import subprocess
import time

import pytest

import harness

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason='what root opens')


@pytest.fixture(scope='module')
def made_once(target):
    """The state of an appliance with an embedded store that has stopped."""
    directory = harness.work_directory('made')
    one = harness.Appliance(directory, target, store='embedded').start()
    assert one.stop() == 0
    yield one.state
    harness.remove(directory)


@pytest.fixture
def stopped(own, made_once):
    """An appliance with an embedded store that was made, and has stopped."""
    one = own(store='embedded')
    if one.state.exists():
        shutil.rmtree(one.state)
    subprocess.run(['cp', '-a', made_once, one.state], check=True)
    return one


@pytest.fixture
def outside():
    """Root's own folder, with a file for each planted link."""
    directory = harness.work_directory('outside')
    yield directory
    shutil.rmtree(directory)


def state_of(directory):
    """Everything below it that a write, a chown, a chmod or a removal would change."""
    found = {}
    for path in sorted(directory.rglob('*')):
        info = path.lstat()
        found[str(path)] = (info.st_ino, info.st_mode, info.st_uid, info.st_gid, info.st_size, info.st_mtime_ns,
                            path.read_bytes() if path.is_file() else None)
    return found


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.is_symlink() or path.exists():
        path.unlink()


def plant(kind, path, outside):
    remove(path)
    victim = outside / path.name
    account = harness.pg_account()
    if kind != 'dangling':
        victim.write_text('root alone may change me, %s\n' % path.name)
        victim.chmod(0o600)
    if kind in ('symlink', 'dangling'):
        path.symlink_to(victim)
        os.lchown(path, account.pw_uid, account.pw_gid)
    elif kind == 'hard link':
        path.hardlink_to(victim)
    elif kind == 'fifo':
        os.mkfifo(path)
        os.chown(path, account.pw_uid, account.pw_gid)
    else:
        path.mkdir()
        (path / 'inside').write_text('x')
        os.chown(path, account.pw_uid, account.pw_gid)


def command(*arguments):
    done = subprocess.run([harness.BINARY, *arguments], capture_output=True, text=True, timeout=60,
                          env=harness.clean_environment())
    return done.returncode, done.stdout, done.stderr


def refused(one, timeout=30):
    """What a start that ends by itself says."""
    one.start(ready=False)
    code = one.process.wait(timeout)
    assert code not in (0, -11, -6), one.log_tail()
    return one.log_tail(6)


# Every name that root writes or reads below the store's folder before the server runs.
FILES = ['postgres.log', 'data/ringfence.conf', 'data/ringfence.conf.new', 'data/pg_hba.conf', 'data/pg_hba.conf.new']


@pytest.mark.parametrize('kind', ['symlink', 'dangling', 'hard link', 'fifo'])
def test_what_stands_in_a_files_place_is_replaced_and_nothing_outside_changes(stopped, outside, kind):
    store = stopped.state / 'store'
    for name in FILES:
        plant(kind, store / name, outside)
    before = state_of(outside)
    stopped.start()
    assert state_of(outside) == before
    account = harness.pg_account()
    for name in ('postgres.log', 'data/ringfence.conf', 'data/pg_hba.conf'):
        info = (store / name).lstat()
        assert os.path.stat.S_ISREG(info.st_mode) and info.st_nlink == 1
        assert (info.st_uid, info.st_gid) == (account.pw_uid, account.pw_gid)
    assert 'postgres.log.old' in stopped.log() and 'root alone' not in stopped.log()
    assert stopped.stop() == 0


@pytest.mark.parametrize('name', ['data/ringfence.conf', 'data/ringfence.conf.new', 'data/pg_hba.conf'])
def test_a_folder_in_a_files_place_is_named_by_the_refusal(stopped, outside, name):
    plant('folder', stopped.state / 'store' / name, outside)
    said = refused(stopped)
    assert name in said and 'remove it' in said
    assert (stopped.state / 'store' / name / 'inside').read_text() == 'x'


def test_a_folder_in_the_logs_place_is_set_aside(stopped, outside):
    plant('folder', stopped.state / 'store/postgres.log', outside)
    stopped.start()
    assert (stopped.state / 'store/postgres.log').is_file()
    assert (stopped.state / 'store/postgres.log.old/inside').read_text() == 'x'
    assert stopped.stop() == 0


@pytest.mark.parametrize('name, says', [('socket', 'is not a folder: remove it'),
                                        ('data', 'is a link, which is not followed')])
def test_a_link_in_a_folders_place_is_refused(stopped, outside, name, says):
    path = stopped.state / 'store' / name
    shutil.move(path, outside / 'moved')
    before = state_of(outside)
    path.symlink_to(outside / 'moved')
    os.lchown(path, harness.pg_account().pw_uid, harness.pg_account().pw_gid)
    assert says in refused(stopped)
    assert state_of(outside) == before


def test_a_cluster_is_made_anew_without_following_what_is_in_its_way(stopped, outside):
    store = stopped.state / 'store'
    shutil.rmtree(store / 'data')
    (outside / 'tree').mkdir()
    (outside / 'tree/file').write_text('keep me')
    os.chown(outside / 'tree', harness.pg_account().pw_uid, harness.pg_account().pw_gid)
    (store / 'data.new').symlink_to(outside / 'tree')
    plant('symlink', store / 'initdb.log', outside)
    before = state_of(outside)
    # The node's own journal and the new store are two trails; what counts here is what was touched.
    stopped.start(ready=False)
    harness.eventually(lambda: (store / 'data/PG_VERSION').exists() or stopped.process.poll() is not None, 60)
    stopped.stop()
    assert state_of(outside) == before
    assert (store / 'data/PG_VERSION').exists(), stopped.log_tail()


def test_no_process_is_ended_because_the_pid_file_names_it(stopped, outside):
    data = stopped.state / 'store/data'
    # Root's, and at work in that very folder: a shell of somebody who looks around.
    bystander = subprocess.Popen(['sleep', '60'], cwd=data)
    try:
        (data / 'postmaster.pid').write_text('%d\n' % bystander.pid)
        os.chown(data / 'postmaster.pid', harness.pg_account().pw_uid, harness.pg_account().pw_gid)
        stopped.start()
        assert bystander.poll() is None
        assert stopped.stop() == 0
        # A FIFO whose writer never comes does not hold the start up.
        os.mkfifo(data / 'postmaster.pid')
        os.chown(data / 'postmaster.pid', harness.pg_account().pw_uid, harness.pg_account().pw_gid)
        stopped.start(ready=False)
        time.sleep(3)
        assert bystander.poll() is None
    finally:
        stopped.kill()
        bystander.kill()
        bystander.wait()


def test_a_server_left_over_is_still_ended(stopped):
    stopped.start()
    # Before the kill: the server, which goes with the appliance, takes the file away.
    left = int((stopped.state / 'store/data/postmaster.pid').read_text().split()[0])
    stopped.kill()
    stopped.start()
    assert int((stopped.state / 'store/data/postmaster.pid').read_text().split()[0]) != left
    assert stopped.stop() == 0


def test_a_log_of_root_from_an_earlier_version_is_kept_beside(stopped):
    log = stopped.state / 'store/postgres.log'
    os.chown(log, 0, 0)
    text = log.read_text()
    stopped.start()
    assert log.stat().st_uid == harness.pg_account().pw_uid
    assert (stopped.state / 'store/postgres.log.old').read_text() == text
    assert stopped.stop() == 0


# --- The way to the state -----------------------------------------------------------------------------------------

@pytest.mark.parametrize('bend', ['owner', 'group', 'others', 'parent', 'link'])
def test_root_keeps_no_state_where_another_user_may_change_it(stopped, bend):
    uid = harness.pg_account().pw_uid
    if bend == 'owner':
        os.chown(stopped.state, uid, -1)
    elif bend == 'group':
        os.chown(stopped.state, -1, harness.pg_account().pw_gid)
        stopped.state.chmod(0o775)
    elif bend == 'others':
        stopped.state.chmod(0o1777)  # Sticky does not keep others from making a name first.
    elif bend == 'parent':
        os.chown(stopped.directory, uid, -1)
    else:
        os.rename(stopped.state, stopped.directory / 'elsewhere')
        stopped.state.symlink_to(stopped.directory / 'elsewhere')
        os.lchown(stopped.state, uid, -1)
    said = refused(stopped)
    assert re.search(r'state_dir: .*may change /\S+, and root keeps nothing.*: (chown -h root|chmod go-w) /', said), said
    if bend == 'link':
        os.lchown(stopped.state, 0, 0)
        stopped.start()
        assert stopped.stop() == 0


@pytest.mark.parametrize('name', ['scram.secret', 'node.key', 'state.id', 'lock', 'journal', 'journal/0-9.seg'])
def test_root_takes_up_no_file_that_another_user_left_in_the_state(stopped, outside, name):
    path = stopped.state / name
    if name == 'journal':
        shutil.move(path, outside / name)
    else:
        remove(path)
        (outside / 'file').write_bytes(b'x' * 32)
    path.symlink_to(outside / (name if name == 'journal' else 'file'))
    os.lchown(path, harness.pg_account().pw_uid, -1)
    before = state_of(outside)
    assert 'may change %s' % path in refused(stopped)
    assert state_of(outside) == before


def test_a_listeners_socket_is_not_made_where_another_user_may_exchange_it(own):
    one = own()
    folder = one.directory / 'sockets'
    folder.mkdir()
    os.chown(folder, harness.pg_account().pw_uid, -1)
    one.config['listeners'] = [{'name': 'local', 'path': str(folder / 'pg.sock')}]
    one.write_config()
    said = refused(one)
    assert 'listeners[0].path' in said and 'may change %s' % folder in said
    os.chown(folder, 0, 0)
    one.start()
    assert (folder / 'pg.sock').stat().st_mode & 0o777 == 0o777
    assert one.stop() == 0


def test_roots_commands_read_another_users_state_with_that_users_rights(own, outside):
    one = own()
    account = harness.pg_account()
    os.chown(one.state, account.pw_uid, account.pw_gid)
    (outside / 'state.id').write_text('0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3\n')
    (outside / 'state.id').chmod(0o600)
    (one.state / 'state.id').symlink_to(outside / 'state.id')
    code, _, errors = command('audit', 'adopt', '--config', one.config_file)
    assert code == 1 and 'state.id' in errors and 'symbolic links' in errors
    (one.state / 'state.id').unlink()
    os.mkfifo(one.state / 'state.id')
    code, _, errors = command('audit', 'adopt', '--config', one.config_file)
    assert code == 1 and 'state.id' in errors


# --- A path that leaves no room for a socket ----------------------------------------------------------------------

def long_state(one, owner=None):
    state = one.directory / ('a' * 60) / ('b' * 60)
    state.mkdir(parents=True)
    if owner:
        os.chown(state, owner.pw_uid, owner.pw_gid)
    one.config['state_dir'] = str(state)
    one.state = state
    one.write_config()
    return state


def test_roots_socket_of_a_long_path_stands_in_run_and_nowhere_else(own):
    one = own(store='embedded')
    long_state(one)
    one.start()
    found = re.search(r'socket_directory\W+(/run/ringfence-[0-9a-f]{8})', one.log())
    assert found, one.log_tail()
    folder = found[1]
    try:
        info = os.lstat(folder)
        assert (info.st_uid, info.st_mode & 0o777) == (harness.pg_account().pw_uid, 0o700)
        # The first rows are there at once, and signed within some seconds.
        harness.eventually(lambda: command('audit', 'verify', '--config', one.config_file)[0] == 0, 15)
        code, out, errors = command('audit', 'verify', '--config', one.config_file)
        assert code == 0, out + errors
        assert one.stop() == 0
        # A name that is taken is not used, whoever took it.
        shutil.rmtree(folder)
        os.symlink('/etc', folder)
        assert folder in refused(one)
        assert os.stat('/etc').st_uid == 0
    finally:
        os.unlink(folder) if os.path.islink(folder) else shutil.rmtree(folder, ignore_errors=True)


def test_others_get_a_socket_in_their_runtime_directory_or_are_told_the_cure(own):
    one = own(store='embedded')
    account = harness.pg_account()
    long_state(one, account)
    os.chown(one.config_file, account.pw_uid, account.pw_gid)
    runtime = one.directory / 'runtime'
    runtime.mkdir(mode=0o700)
    os.chown(runtime, account.pw_uid, account.pw_gid)

    def started(**environment):
        log = one.directory / 'as-other.log'
        with open(log, 'w') as output:
            process = subprocess.Popen([harness.BINARY, 'serve', '--config', one.config_file], stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=output, start_new_session=True, **{
                                           **harness.as_pg(), 'env': {**harness.clean_environment(), **environment}})
        return process, log

    process, log = started()
    assert process.wait(30) != 0
    assert 'shorter state_dir' in log.read_text() and 'RUNTIME_DIRECTORY' in log.read_text()
    process, log = started(RUNTIME_DIRECTORY=str(runtime))
    try:
        harness.eventually(lambda: one.http('/readyz')[0] == 200 or process.poll() is not None, 60)
        assert process.poll() is None, log.read_text()
        assert [path.name[:10] for path in runtime.iterdir()] == ['ringfence-']
    finally:
        process.terminate()
        process.wait(60)
    runtime.chmod(0o777)
    process, log = started(RUNTIME_DIRECTORY=str(runtime))
    assert process.wait(30) != 0 and "is not this user's alone" in log.read_text()

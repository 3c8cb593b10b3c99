"""`ringfence audit verify` where the store is embedded and the appliance does not run."""
import fcntl
import json
import subprocess

import harness


def verify(one, *options):
    return subprocess.run([harness.BINARY, 'audit', 'verify', '--config', one.config_file, *options], text=True, capture_output=True,
                          timeout=120, env=harness.clean_environment())


def test_verify_starts_the_store_by_itself_and_leaves_nothing_behind(own):
    one = own(store='embedded')
    done = verify(one)
    assert done.returncode == 1 and 'no trail yet' in done.stderr, done.stderr
    one.start()
    with one.connect() as connection:
        for n in range(5):
            connection.execute('SELECT %d' % n)
    running = verify(one, '--json')
    assert running.returncode == 0, running.stdout + running.stderr
    assert one.stop() == 0
    data = one.state / 'store/data'
    assert not (data / 'postmaster.pid').exists()
    stopped = verify(one, '--json')
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    [node] = json.loads(stopped.stdout)['nodes']
    assert node['rows'] > json.loads(running.stdout)['nodes'][0]['rows'] and node['unsigned_rows'] == 0 and node['keys'] == 'pinned', node
    assert not (data / 'postmaster.pid').exists()
    # Somebody holds the state directory.
    with open(one.state / 'lock', 'r+') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = verify(one)
        assert done.returncode == 1 and 'not ours to start' in done.stderr and 'in use by process' in done.stderr, done.stderr
    # After a kill the server recovers, and what is found is told by the exit status.
    one.start()
    one.kill()
    assert harness.eventually(lambda: verify(one).returncode == 0, 30, 0.2, 'a store that nobody uses any more')
    one.start()
    assert one.stop() == 0

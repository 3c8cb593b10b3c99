"""Programs that are not Python: pgjdbc as Debian ships it, what npm ships for node, and newer servers."""
import hashlib
import itertools
import json
import pathlib
import shutil
import subprocess

import pytest

import harness
import matrix

JDBC = harness.ROOT / 'tests/e2e/matrix/jdbc'
JAR = pathlib.Path('/usr/share/java/postgresql.jar')
NODE = harness.ROOT / 'tests/e2e/matrix/node'


def install(source, name):
    """npm's packages of a folder, below build/; again only when the folder says something else."""
    if not matrix.tool('npm') or not matrix.tool('node'):
        pytest.skip('node and npm are not installed')
    files = ('package.json', 'package-lock.json')
    wanted = hashlib.sha256(b''.join((source / file).read_bytes() for file in files))
    place = matrix.cache(name)
    stamp = place / 'installed'
    if not stamp.exists() or stamp.read_text() != wanted.hexdigest():
        for file in files:
            shutil.copy(source / file, place / file)
        done = subprocess.run(['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund'], cwd=place,
                              text=True, capture_output=True, timeout=300)
        if done.returncode != 0:
            pytest.skip('npm could not install: ' + done.stderr.strip()[-300:])
        stamp.write_text(wanted.hexdigest())
    return place / 'node_modules'


@pytest.fixture(scope='session')
def modules():
    return install(NODE, 'node')


def unpack(version, directory):
    """The server's programs in a place that its user can enter."""
    packages = install(NODE / 'servers', 'servers')
    native = directory / 'native'
    shutil.copytree(packages / ('server' + version) / 'native', native, symlinks=True)
    hydrate(native)
    for path in itertools.chain([native], native.rglob('*')):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == 'bin' else 0o644)
    return native


def hydrate(native):
    """The package lists its symbolic links in a file, as npm keeps none; its own script runs as part of the
    install, which we do not let packages do."""
    listed = native / 'pg-symlinks.json'
    for entry in json.loads(listed.read_text()) if listed.exists() else []:
        # Both names are given from the package's root; `target` is the link.
        link = native.parent / entry['target']
        if not link.exists() and not link.is_symlink():
            link.symlink_to(native.parent / entry['source'])

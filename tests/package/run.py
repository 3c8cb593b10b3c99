#!/usr/bin/python3
"""run.py CACHE FIRST.deb SECOND.deb RESULT.xml: boots a fresh Debian and runs inside.sh in it.

The fresh tree is made by debootstrap once and kept in CACHE; each run works on a copy. It is booted by
systemd-nspawn with a network of its own that leads nowhere: what apt needs is fetched before. To be run as root.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as xml

HERE = pathlib.Path(__file__).resolve().parent
BOOT_SECONDS_MAX = 900
INCLUDE = 'systemd,systemd-sysv,dbus,ca-certificates,curl,procps,logrotate'
UNIT = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh /rf/inside.sh
ExecStopPost=/bin/systemctl poweroff --no-block
StandardOutput=append:/rf/out
StandardError=append:/rf/out
TimeoutStartSec=%d
""" % (BOOT_SECONDS_MAX - 60)


def say(text):
    print('==> ' + text, file=sys.stderr, flush=True)


def mirror():
    """(URI, codename) of the Debian archive that this machine itself uses."""
    form = '$(REPO_URI)|$(CODENAME)|$(COMPONENT)|$(LABEL)'
    lines = subprocess.check_output(['apt-get', 'indextargets', '--format', form, 'Identifier: Packages'], text=True)
    codename = re.search(r'^VERSION_CODENAME=(.*)$', pathlib.Path('/etc/os-release').read_text(), re.M)[1]
    for line in lines.splitlines():
        uri, name, component, label = line.split('|')
        if name == codename and component == 'main' and label == 'Debian':
            return uri, codename
    sys.exit('no Debian archive of %s among the apt sources' % codename)


def nspawn(tree, *arguments, boot=False, **more):
    # There is no machined to register with, and no cgroup of systemd's above us, unless the host has booted with it.
    command = ['systemd-nspawn', '--quiet', '--directory=%s' % tree, '--register=no', '--keep-unit',
               '--console=pipe', *(['--boot', '--private-network'] if boot else []), *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, 'SYSTEMD_NSPAWN_UNIFIED_HIERARCHY': '1'}, **more)


def base_tree(cache):
    base = cache / 'base'
    if (base / 'complete').exists():
        return base
    uri, codename = mirror()
    say('debootstrap %s from %s' % (codename, uri))
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    with open(cache / 'debootstrap.log', 'wb') as log:
        done = subprocess.run(['debootstrap', '--variant=minbase', '--include=' + INCLUDE, codename, base, uri],
                              stdout=log, stderr=log)
    if done.returncode != 0:
        sys.exit('debootstrap failed: %s' % (cache / 'debootstrap.log'))
    proxy = subprocess.check_output(['apt-config', 'dump', 'Acquire::http::Proxy', 'Acquire::https::Proxy'], text=True)
    (base / 'etc/apt/apt.conf.d/90host').write_text(proxy)
    (base / 'complete').touch()
    return base


def fetch(base, package):
    """Everything that installing the package takes, into apt's cache."""
    (base / 'rf').mkdir(exist_ok=True)
    resolv = pathlib.Path('/etc/resolv.conf')
    if resolv.exists():
        (base / 'etc/resolv.conf').unlink(missing_ok=True)
        shutil.copy(resolv, base / 'etc/resolv.conf')
    command = 'apt-get install -y -q --download-only /rf/first.deb'
    for attempt in (command, 'apt-get update -q && ' + command):
        done = nspawn(base, '--bind-ro=%s:/rf/first.deb' % package, '/bin/sh', '-c', attempt)
        if done.returncode == 0:
            return
    sys.exit('what the package needs could not be fetched:\n' + done.stdout)


def boot(base, cache, first, second):
    tree, shared = cache / 'run', cache / 'shared'
    for path in (tree, shared):
        shutil.rmtree(path, ignore_errors=True)
    subprocess.run(['cp', '-a', '--reflink=auto', base, tree], check=True)
    shared.mkdir()
    shutil.copy(first, shared / 'first.deb')
    shutil.copy(second, shared / 'second.deb')
    shutil.copy(HERE / 'inside.sh', shared)
    (shared / 'out').touch()
    wants = tree / 'etc/systemd/system/default.target.wants'
    wants.mkdir(parents=True, exist_ok=True)
    (tree / 'etc/systemd/system/rf-test.service').write_text(UNIT)
    (wants / 'rf-test.service').symlink_to('../rf-test.service')
    say('booting it')
    try:
        console = nspawn(tree, '--bind=%s:/rf' % shared, boot=True, timeout=BOOT_SECONDS_MAX).stdout
    except subprocess.TimeoutExpired as error:
        console = 'it did not end in time\n%s' % (error.output or '')
    return (shared / 'out').read_text(errors='replace'), console


def report(output, console, result):
    """Each check is a case; a run that did not come to its end is one that failed."""
    suite = xml.Element('testsuite', name='package')
    failed, said = 0, []
    lines = output.splitlines()
    if 'done' not in lines:
        lines += ['# ' + line for line in console.splitlines()[-20:]] + ['not ok the run comes to its end']
    for line in lines:
        match = re.match(r'(not )?ok (.*)', line)
        if not match:
            said.append(line)
            continue
        case = xml.SubElement(suite, 'testcase', classname='package', name=match[2])
        if match[1]:
            failed += 1
            xml.SubElement(case, 'failure').text = '\n'.join(said)
            print('\n'.join([*said, line]), file=sys.stderr)
        elif said:
            print('\n'.join(said), file=sys.stderr)
        said = []
    xml.ElementTree(suite).write(result)
    say('%d checks, %d failed' % (len(suite), failed))
    return failed


def main():
    if os.geteuid() != 0:
        sys.exit('booting a tree needs root')
    cache, first, second, result = map(pathlib.Path, sys.argv[1:5])
    cache.mkdir(parents=True, exist_ok=True)
    base = base_tree(cache.resolve())
    fetch(base, first.resolve())
    output, console = boot(base, cache.resolve(), first, second)
    shutil.rmtree(cache / 'run', ignore_errors=True)
    return 1 if report(output, console, result) else 0


sys.exit(main())

"""A virtual machine with Debian's own kernel, on this machine's files: /, read-only, with memory over /tmp and /run.

For what the kernel at hand cannot do. Needs qemu, libc's static library and, to be quick, /dev/kvm.
"""
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KERNEL_PACKAGE = 'linux-image-amd64'
# What carries the host's files; what is tested; and the ciphers, the fast ones where the processor has them.
MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'tls', 'aesni_intel', 'ghash_clmulni_intel', 'gcm', 'ctr', 'chacha20poly1305',
           'chacha_x86_64', 'poly1305_x86_64', 'ccm', 'virtio_rng']
OPTIONAL = {'aesni_intel', 'ghash_clmulni_intel', 'chacha_x86_64', 'poly1305_x86_64', 'ccm', 'virtio_rng'}


class Missing(Exception):
    """What has to be there and is not, and how to get it."""


def need(program, package):
    if shutil.which(program) is None:
        raise Missing('%s is missing: apt-get install %s' % (program, package))


def fetch_kernel(cache):
    """(kernel image, modules' directory) of the distribution's current kernel, by apt and kept in `cache`."""
    depends = subprocess.run(['apt-cache', 'depends', KERNEL_PACKAGE], capture_output=True, text=True)
    found = re.search(r'Depends: (linux-image-\S+)', depends.stdout)
    if not found:
        raise Missing('apt knows no %s: apt-get update' % KERNEL_PACKAGE)
    package = found[1]
    tree = cache / package
    if not (tree / 'complete').exists():
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(parents=True)
        done = subprocess.run(['apt-get', 'download', '-q', package], cwd=tree, capture_output=True, text=True)
        if done.returncode != 0:
            raise Missing('%s could not be fetched: %s' % (package, done.stderr.strip()))
        subprocess.run(['dpkg-deb', '-x', next(tree.glob('*.deb')), tree], check=True)
        (tree / 'complete').touch()
    return next((tree / 'boot').glob('vmlinuz-*')), next((tree / 'lib/modules').iterdir())


def module_files(directory):
    """Files of MODULES and of what they need, those first, each with whether it may fail to load."""
    by_name = {path.stem.replace('-', '_'): path for path in directory.rglob('*.ko')}
    order = {}

    def add(name, is_optional):
        if name not in by_name:
            if is_optional:
                return
            raise Missing('the kernel has no module %s' % name)
        if name in order:
            return
        depends = re.search(rb'\0depends=([^\0]*)', by_name[name].read_bytes())
        for other in depends[1].decode().split(',') if depends and depends[1] else []:
            add(other.replace('-', '_'), is_optional)
        order[name] = (by_name[name], is_optional)

    for name in MODULES:
        add(name.replace('-', '_'), name in OPTIONAL)
    return list(order.values())


def archive(entries):
    """A cpio archive (newc: Linux, Documentation/driver-api/early-userspace/buffer-format.rst)."""
    out = bytearray()
    for number, (name, mode, content) in enumerate([*entries, ('TRAILER!!!', 0, b'')], 1):
        fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        out += b'070701' + b''.join(b'%08X' % field for field in fields) + name.encode() + b'\0'
        out += b'\0' * (-len(out) % 4) + content
        out += b'\0' * (-len(out) % 4)
    return bytes(out)


def make_initramfs(directory, modules):
    init = directory / 'init'
    built = subprocess.run(['gcc', '-static', '-Os', '-o', init, HERE / 'init.c'], capture_output=True, text=True)
    if built.returncode != 0:
        raise Missing('init.c could not be built (is libc6-dev there?): %s' % built.stderr)
    entries = [('root', 0o040755, b''), ('modules', 0o040755, b''), ('dev', 0o040755, b''), ('init', 0o100755, init.read_bytes()),
               ('dev/console', 0o020600, b'')]
    order = ''
    for path, is_optional in module_files(modules):
        order += ('-' if is_optional else '') + path.name + '\n'
        entries.append(('modules/' + path.name, 0o100644, path.read_bytes()))
    entries.append(('modules/order', 0o100644, order.encode()))
    entries.append(('modules/project', 0o100644, str(ROOT).encode()))
    (directory / 'initramfs').write_bytes(archive(entries))
    return directory / 'initramfs'


def can_virtualise():
    """/dev/kvm alone says little: there are kinds of it that boot only kernels made for them."""
    flags = re.search(r'^flags.*', pathlib.Path('/proc/cpuinfo').read_text(), re.M)
    return os.access('/dev/kvm', os.R_OK | os.W_OK) and bool({'vmx', 'svm'} & set(flags[0].split() if flags else []))


def run(cache, command, seconds_max, memory_mb=3072, processors=2):
    """Boots, runs the shell script `command` as root and returns (its exit code or None, the directory that it saw as
    /run/results). The project is at /run/project. The console is in `console`."""
    need('qemu-system-x86_64', 'qemu-system-x86')
    need('gcc', 'g++')
    kernel, modules = fetch_kernel(cache)
    results = cache / 'results'
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    (results / 'command').write_text(command)
    has_kvm = can_virtualise()
    if not has_kvm:
        print('no virtualisation by the processor here: emulating one, which is slow', file=sys.stderr)
    arguments = ['qemu-system-x86_64', *(['-accel', 'kvm', '-cpu', 'host'] if has_kvm else ['-accel', 'tcg', '-cpu', 'max']),
                 '-m', str(memory_mb), '-smp', str(processors), '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot',
                 '-serial', 'file:%s' % (results / 'console'), '-nic', 'none', '-device', 'virtio-rng-pci',
                 '-kernel', str(kernel), '-initrd', str(make_initramfs(cache, modules)),
                 '-append', 'console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on',
                 '-virtfs', 'local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap',
                 '-virtfs', 'local,path=%s,mount_tag=results,security_model=none' % results]
    machine = subprocess.Popen(arguments, stdin=subprocess.DEVNULL)
    try:
        machine.wait(seconds_max if has_kvm else seconds_max * 6)
    except subprocess.TimeoutExpired:
        machine.kill()
        machine.wait()
    status = results / 'status'
    return (int(status.read_text()) if status.exists() else None), results

#!/usr/bin/python3
"""Reads the includes of every source file and fails on one that the layer table (docs/architecture.md) forbids.

usage: layers_test.py ROOT      checks ROOT/src and ROOT/include, after proving on made-up trees that it catches
                                each kind of violation.
"""
import pathlib
import re
import sys
import tempfile

# Folder -> level. A folder includes from lower levels; the exceptions are below. A folder within a folder stands for
# itself: who is in `proxy` is in no layer.
LEVELS = {
    'base': 0,
    'crypto': 1, 'pg': 1, 'http': 1, 'sql': 1, 'policy': 1,
    'ring': 2, 'model': 2,
    'store': 3, 'net': 3,
    'audit': 4, 'auth': 4,
    'proxy/core': 5, 'live': 5,
    'proxy/pg': 6, 'proxy/http': 6, 'proxy/tcp': 6, 'control': 6,
    'admin/web': 7, 'admin/api': 7,
    'app': 8, 'app/config': 8, 'app/client': 8, 'app/commands': 8,
}
# Lower levels that a folder may not include none the less: what it asks goes through others.
NEVER = {'admin/web': ['proxy/'], 'admin/api': ['proxy/']}
# Folders whose private headers another folder may include.
PRIVATE_TO = {'app/config': {'app', 'app/client', 'app/commands'}, 'app': {'app/commands'}, 'app/client': {'app/commands'}}
# Headers of the same level that a folder may include none the less.
SIDEWAYS = {
    'app': ['ringfence/app/config/'],
    'app/commands': ['ringfence/app/'],
    'app/client': ['ringfence/app/config/'],
    'admin/api': ['ringfence/admin/web/'],
    'pg': ['ringfence/crypto/'],
    'http': ['ringfence/crypto/'],
    'sql': ['ringfence/crypto/'],
    'policy': ['ringfence/crypto/', 'ringfence/sql/facts.h', 'ringfence/sql/known_kinds.h'],
}
# Libraries with one home each.
HOMES = [
    (re.compile(r'liburing(\.h|/)'), {'ring'}, 'liburing lives in ring alone'),
    (re.compile(r'(postgresql/)?(libpq-fe|libpq/.*|pg_config.*|postgres_ext)\.h'), {'store'}, 'libpq lives in store alone'),
    (re.compile(r'openssl/(ssl|tls1|bio|err|x509.*|core_names|params)\.h'), {'net', 'crypto'}, 'libssl lives in net, libcrypto in crypto'),
    (re.compile(r'openssl/'), {'crypto'}, 'libcrypto lives in crypto alone'),
    (re.compile(r'intel-ipsec-mb\.h'), {'crypto'}, 'the multi-buffer library lives in crypto alone'),
    (re.compile(r'argon2\.h'), {'crypto'}, 'Argon2 lives in crypto alone'),
    (re.compile(r'pg_query(\.h|/)'), {'sql'}, 'libpg_query lives in sql alone'),
    (re.compile(r'hs(/hs)?(_.*)?\.h'), {'policy'}, 'Hyperscan lives in policy alone'),
    (re.compile(r'llhttp\.h'), {'http'}, 'llhttp lives in http alone'),
    (re.compile(r'wslay/'), {'http'}, 'wslay lives in http alone'),
    (re.compile(r'curl/'), {'app/client'}, 'libcurl lives in app/client alone'),
    (re.compile(r'(CLI/|yaml-cpp/)'), {'app', 'app/config', 'app/client', 'app/commands'}, 'command line and configuration file are read by app alone'),
]
# Level 1 is pure: no IO, no threads, no clock, no log. Times and randomness are arguments.
IMPURE = re.compile(
    r'(ringfence/base/(log|clock)\.h|thread|mutex|shared_mutex|condition_variable|future|fstream|iostream|filesystem'
    r'|unistd\.h|fcntl\.h|poll\.h|netdb\.h|pthread\.h|sys/(socket|epoll|mman|stat|timerfd|eventfd|un)\.h'
    r'|netinet/.*|arpa/inet\.h)$')
PURE = {'pg', 'http', 'sql', 'policy'}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def folder_of(parts):
    """Of a path below src or include/ringfence: the deepest folder that is a layer; else the first one."""
    for depth in range(len(parts) - 1, 0, -1):
        if '/'.join(parts[:depth]) in LEVELS:
            return '/'.join(parts[:depth])
    return parts[0]


def sources(root):
    for top in ('include/ringfence', 'src'):
        base = root / top
        for path in sorted(base.rglob('*')):
            if path.suffix in ('.h', '.cc', '.c', '.hpp', '.cpp') and len(path.relative_to(base).parts) > 1:
                yield top, folder_of(path.relative_to(base).parts), path


def verdict(root, top, folder, path, name):
    """Why this include is forbidden, or None."""
    if folder not in LEVELS:
        return 'the folder %s is not in the layer table' % folder
    level = LEVELS[folder]
    ours = re.match(r'(?:ringfence|(?:\.\./)*src)/(.+)', name)
    other = folder_of(tuple(ours[1].split('/'))) if ours else None
    if name.startswith('ringfence/'):
        if other not in LEVELS:
            return 'no such folder'
        if other != folder:
            if any(other.startswith(prefix) for prefix in NEVER.get(folder, [])):
                return '%s never includes %s' % (folder, other)
            sideways = any(name.startswith(prefix) for prefix in SIDEWAYS.get(folder, []))
            if LEVELS[other] >= level and not sideways:
                return '%s (level %d) may not include %s (level %d)' % (folder, level, other, LEVELS[other])
    else:
        # A private header: beside the file that includes it, or below src/<the same folder>.
        owner = folder_of(tuple(name.split('/')))
        resolved = (path.parent / name).resolve()
        if resolved.is_file() and (root / 'src').resolve() in resolved.parents:
            owner = folder_of(resolved.relative_to((root / 'src').resolve()).parts)
            if owner != folder and folder not in PRIVATE_TO.get(owner, ()):
                return 'a private header of %s' % owner
            if top == 'include/ringfence':
                return 'a public header includes a private one'
        elif owner in LEVELS and (root / 'src' / name).is_file():
            if owner != folder and folder not in PRIVATE_TO.get(owner, ()):
                return 'a private header of %s' % owner
            if top == 'include/ringfence':
                return 'a public header includes a private one'
    for pattern, homes, reason in HOMES:
        if pattern.match(name):
            return None if folder in homes else reason
    if folder in PURE and IMPURE.match(name):
        return 'level 1 does no IO, starts no threads, reads no clock and writes no log'
    return None


def violations(root):
    for top, folder, path in sources(root):
        text = path.read_text(errors='replace')
        for match in INCLUDE.finditer(text):
            reason = verdict(root, top, folder, path, match[2])
            if reason:
                line = text.count('\n', 0, match.start()) + 1
                yield '%s:%d: #include %s: %s' % (path.relative_to(root), line, match[2], reason)


def self_test():
    """Each forbidden thing in a tree of its own is found, and what is allowed is not."""
    forbidden = [
        ('include/ringfence/base/a.h', '#include "ringfence/pg/frames.h"'),
        ('src/pg/a.cc', '#include "ringfence/http/parser.h"'),
        ('src/pg/a.cc', '  #  include "ringfence/ring/ring.h"'),
        ('src/sql/a.cc', '#include "ringfence/policy/rules.h"'),
        ('src/policy/a.cc', '#include "ringfence/sql/lexer.h"'),
        ('src/proxy/core/a.cc', '#include "ringfence/admin/web/server.h"'),
        ('src/proxy/core/a.cc', '#include "ringfence/proxy/pg/session.h"'),
        ('src/proxy/pg/a.cc', '#include "ringfence/proxy/tcp/session.h"'),
        ('src/proxy/a.cc', '#include <vector>'),
        ('src/control/a.cc', '#include "ringfence/proxy/pg/session.h"'),
        ('include/ringfence/admin/web/a.h', '#include "ringfence/proxy/core/session.h"'),
        ('src/admin/api/a.cc', '#include "ringfence/proxy/core/session.h"'),
        ('src/admin/a.cc', '#include <vector>'),
        ('src/admin/web/a.cc', '#include "ringfence/admin/api/users.h"'),
        ('src/app/config/a.cc', '#include "ringfence/app/appliance.h"'),
        ('src/store/a.cc', '#include "app/config/secret.h"'),
        ('src/store/a.cc', '#include "ringfence/net/stream.h"'),
        ('src/net/a.cc', '#include <liburing.h>'),
        ('src/audit/a.cc', '#include <libpq-fe.h>'),
        ('src/audit/a.cc', '#include <postgresql/libpq-fe.h>'),
        ('src/proxy/core/a.cc', '#include <openssl/ssl.h>'),
        ('src/net/a.cc', '#include <openssl/evp.h>'),
        ('src/policy/a.cc', '#include <pg_query.h>'),
        ('src/sql/a.cc', '#include <hs/hs.h>'),
        ('src/app/a.cc', '#include <curl/curl.h>'),
        ('src/pg/a.cc', '#include "ringfence/base/clock.h"'),
        ('src/http/a.cc', '#include <sys/socket.h>'),
        ('src/audit/a.cc', '#include "../store/secret.h"'),
        ('src/audit/a.cc', '#include "store/secret.h"'),
        ('include/ringfence/store/a.h', '#include "store/secret.h"'),
        ('src/unheard/a.cc', '#include <vector>'),
    ]
    allowed = [
        ('src/pg/a.cc', '#include "ringfence/crypto/digest.h"\n#include <vector>\n// #include <liburing.h>'),
        ('src/policy/a.cc', '#include "ringfence/sql/facts.h"\n#include <hs.h>'),
        ('src/proxy/pg/a.cc', '#include "ringfence/net/stream.h"\n#include "ringfence/audit/event.h"\n#include "ringfence/proxy/core/a.h"'),
        ('src/control/a.cc', '#include "ringfence/proxy/core/registry.h"'),
        ('src/admin/api/a.cc', '#include "ringfence/admin/web/router.h"\n#include "ringfence/control/sessions.h"'),
        ('src/app/commands/a.cc', '#include "app/config/secret.h"\n#include "ringfence/app/lint.h"'),
        ('src/store/a.cc', '#include "secret.h"\n#include "store/secret.h"\n#include <libpq-fe.h>'),
        ('src/net/a.cc', '#include <openssl/ssl.h>\n#include "ringfence/ring/ring.h"'),
        ('src/app/a.cc', '#include "ringfence/admin/api/admin_server.h"\n#include "ringfence/proxy/pg/session.h"\n#include <thread>'),
    ]
    wrong = []
    for expected, cases in ((1, forbidden), (0, allowed)):
        for name, text in cases:
            with tempfile.TemporaryDirectory() as directory:
                root = pathlib.Path(directory)
                for other, content in (('src/store/secret.h', ''), ('src/app/config/secret.h', ''), (name, text + '\n')):
                    (root / other).parent.mkdir(parents=True, exist_ok=True)
                    (root / other).write_text(content)
                found = list(violations(root))
                if len(found) != expected:
                    wrong.append('self-test: %s with %r: expected %d violation(s), found %s'
                                 % (name, text, expected, found))
    return wrong


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    problems = self_test()
    checked = sum(1 for _ in sources(root))
    if not checked:
        problems.append('no sources below %s' % root)
    problems += violations(root)
    for problem in problems:
        print(problem)
    print('%d files read, %d problem(s)' % (checked, len(problems)))
    return 1 if problems else 0


sys.exit(main())

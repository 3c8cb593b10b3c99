"""Certificates for tests, made with the openssl command: a CA with good and bad children, and its revocation list."""
import datetime
import subprocess

CONFIG = '''
[ca]
default_ca = rf
[rf]
dir = {dir}
database = {dir}/index.txt
serial = {dir}/serial
crlnumber = {dir}/crlnumber
new_certs_dir = {dir}/issued
certificate = {dir}/ca.crt
private_key = {dir}/ca.key
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = optional
organizationName = optional
[req]
distinguished_name = none
[none]
'''


class Authority:
    def __init__(self, directory, name='Test CA'):
        self.directory = directory
        (directory / 'issued').mkdir(parents=True)
        (directory / 'index.txt').write_text('')
        (directory / 'serial').write_text('1000\n')
        (directory / 'crlnumber').write_text('01\n')
        (directory / 'ca.cnf').write_text(CONFIG.format(dir=directory))
        self.certificate = directory / 'ca.crt'
        self.crl = directory / 'ca.crl'
        self.openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30',
                     '-subj', '/CN=' + name, '-keyout', 'ca.key', '-out', 'ca.crt',
                     '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=keyCertSign,cRLSign')
        self.revoke()

    def openssl(self, *arguments):
        done = subprocess.run(['openssl', *map(str, arguments)], cwd=self.directory, capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout

    def issue(self, name, subject, names='', days=30, begin=0, algorithm='ec', usage='serverAuth,clientAuth'):
        """A certificate and key: (crt, key). `begin` and `days` are days from today; `names` as in subjectAltName."""
        key = ['-newkey', 'rsa:2048'] if algorithm == 'rsa' else \
            ['-newkey', 'ed25519'] if algorithm == 'ed25519' else ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
        extensions = ['-addext', 'extendedKeyUsage=' + usage]
        if names:
            extensions += ['-addext', 'subjectAltName=' + names]
        self.openssl('req', *key, '-nodes', '-subj', subject, '-keyout', name + '.key', '-out', name + '.csr', *extensions)
        now = datetime.datetime.now(datetime.timezone.utc)
        day = lambda n: (now + datetime.timedelta(days=n)).strftime('%Y%m%d%H%M%SZ')  # noqa: E731
        self.openssl('ca', '-batch', '-config', 'ca.cnf', '-notext', '-in', name + '.csr', '-out', name + '.crt',
                     '-startdate', day(begin - 0.1), '-enddate', day(days))
        (self.directory / (name + '.key')).chmod(0o600)
        return self.directory / (name + '.crt'), self.directory / (name + '.key')

    def self_signed(self, name, subject, names):
        self.openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30',
                     '-subj', subject, '-keyout', name + '.key', '-out', name + '.crt',
                     '-addext', 'subjectAltName=' + names)
        (self.directory / (name + '.key')).chmod(0o600)
        return self.directory / (name + '.crt'), self.directory / (name + '.key')

    def revoke(self, *certificates):
        """Revokes these and writes the list anew."""
        for certificate in certificates:
            self.openssl('ca', '-batch', '-config', 'ca.cnf', '-revoke', certificate)
        self.openssl('ca', '-batch', '-config', 'ca.cnf', '-gencrl', '-out', self.crl)


def fingerprint(path):
    out = subprocess.run(['openssl', 'x509', '-in', str(path), '-noout', '-fingerprint', '-sha256'], capture_output=True,
                         text=True, check=True).stdout
    return out.split('=')[1].strip()

// OpenSSL's objects with owners. Private to the folder.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "ringfence/base/result.h"
#include "ringfence/net/tls.h"

namespace ringfence::net {

template <auto free_it>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    free_it(object);
  }
};
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, Freer<X509_free>>;
using CrlPtr = std::unique_ptr<X509_CRL, Freer<X509_CRL_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

// The newest of this thread's errors, without source lines; empties the queue.
std::string openssl_reason();
tl::unexpected<Error> fail_openssl(Fault fault, std::string what);

// PEM text, which is not copied. Never asks anybody for a passphrase: an encrypted key is an error.
BioPtr bio_of(std::string_view pem);
int no_passphrase(char*, int, int, void*);

std::string rfc2253(const X509_NAME* subject);
// tls-server-end-point (RFC 5929, section 4.1); empty where the signature has no hash of its own.
std::string endpoint_hash_of(X509* certificate);
TlsCertificate facts_of(X509* certificate);
TlsPeerNames names_of(X509* certificate);

// What an engine's context asks of its SSL object.
class TlsEngine;
TlsEngine* engine_of(const SSL* ssl);

}  // namespace ringfence::net

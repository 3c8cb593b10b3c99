// Certificates as values: names, fingerprints, dates, what channel binding needs; and one made for
// development.
#include <strings.h>
#include <cstring>

#include <arpa/inet.h>

#include "ringfence/crypto/secret.h"
#include "tls_openssl.h"

namespace ringfence::net {

std::string openssl_reason() {
  unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  return reason != nullptr ? reason : "unknown reason";
}

tl::unexpected<Error> fail_openssl(Fault fault, std::string what) {
  return fail(fault, std::move(what) + ": " + openssl_reason());
}

BioPtr bio_of(std::string_view pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

int no_passphrase(char*, int, int, void*) { return -1; }

namespace {

uint64_t unix_time(const ASN1_TIME* time) {
  tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  time_t seconds = timegm(&parts);
  return seconds > 0 ? static_cast<uint64_t>(seconds) : 0;
}

// UTF-8, or nothing when it holds a NUL: such a name is made to deceive (CVE-2009-2408).
std::optional<std::string> text_of(const ASN1_STRING* value) {
  unsigned char* utf8 = nullptr;
  int size = ASN1_STRING_to_UTF8(&utf8, value);
  if (size < 0) {
    ERR_clear_error();
    return std::nullopt;
  }
  std::string out(reinterpret_cast<char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  if (out.empty() || out.find('\0') != std::string::npos) return std::nullopt;
  return out;
}

bool add_extension(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) return false;
  bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

std::string content_of(BIO* bio) {
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

// A label of a host name as it may stand in a certificate's list of names.
bool is_plain_host(const std::string& host) {
  if (host.empty() || host.size() > 64) return false;
  for (char c : host) {
    bool is_safe =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    if (!is_safe) return false;
  }
  return true;
}

}  // namespace

std::string rfc2253(const X509_NAME* subject) {
  BioPtr out(BIO_new(BIO_s_mem()));
  if (!out || subject == nullptr) return {};
  // As PostgreSQL prints it for clientname=DN.
  X509_NAME_print_ex(out.get(), subject, 0, XN_FLAG_RFC2253);
  return content_of(out.get());
}

std::string endpoint_hash_of(X509* certificate) {
  int digest_nid = NID_undef;
  if (X509_get_signature_info(certificate, &digest_nid, nullptr, nullptr, nullptr) != 1) {
    ERR_clear_error();
    return {};
  }
  const EVP_MD* digest = nullptr;
  if (digest_nid == NID_md5 || digest_nid == NID_sha1) digest = EVP_sha256();
  else if (digest_nid != NID_undef) digest = EVP_get_digestbynid(digest_nid);
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (digest == nullptr || X509_digest(certificate, digest, hash, &size) != 1) {
    ERR_clear_error();
    return {};
  }
  return std::string(reinterpret_cast<char*>(hash), size);
}

TlsCertificate facts_of(X509* certificate) {
  TlsCertificate out;
  out.subject = rfc2253(X509_get_subject_name(certificate));
  out.not_before_s = unix_time(X509_get0_notBefore(certificate));
  out.not_after_s = unix_time(X509_get0_notAfter(certificate));
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), hash, &size) == 1) {
    constexpr char digits[] = "0123456789ABCDEF";
    for (unsigned i = 0; i < size; ++i) {
      if (i > 0) out.fingerprint += ':';
      out.fingerprint += digits[hash[i] >> 4];
      out.fingerprint += digits[hash[i] & 15];
    }
  }
  return out;
}

TlsPeerNames names_of(X509* certificate) {
  TlsPeerNames out;
  const X509_NAME* subject = X509_get_subject_name(certificate);
  out.dn = rfc2253(subject);
  int first = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (first >= 0 && X509_NAME_get_index_by_NID(subject, NID_commonName, first) < 0) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, first);
    out.cn = text_of(X509_NAME_ENTRY_get_data(entry)).value_or("");
  }
  auto* names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
    const auto* text = static_cast<const ASN1_STRING*>(value);
    if (type == GEN_IPADD) {
      out.ips.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                           static_cast<size_t>(ASN1_STRING_length(text)));
      continue;
    }
    std::vector<std::string>* list = type == GEN_DNS     ? &out.dns
                                     : type == GEN_EMAIL ? &out.emails
                                     : type == GEN_URI   ? &out.uris
                                                         : nullptr;
    if (list == nullptr) continue;
    if (auto name = text_of(text)) list->push_back(std::move(*name));
  }
  GENERAL_NAMES_free(names);
  ERR_clear_error();
  return out;
}

namespace {

bool matches_name(const std::string& pattern, const std::string& host) {
  if (strcasecmp(pattern.c_str(), host.c_str()) == 0) return true;
  if (pattern.size() < 3 || pattern[0] != '*' || pattern[1] != '.' || pattern.size() > host.size())
    return false;
  std::string_view tail = std::string_view(pattern).substr(1);
  size_t label = host.size() - tail.size();
  if (strcasecmp(host.c_str() + label, tail.data()) != 0) return false;
  return host.find('.') >= label;
}

}  // namespace

bool matches_host(const TlsPeerNames& names, const std::string& host) {
  char raw[16];
  size_t raw_size = inet_pton(AF_INET, host.c_str(), raw) == 1    ? 4
                    : inet_pton(AF_INET6, host.c_str(), raw) == 1 ? 16
                                                                  : 0;
  if (raw_size > 0) {
    for (const std::string& ip : names.ips) {
      if (ip == std::string_view(raw, raw_size)) return true;
    }
    if (!names.ips.empty()) return false;
  } else {
    for (const std::string& name : names.dns) {
      if (matches_name(name, host)) return true;
    }
    if (!names.dns.empty()) return false;
  }
  return !names.cn.empty() && matches_name(names.cn, host);
}

Result<TlsCertificate> read_certificate(std::string_view pem) {
  BioPtr bio = bio_of(pem);
  X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
  if (!certificate) return fail_openssl(Fault::malformed, "no certificate");
  return facts_of(certificate.get());
}

Result<TlsKeyPair> make_development_certificate(const std::string& host, uint32_t days) {
  KeyPtr key(EVP_EC_gen("P-256"));
  X509Ptr certificate(X509_new());
  if (!key || !certificate) return fail_openssl(Fault::internal, "make a key");
  X509_set_version(certificate.get(), X509_VERSION_3);
  unsigned char serial[16];
  if (auto filled = crypto::random_fill(reinterpret_cast<char*>(serial), sizeof serial); !filled) {
    return unexpected(std::move(filled).error());
  }
  serial[0] = static_cast<unsigned char>(serial[0] & 0x7f) | 0x40;  // Positive, and never shorter.
  BIGNUM* number = BN_bin2bn(serial, sizeof serial, nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate.get()));
  BN_free(number);
  // A clock that is a little behind ours is no reason to refuse it.
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3'600);
  X509_time_adj_ex(X509_getm_notAfter(certificate.get()), static_cast<int>(days), 0, nullptr);
  bool has_host = is_plain_host(host);
  std::string common = has_host ? host : "localhost";
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  bool ok = X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                       reinterpret_cast<const unsigned char*>(common.data()),
                                       static_cast<int>(common.size()), -1, 0) == 1;
  ok = ok && X509_set_issuer_name(certificate.get(), subject) == 1 &&
       X509_set_pubkey(certificate.get(), key.get()) == 1;
  std::string names = "DNS:localhost,IP:127.0.0.1,IP:::1";
  if (has_host && host != "localhost") names += ",DNS:" + host;
  ok = ok && add_extension(certificate.get(), NID_subject_alt_name, names);
  // Its own issuer, so that a client may take the file itself as its root.
  ok = ok && add_extension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  ok = ok && add_extension(certificate.get(), NID_key_usage, "critical,digitalSignature,keyCertSign");
  ok = ok && add_extension(certificate.get(), NID_ext_key_usage, "serverAuth");
  ok = ok && add_extension(certificate.get(), NID_subject_key_identifier, "hash");
  ok = ok && X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0;
  BioPtr certificate_out(BIO_new(BIO_s_mem()));
  BioPtr key_out(BIO_new(BIO_s_secmem()));
  ok = ok && PEM_write_bio_X509(certificate_out.get(), certificate.get()) == 1 &&
       PEM_write_bio_PKCS8PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1;
  if (!ok) return fail_openssl(Fault::internal, "make a certificate");
  return TlsKeyPair{content_of(certificate_out.get()), content_of(key_out.get())};
}

std::string tls_library() { return OpenSSL_version(OPENSSL_VERSION); }

}  // namespace ringfence::net

// Verifiers, keys and the preparation of passwords: what has to do with secrets but not with messages.
#include <stringprep.h>

#include <charconv>
#include <cstdlib>
#include <vector>

#include "ringfence/base/utf8.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/pg/scram.h"
#include "scram_text.h"

namespace ringfence::pg {
// PostgreSQL looks for prohibited characters and mixed directions before it normalises, RFC 4013 afterwards.
// So the profile is applied without its NFKC step, which comes by itself.
std::string prepare_password(ByteView password) {
  if (is_ascii(password) || !is_valid_text(password)) return std::string(password);
  static const auto checks = [] {
    std::vector<Stringprep_profile> steps;
    for (const Stringprep_profile* step = stringprep_saslprep; step->operation != 0; ++step)
      if (step->operation != STRINGPREP_NFKC) steps.push_back(*step);
    steps.push_back({});
    return steps;
  }();
  // Mapping replaces or removes characters; it makes no text longer.
  std::string mapped(password);
  mapped.push_back('\0');
  const int error = stringprep(mapped.data(), mapped.size(), STRINGPREP_NO_UNASSIGNED, checks.data());
  std::string out;
  if (error == STRINGPREP_OK && mapped[0] != '\0') {
    if (char* normal = stringprep_utf8_nfkc_normalize(mapped.c_str(), -1)) {
      out = normal;
      crypto::secure_zero(normal, out.size());
      std::free(normal);
    }
  }
  crypto::secure_zero(mapped);
  return out.empty() ? std::string(password) : out;
}

ScramKeys derive_scram_keys(ByteView password, ByteView salt, uint32_t iterations) {
  RINGFENCE_ASSERT(iterations >= 1 && iterations <= scram_iterations_max && !salt.empty());
  std::string prepared = prepare_password(password);
  crypto::Digest salted = crypto::pbkdf2_hmac_sha256(prepared, salt, iterations);
  ScramKeys keys{crypto::hmac_sha256(crypto::view_of(salted), "Client Key"),
                 crypto::hmac_sha256(crypto::view_of(salted), "Server Key")};
  crypto::secure_zero(prepared);
  crypto::secure_zero(salted);
  return keys;
}

ScramVerifier make_scram_verifier(ByteView password, ByteView salt, uint32_t iterations) {
  ScramKeys keys = derive_scram_keys(password, salt, iterations);
  ScramVerifier out;
  out.iterations = iterations;
  out.salt = salt;
  out.stored_key = crypto::sha256(crypto::view_of(keys.client_key));
  out.server_key = keys.server_key;
  crypto::secure_zero(keys.client_key);
  return out;
}

namespace {
crypto::Digest derive_mock(ByteView server_secret, std::string_view purpose, std::string_view user) {
  crypto::HmacSha256 hmac(server_secret);
  hmac.update("ringfence mock verifier ");
  hmac.update(purpose);
  hmac.update(user);
  return hmac.finish();
}
}  // namespace

std::string scram_salt_of(ByteView server_secret, std::string_view user, size_t size) {
  std::string salt;
  for (uint32_t part = 0; salt.size() < size; ++part) {
    const std::string purpose = part == 0 ? "salt " : "salt " + std::to_string(part) + " ";
    salt.append(crypto::view_of(derive_mock(server_secret, purpose, user)));
  }
  salt.resize(size);
  return salt;
}

ScramVerifier mock_scram_verifier(ByteView server_secret, std::string_view user, ScramShape shape) {
  ScramVerifier out;
  out.iterations = shape.iterations;
  out.salt = scram_salt_of(server_secret, user, shape.salt_size);
  out.stored_key = derive_mock(server_secret, "stored key ", user);
  out.server_key = derive_mock(server_secret, "server key ", user);
  out.is_mock = true;
  return out;
}

Result<ScramVerifier> parse_scram_verifier(std::string_view text) {
  const auto bad = [] { return fail(Fault::malformed, "not a SCRAM-SHA-256 verifier"); };
  auto cut =
      [&text](char separator) -> std::string_view {  // What precedes the separator; empty if there is none.
    const size_t at = text.find(separator);
    if (at == std::string_view::npos) return {};
    std::string_view part = text.substr(0, at);
    text.remove_prefix(at + 1);
    return part;
  };
  if (cut('$') != scram_mechanism) return bad();
  ScramVerifier out;
  const std::string_view iterations = cut(':');
  auto [end, error] =
      std::from_chars(iterations.data(), iterations.data() + iterations.size(), out.iterations);
  if (iterations.empty() || error != std::errc() || end != iterations.data() + iterations.size() ||
      out.iterations < 1 || out.iterations > scram_iterations_max)
    return bad();
  auto salt = base64_decode(cut('$'));
  auto stored_key = scram_digest(cut(':'));
  auto server_key = scram_digest(text);
  if (!salt || salt->empty() || !stored_key || !server_key) return bad();
  out.salt = std::move(*salt);
  out.stored_key = *stored_key;
  out.server_key = *server_key;
  return out;
}

std::string format_scram_verifier(const ScramVerifier& verifier) {
  std::string out(scram_mechanism);
  out += "$" + std::to_string(verifier.iterations) + ":" + base64_encode(verifier.salt);
  out += "$" + base64_encode(crypto::view_of(verifier.stored_key));
  out += ":" + base64_encode(crypto::view_of(verifier.server_key));
  return out;
}

Result<std::string> md5_password(std::string_view user, std::string_view password,
                                 const std::array<char, 4>& salt) {
  std::string secret = std::string(password).append(user);
  auto inner = crypto::md5_hex(secret);
  crypto::secure_zero(secret);
  if (!inner) return unexpected(inner.error());
  auto outer = crypto::md5_hex(inner->append(salt.data(), salt.size()));
  crypto::secure_zero(*inner);
  if (!outer) return unexpected(outer.error());
  return "md5" + *outer;
}

}  // namespace ringfence::pg

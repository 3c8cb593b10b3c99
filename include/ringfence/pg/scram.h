// SCRAM-SHA-256 (RFC 5802, RFC 7677) as PostgreSQL speaks it ("SASL Authentication"): both sides as state
// machines over whole messages.
//
// Nonces and salts are arguments; nothing here draws randomness. The slow part, PBKDF2, is apart
// (make_scram_verifier, derive_scram_keys) and belongs on a worker thread; the state machines themselves cost
// a few HMACs. Everything that takes a peer's message is reached before authentication.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"
#include "ringfence/crypto/digest.h"

namespace ringfence::pg {

constexpr std::string_view scram_mechanism = "SCRAM-SHA-256";
constexpr std::string_view scram_plus_mechanism = "SCRAM-SHA-256-PLUS";

// What PostgreSQL uses for new verifiers.
constexpr uint32_t scram_iterations_default = 4096;
// More would let a hostile server keep a worker busy for seconds.
constexpr uint32_t scram_iterations_max = 1'000'000;
constexpr size_t scram_salt_size = 16;
// Random bytes of a nonce before base64, as PostgreSQL has it.
constexpr size_t scram_nonce_size = 18;
// PostgreSQL's bound on a client's message. Servers' messages are a little longer: they echo the nonce.
constexpr size_t scram_client_message_max = 1024;
constexpr size_t scram_server_message_max = 4096;

// What a server stores in place of a password. Not a secret as a password is, but whoever has it can pose as
// the server, so it is kept out of logs likewise.
struct ScramVerifier {
  uint32_t iterations = scram_iterations_default;
  std::string salt;
  crypto::Digest stored_key{};
  crypto::Digest server_key{};
  bool is_mock = false;  // Belongs to no user: verification ends like that of a wrong password.
};

// PostgreSQL's text form: SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>, base64 in its three
// parts.
Result<ScramVerifier> parse_scram_verifier(std::string_view text);
std::string format_scram_verifier(const ScramVerifier& verifier);
// Slow. `iterations` is within 1..scram_iterations_max and `salt` is not empty.
ScramVerifier make_scram_verifier(ByteView password, ByteView salt,
                                  uint32_t iterations = scram_iterations_default);
// What a challenge shows of a verifier.
struct ScramShape {
  uint32_t iterations = scram_iterations_default;
  uint32_t salt_size = scram_salt_size;
  auto operator<=>(const ScramShape&) const = default;
};
// The salt of a user who does not exist, and of one whose verifier we make ourselves: always the same for one
// name, also when the user comes or goes. `server_secret` is random and the node's own; it is the same on all
// nodes where clients may compare them.
std::string scram_salt_of(ByteView server_secret, std::string_view user, size_t size = scram_salt_size);
// The verifier for a user who does not exist: neither the salt nor the time tells that. Its shape:
// scram_shapes.h.
ScramVerifier mock_scram_verifier(ByteView server_secret, std::string_view user, ScramShape shape = {});

// SASLprep (RFC 4013) with PostgreSQL's leniency: pure ASCII is taken as it is, and so are bytes that are not
// valid UTF-8, that hold prohibited or unassigned characters, or of which nothing would remain.
std::string prepare_password(ByteView password);

// Channel binding. `data` is the certificate's hash for tls-server-end-point (RFC 5929), the only type
// offered.
struct ScramServerBinding {
  bool plus_was_offered = false;  // SCRAM-SHA-256-PLUS stood in our list of mechanisms.
  bool plus_was_chosen = false;   // The client chose it.
  std::string data;
};

// One more secret of a user, made with the salt and the iterations of the verifier that the challenge shows.
struct ScramSecret {
  crypto::Digest stored_key{};
  crypto::Digest server_key{};
  bool is_mock = false;  // Nobody's: it takes the time of one, and no proof is right.
};

// The server's side of one login. A client proves that it knows one of several secrets, and does not say
// which: the challenge is the same for all that share a salt. Each is compared with the proof, whether
// another one was right or not.
class ScramServer {
 public:
  // `nonce` is printable without commas: base64 of scram_nonce_size random bytes.
  ScramServer(ScramVerifier verifier, std::string nonce, ScramServerBinding binding = {},
              std::vector<ScramSecret> others = {});

  // client-first-message in, server-first-message out. The user name in it is ignored, as in PostgreSQL: the
  // startup message's counts.
  Result<std::string> challenge(ByteView client_first);
  // client-final-message in, server-final-message out if the proof is right. Fault::denied is a wrong
  // password (or no such user); Fault::malformed breaks the protocol.
  Result<std::string> verify(ByteView client_final);
  // After verify() has passed: which secret it was. 0: the verifier; n: the nth of the others.
  size_t proven() const { return proven_; }

 private:
  enum class State : uint8_t { start, challenged, done };

  Result<void> check_binding_flag(ByteView header) const;
  Result<std::string> check_proof(const crypto::Digest& proof);

  ScramVerifier verifier_;
  std::vector<ScramSecret> others_;
  size_t proven_ = 0;
  std::string nonce_;  // Ours at first; then the client's and ours together.
  ScramServerBinding binding_;
  std::string header_;        // gs2-header as the client sent it.
  std::string auth_message_;  // client-first-message-bare "," server-first-message.
  State state_ = State::start;
};

// What a client derives from a password. As good as the password against this server: zero after use.
struct ScramKeys {
  crypto::Digest client_key{};
  crypto::Digest server_key{};
};
// Slow, pure: may be kept per (password, salt, iterations). Bounds as for make_scram_verifier.
ScramKeys derive_scram_keys(ByteView password, ByteView salt, uint32_t iterations);

struct ScramClientBinding {
  enum class Use : uint8_t {
    unsupported,  // No TLS, or we cannot bind: gs2 flag 'n'.
    not_offered,  // We could bind but the server did not offer PLUS: 'y', which exposes a downgrade.
    bound,        // SCRAM-SHA-256-PLUS with `data`: 'p'.
  };
  Use use = Use::unsupported;
  std::string data;
};

// The client's side of one login: first, take_challenge, final, check, in this order.
class ScramClient {
 public:
  // `nonce` as for ScramServer.
  explicit ScramClient(std::string nonce, ScramClientBinding binding = {});

  struct Challenge {
    std::string salt;
    uint32_t iterations = 0;  // Within 1..scram_iterations_max.
  };

  std::string first();
  Result<Challenge> take_challenge(ByteView server_first);
  std::string final(const ScramKeys& keys);
  // Verifies the server's signature: it knows the verifier. Fault::denied if it does not, or says so itself.
  Result<void> check(ByteView server_final);

 private:
  enum class State : uint8_t { start, sent_first, challenged, sent_final, done };

  std::string header() const;

  std::string nonce_;
  ScramClientBinding binding_;
  std::string first_bare_;
  std::string server_first_;
  crypto::Digest server_signature_{};
  State state_ = State::start;
};

// The answer to AuthenticationMD5Password: "md5" and md5(md5(password user) salt) in hexadecimal. Fails only
// where OpenSSL forbids MD5.
Result<std::string> md5_password(std::string_view user, std::string_view password,
                                 const std::array<char, 4>& salt);

}  // namespace ringfence::pg

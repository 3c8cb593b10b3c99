// Two messages, separated by a newline, to both sides of SCRAM and to the verifier's parser. No guess may log
// in.
#include <cstdint>
#include <cstdlib>

#include "ringfence/base/bytes.h"
#include "ringfence/pg/scram.h"

using namespace ringfence;
using namespace ringfence::pg;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView input(reinterpret_cast<const char*>(data), size);
  const size_t newline = input.find('\n');
  const ByteView first = input.substr(0, newline);
  const ByteView second = newline == ByteView::npos ? ByteView() : input.substr(newline + 1);
  static const ScramKeys keys = derive_scram_keys("pencil", "salt", 1);

  for (bool plus : {false, true}) {
    ScramVerifier verifier;
    verifier.salt = "salt";
    verifier.stored_key.fill(7);
    ScramServer server(verifier, "server", {plus, plus, "hash"});
    if (server.challenge(first) && server.verify(second)) std::abort();
  }

  ScramClient client("client");
  client.first();
  if (auto challenge = client.take_challenge(first)) {
    if (challenge->iterations < 1 || challenge->iterations > scram_iterations_max || challenge->salt.empty())
      std::abort();
    client.final(keys);
    if (client.check(second)) std::abort();
  }

  if (auto verifier = parse_scram_verifier(input); verifier) {
    auto again = parse_scram_verifier(format_scram_verifier(*verifier));
    if (!again || again->stored_key != verifier->stored_key || again->salt != verifier->salt) std::abort();
  }
  if (size < 256) (void)prepare_password(input);
  return 0;
}

#include "server_reset.h"

#include <cstring>

#include "ringfence/crypto/secret.h"

namespace ringfence::proxy {

ring::Task<std::string_view> ServerReset::send(net::Stream& stream) {
  auto random = crypto::random_array<8>();
  if (!random) co_return "the machine has no randomness to give";
  uint64_t seed = 0;
  std::memcpy(&seed, random->data(), sizeof seed);
  std::string messages = reset_messages(seed);
  net::Send sending(stream, messages);
  Result<void> sent = co_await sending;
  if (!sent) stream.shutdown();
  co_return std::string_view();
}

void ServerReset::break_off(std::string reason) {
  stop_ = Stop::broken_off;
  if (reason_.empty()) reason_ = std::move(reason);
}

void ServerReset::note_late() {
  if (stop_ == Stop::none) stop_ = Stop::late;
}

std::string ServerReset::failure() const {
  if (is_done() || stop_ == Stop::broken_off) return reason_;
  switch (answer_.state()) {
    case OwnAnswer::State::open:
      return stop_ == Stop::late ? "the server did not answer in time" : "the connection is lost";
    case OwnAnswer::State::failed: return answer_.reason();
    case OwnAnswer::State::done: break;
  }
  const std::string_view name = settings_.first_differing();
  return name.empty() ? "the server reports too many settings"
                      : "the setting " + std::string(name.substr(0, 64)) + " is not as at the login";
}

}  // namespace ringfence::proxy

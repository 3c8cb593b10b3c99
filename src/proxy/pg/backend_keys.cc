#include "backend_keys.h"

#include "ringfence/crypto/digest.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/proxy/core/bounds.h"

namespace ringfence::proxy {

using ring::Task;

// Whoever waits may have gone when it comes.
Task<void> BackendKeys::derive(std::string key, std::string password, pg::ScramClient::Challenge challenge) {
  ring::OnWorker<pg::ScramKeys> derive(workers_, shard_, [password, challenge] {
    return pg::derive_scram_keys(password, challenge.salt, challenge.iterations);
  });
  std::optional<pg::ScramKeys> keys = co_await derive;
  crypto::secure_zero(password);
  if (keys) {
    counters_.key_derivations.add();
    if (known_.size() >= derived_keys_max) known_.clear();
    known_.emplace(key, *keys);
  }
  auto waiting = running_.extract(key);
  for (const auto& waiter : waiting.mapped()) waiter->set();
}

Task<Result<pg::ScramKeys>> BackendKeys::find(const Target& target, const Credential& credential,
                                              const pg::ScramClient::Challenge& challenge, Opening& opening) {
  std::string material = target.name + '\0';
  material.append(credential.password.reveal()).push_back('\0');
  material.append(challenge.salt + '\0' + std::to_string(challenge.iterations));
  crypto::Digest digest = crypto::sha256(material);
  crypto::secure_zero(material);
  std::string key(crypto::view_of(digest));
  if (auto found = known_.find(key); found != known_.end()) co_return found->second;
  auto done = std::make_shared<ring::Event>();
  auto [running, is_first] = running_.try_emplace(key);
  running->second.push_back(done);
  if (is_first) ring::spawn(derive(key, std::string(credential.password.reveal()), challenge));
  {
    Opening::Break breaking(opening, [done] { done->set(); });
    ring::Event& event = *done;
    co_await event;
  }
  auto found = known_.find(key);
  if (found != known_.end()) co_return found->second;
  co_return fail(Fault::limit,
                 opening.is_over() ? std::string(opening_is_over) : "too many key derivations wait");
}

}  // namespace ringfence::proxy

#include "ringfence/auth/password_checker.h"

#include <atomic>
#include <optional>

#include "prepared.h"
#include "recent_successes.h"
#include "ringfence/base/clock.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/model/text_rules.h"

namespace ringfence::auth {

struct PasswordChecker::Shared {
  Shared(const crypto::Digest& key, const PasswordCheckerOptions& options)
      : cost(options.cost), recent(key, options.remembered_max, options.remember_ms * 1'000'000) {}

  bool remembers(const PasswordAttempt& attempt) {
    const crypto::Digest proof =
        recent.proof_of(attempt.user_id, attempt.stored.reveal(), attempt.password.reveal());
    if (!recent.has(proof, mono_ns())) return false;
    remembered.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  PasswordAnswer verify(const PasswordAttempt& attempt);
  PasswordAnswer hash(const PasswordAttempt& attempt);

  const crypto::Argon2Cost cost;
  crypto::Argon2Hash nobody;  // For users who do not exist: random bytes in place of salt and tag.
  RecentSuccesses recent;
  std::atomic<bool> has_ended{false};
  std::atomic<uint64_t> hashed{0};
  std::atomic<uint64_t> remembered{0};
  std::atomic<uint64_t> busy{0};
};

// On a worker.
PasswordAnswer PasswordChecker::Shared::verify(const PasswordAttempt& attempt) {
  if (has_ended.load(std::memory_order_relaxed)) {
    busy.fetch_add(1, std::memory_order_relaxed);
    return {PasswordVerdict::busy};
  }
  // The same password may have been found right while this attempt waited.
  if (remembers(attempt)) return {PasswordVerdict::right};
  const PasswordAnswer answer = hash(attempt);
  if (answer.verdict == PasswordVerdict::right) {
    recent.add(recent.proof_of(attempt.user_id, attempt.stored.reveal(), attempt.password.reveal()),
               mono_ns());
  }
  return answer;
}

PasswordAnswer PasswordChecker::Shared::hash(const PasswordAttempt& attempt) {
  auto stored = crypto::parse_argon2_hash(attempt.stored.reveal());
  const bool is_known = !attempt.stored.empty();
  hashed.fetch_add(1, std::memory_order_relaxed);
  auto fits = crypto::verify_argon2_hash(prepared(attempt.password).reveal(), stored ? *stored : nobody);
  if (!fits || (is_known && !stored)) return {PasswordVerdict::failed};
  if (!is_known || !*fits) return {PasswordVerdict::wrong};
  return {PasswordVerdict::right, crypto::needs_rehash(*stored, cost)};
}

Result<std::unique_ptr<PasswordChecker>> PasswordChecker::make(ring::Workers& workers,
                                                               PasswordCheckerOptions options) {
  RINGFENCE_ASSERT(crypto::is_allowed(options.cost));
  auto key = crypto::random_array<sizeof(crypto::Digest)>();
  auto salt = crypto::random_array<crypto::argon2_salt_bytes>();
  auto tag = crypto::random_array<sizeof(crypto::Digest)>();
  if (!key) return unexpected(key.error());
  if (!salt) return unexpected(salt.error());
  if (!tag) return unexpected(tag.error());
  auto shared = std::make_shared<Shared>(*key, options);
  crypto::secure_zero(*key);
  shared->nobody = {options.cost, *salt, *tag};
  return std::unique_ptr<PasswordChecker>(new PasswordChecker(workers, std::move(shared)));
}

PasswordChecker::PasswordChecker(ring::Workers& workers, std::shared_ptr<Shared> shared)
    : workers_(workers), shared_(std::move(shared)) {}

PasswordChecker::~PasswordChecker() { shared_->has_ended.store(true, std::memory_order_relaxed); }

void PasswordChecker::check(PasswordAttempt attempt, ring::Shard& shard,
                            std::function<void(PasswordAnswer)> done) {
  // Nobody can have set it, whoever he is.
  if (attempt.password.size() > model::password_bytes_max) {
    done({PasswordVerdict::wrong});
    return;
  }
  if (shared_->remembers(attempt)) {
    done({PasswordVerdict::right});
    return;
  }
  const bool is_taken =
      workers_.post([shared = shared_, attempt = std::move(attempt), shard = &shard, done]() mutable {
        const PasswordAnswer answer = shared->verify(attempt);
        shard->deliver([answer, done = std::move(done)] { done(answer); });
      });
  if (is_taken) return;
  shared_->busy.fetch_add(1, std::memory_order_relaxed);
  done({PasswordVerdict::busy});
}

PasswordCounts PasswordChecker::counts() const {
  return {shared_->hashed.load(std::memory_order_relaxed),
          shared_->remembered.load(std::memory_order_relaxed), shared_->busy.load(std::memory_order_relaxed)};
}

}  // namespace ringfence::auth

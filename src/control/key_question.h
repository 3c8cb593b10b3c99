// One question about keys, or one action on them, from its checks to its answer. On the control thread.
#pragma once

#include <optional>
#include <string>

#include "encryption_keys.h"

namespace ringfence::control {

class KeyQuestion {
 public:
  KeyQuestion(EncryptionKeys& keys, store::Connection& connection, audit::RecordSpace* space,
              const Actor& actor, const std::string& problem)
      : keys_(keys),
        keeper_(keys.keeper_),
        connection_(connection),
        moves_(connection),
        actor_(actor),
        trail_(space),
        problem_(problem) {}

  Answer answer(KeyAction action, const std::string& which, const model::Json& given);

 private:
  Answer status();
  Answer list();
  Answer show(const std::string& which);
  Answer generate(const model::Json& given);
  Answer rotate(const std::string& which, const model::Json& given);
  Answer destroy(const std::string& which);
  // Sealing, in sealing_switch.cc.
  Answer enable(const model::Json& given);
  Answer column(const model::Json& given);
  Answer told(const std::string& target_type, const std::string& target, bool is_on, Answer answer);

  // A refusal, which is recorded.
  Answer refuse(std::string_view action, const std::string& key_id, Answer answer);
  Answer store_away(const Error& error) const;
  // Makes the key that a rotation goes to; a refusal, else its id in `id`.
  std::optional<Answer> prepare_key(uint64_t expires_us, std::string& id);
  // Why no rotation may begin from this key now; nothing: one may.
  std::optional<Answer> check_rotation(const RingKey& from, const store::KeyRotation& latest);
  // The new key is the store's current one when it returns.
  Result<void> commit_rotation(store::KeyRotation& rotation, bool is_new);
  model::Json shown(const RingKey& key, const std::vector<store::KeyUse>& uses) const;
  model::Json key_result(const std::string& id) const;

  EncryptionKeys& keys_;
  KeyKeeper& keeper_;
  store::Connection& connection_;
  store::KeyMoves moves_;
  const Actor& actor_;
  KeyTrail trail_;
  const std::string& problem_;
};

// A rotation as the API shows it; null: there is none.
model::Json rotation_json(const store::KeyRotation& rotation);

}  // namespace ringfence::control

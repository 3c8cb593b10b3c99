// Records of any noun, as the API has them: what Registry does, asked from the home shard.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringfence/control/answer.h"
#include "ringfence/model/noun.h"
#include "ringfence/model/secret.h"

namespace ringfence::control {

struct ListRequest {
  std::vector<std::pair<std::string, std::string>> filters;  // By field; values as people write them.
  std::string sort;                                          // "name", "-created_at"; empty: name.
  size_t limit = 100;                                        // 1 to list_limit_max.
  std::string cursor;  // The next_cursor of the page before; empty: the first page.
};
inline constexpr size_t list_limit_max = 1'000;

// A record, by what somebody calls it.
struct Called {
  const model::Noun* noun = nullptr;
  std::string which;
  // A name, whatever it looks like. Else digits alone are a number, a UUID is an id, the rest is a name.
  bool is_name = false;
};

// What becomes of an access request.
enum class Decision : uint8_t {
  approve,
  deny,
  cancel,
  expire,  // By the appliance alone.
};

class RecordDirectory {
 public:
  // Called on the home shard's thread, perhaps before the call returns, and at most once. It may come late.
  using Done = std::function<void(Answer)>;
  virtual ~RecordDirectory() = default;

  // `which`: a record's id, or its name. The rest as Registry has it. Nouns live as long as the process.
  virtual void list(const model::Noun& noun, ListRequest request, Done done) = 0;
  virtual void read(const model::Noun& noun, std::string which, Done done) = 0;
  virtual void create(const model::Noun& noun, model::Json given, Actor actor, std::string idempotency_key,
                      Done done) = 0;
  virtual void change(const model::Noun& noun, std::string which, model::Json given,
                      std::optional<int64_t> if_version, Actor actor, Done done) = 0;
  virtual void remove(const model::Noun& noun, std::string which, std::optional<int64_t> if_version,
                      Actor actor, Done done) = 0;
  // Who they are: in their order, null where there is no such record.
  virtual void identify(std::vector<Called> called, Done done) = 0;
  // Of access requests; `given` is {"reason": …}.
  virtual void decide(std::string which, Decision decision, model::Json given,
                      std::optional<int64_t> if_version, Actor actor, Done done) = 0;
  virtual void break_glass(model::Json given, Actor actor, std::string idempotency_key, Done done) = 0;
  // A change that was refused because its request makes no sense: for the trail.
  virtual void note_refusal(std::string_view action, const model::Noun& noun, std::string which,
                            std::string why, Actor actor) {
    (void)action, (void)noun, (void)which, (void)why, (void)actor;
  }
  virtual void change_own_password(Actor user, model::Secret password, int64_t if_version, Done done) = 0;
};

}  // namespace ringfence::control

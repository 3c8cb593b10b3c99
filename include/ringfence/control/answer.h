// What asking the control plane comes to.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "ringfence/auth/scopes.h"
#include "ringfence/base/uuid.h"
#include "ringfence/model/defect.h"
#include "ringfence/model/json.h"

namespace ringfence::control {

// Who asks.
struct Actor {
  std::string name;    // "ana"
  std::string method;  // How that was proved: "password", "api key", "admin token".
  std::string client_addr;
  Uuid user_id;         // Nil: no user of the store.
  auth::Scopes scopes;  // What may be asked for, and what may be given to others.
  Uuid key_id = {};     // Of the API key by which that was proved; nil: it was none.

  std::string text() const { return name + " (" + method + ")"; }
};

// Why an actor may not do any more what he could when he proved who he is.
inline constexpr const char* actor_has_less =
    "what you may do was taken away while the request was under way; prove again who you are";

struct Answer {
  enum class Kind : uint8_t {
    ok,
    created,
    accepted,  // It has begun, and goes on.
    deleted,
    invalid,      // `defects` say what is wrong with what was given.
    forbidden,    // `message` says why.
    not_found,    // There is no such record.
    conflict,     // `message` says with what.
    stale,        // The record has another version than the one that was asked for.
    unavailable,  // The store does not answer; ask again.
    impossible,   // The appliance has no such thing; `message` says why.
  };
  Kind kind = Kind::ok;
  model::Json body;  // The record as it is shown, or a list {"items": […], "next_cursor": …}.
  model::Defects defects;
  std::string message;
  int64_t version = 0;   // Of the record in `body`.
  int64_t revision = 0;  // Of the change that was made; 0: none.
  // The record that was changed, "<noun> <id>", and the version that it or its tombstone has by that.
  std::string changed;
  int64_t changed_version = 0;
};

inline Answer refusal(Answer::Kind kind, std::string message, model::Defects defects = {}) {
  Answer out;
  out.kind = kind;
  out.message = std::move(message);
  out.defects = std::move(defects);
  return out;
}
inline Answer unavailable(std::string message) {
  return refusal(Answer::Kind::unavailable, std::move(message));
}
inline Answer invalid(model::Defects defects, std::string message = {}) {
  return refusal(Answer::Kind::invalid, std::move(message), std::move(defects));
}

}  // namespace ringfence::control

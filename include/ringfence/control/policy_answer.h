// What a question about the policies comes to.
#pragma once

#include <cstdint>
#include <string>

namespace ringfence::control {

struct PolicyAnswer {
  enum class Kind : uint8_t {
    answered,
    malformed,     // It is no such question.
    not_answered,  // It asks about what there is not, or for too much.
    unavailable,   // Not now: ask again.
  };
  Kind kind = Kind::answered;
  std::string text;  // JSON of an answer; else what is wrong, for people.
};

}  // namespace ringfence::control

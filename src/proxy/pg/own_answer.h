// What the appliance itself asks of a server between two sessions of one connection, and whether the answer
// is exactly the one that is wanted. Pure of IO.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringfence/pg/frame.h"

namespace ringfence::proxy {

// What the server has reported of its settings (ParameterStatus) in the life of a connection: as at its
// login, and what differs now.
class ReportedSettings {
 public:
  using List = std::vector<std::pair<std::string, std::string>>;

  ReportedSettings() = default;
  // Of a setting that was reported more than once, as by a login trigger that changes it, the last value is
  // the login's.
  explicit ReportedSettings(const List& at_login);

  void note(std::string_view name, std::string_view value);
  bool are_as_at_login() const { return differing_.empty() && !is_overfull_; }
  // The name of one that is not, if there is any.
  std::string_view first_differing() const {
    return differing_.empty() ? std::string_view() : differing_.front().first;
  }
  List now() const;

 private:
  List at_login_;
  List differing_;
  bool is_overfull_ = false;  // More than a server has: nothing is said of it any more.
};

// The messages that bring a session back to its beginning, sent together. `seed`: random, of the server's
// random().
std::string reset_messages(uint64_t seed);
std::string naming_message(std::string_view application_name);

class OwnAnswer {
 public:
  // to_naming_again: in the middle of a session, to whom all else belongs that the server says meanwhile.
  enum class Kind : uint8_t { to_reset, to_naming, to_naming_again };
  enum class State : uint8_t { open, done, failed };

  OwnAnswer(Kind kind, ReportedSettings& settings);

  // The server's bytes, in whatever pieces. Anything but the wanted answer, and anything behind it, is a
  // failure.
  State take(ByteView bytes);
  // The same where what follows answers somebody else: gives how many of the bytes are this answer's.
  size_t take_own(ByteView bytes);
  // What the server said meanwhile of settings other than the name, and to_naming_again notices and
  // notifications, as whole messages: for whoever has the session already.
  const std::string& for_the_session() const { return for_the_session_; }
  State state() const { return state_; }
  const std::string& reason() const { return reason_; }

 private:
  void message(char type, ByteView body);
  void fail(std::string reason);

  std::span<const std::string_view> expected_;
  ReportedSettings& settings_;
  pg::FrameCursor cursor_;
  std::string held_;  // The beginning of a message that comes in pieces.
  std::string for_the_session_;
  bool passes_notices_ = false;
  int messages_ = 0;
  State state_ = State::open;
  std::string reason_;
};

}  // namespace ringfence::proxy

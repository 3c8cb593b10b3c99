// Statements of the appliance's own inside a client's sync group, where no ReadyForQuery says what the
// server's settings and names are now: a Parse, Bind, Execute and two Closes for each, then a Flush. The
// client sees nothing of their answers. Pure of IO.
//
// They run by names of the session's own, so that the client's unnamed statement and portal stay. What fails,
// fails the client's group: so nothing is asked in a failed transaction, and nothing that can fail in
// another.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/base/bytes.h"

namespace ringfence::proxy {

class Probe {
 public:
  using Value = std::optional<std::string>;
  using Row = std::vector<Value>;

  // `name`: of its statement and portal, one that no client uses. `texts`: one statement each, without
  // parameters.
  Probe(std::string_view name, std::vector<std::string> texts);
  // The settings by which the server reads texts. SHOW takes no snapshot, so that a transaction's modes can
  // still be set.
  static Probe of_settings(std::string_view name);

  // What goes to the server.
  std::string messages() const;

  enum class State : uint8_t { open, done, failed };
  State state() const { return state_; }
  // Whether a message of that type is part of its answer while it is what the server answers next. Others
  // pass to the client: notices, notifications, settings, and the error by which it fails.
  static bool is_answer(char type);
  void take(char type, ByteView body);
  // The server has failed the group, or said what does not belong here.
  void fail() { state_ = State::failed; }

  // Once it is done: the rows of each statement.
  const std::vector<Row>& rows(size_t statement) const { return rows_[statement]; }
  // The only value of a statement that gives one.
  std::string_view value(size_t statement) const;

 private:
  void take_row(ByteView body);

  std::string name_;
  std::vector<std::string> texts_;
  std::vector<std::vector<Row>> rows_;
  size_t statement_ = 0;
  uint8_t step_ = 0;  // In answer_of_one.
  size_t kept_bytes_ = 0;
  State state_ = State::open;
};

}  // namespace ringfence::proxy

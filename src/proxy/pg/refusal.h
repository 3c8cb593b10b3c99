// Why a message of a restricted session does not go on: for the client, and for the trail.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ringfence/policy/decide.h"

namespace ringfence::proxy {

struct Refusal {
  std::string sqlstate;
  std::string rule;
  std::string message;
  std::string hint;
  size_t at = std::string_view::npos;  // Byte in the statement's text.
  // For the trail: what it would have taken, and where the offending word is, in characters of the
  // statement's own text from 1; 0: nowhere.
  std::string permission = "query";
  uint32_t position = 0;
  bool is_denied = true;  // False: nobody forbade it; it was not run for another reason.

  // The message at hand does not show the text.
  void forget_place() {
    at = std::string_view::npos;
    position = 0;
  }

  static Refusal of(const policy::Decision& decision);
  // For what is longer than a restricted session may send.
  static Refusal too_long(size_t bytes_max);
  static Refusal too_many(size_t statements_max);
  // What a grant gives is spent, or nobody knows that it is not.
  static Refusal no_budget(std::string why);
  // For a text whose bytes the server may read as other characters.
  static Refusal foreign_text();
  // For what was prepared under other policies and whose text was not kept.
  static Refusal unknown_text();
  // For a text that means one thing or another, by settings that cannot be asked for in a failed transaction.
  static Refusal unreadable_text();
  // A FunctionCall that is none: in the server's words.
  static Refusal malformed_call();
  // A call together with the end of a transaction, in a session that is to stay read-only.
  static Refusal call_with_end();
  // For what a name stands for, when that may have been changed out of sight and cannot be made certain: of a
  // prepared statement (26000) or a cursor (34000).
  static Refusal doubtful_name(bool is_portal, std::string_view name);
};

// Characters before the byte, and one: what PostgreSQL's Position counts.
uint32_t position_of(std::string_view text, size_t byte);

}  // namespace ringfence::proxy

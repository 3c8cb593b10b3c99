// Which values of an INSERT, or of an UPDATE of a list, are secrets: those at the places of columns with such
// names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ringfence/sql/lex.h"

namespace ringfence::sql {

class SecretColumns {
 public:
  // A word outside of literals; `is_secret`: by its name. `depth`: of parentheses.
  void take_word(std::string_view word, bool is_secret, size_t depth);
  // `depth`: behind an opening parenthesis, before a closing one.
  void take_symbol(std::string_view symbol, size_t depth);
  void end_statement() { *this = {}; }

  // Whether a literal at this depth, or deeper in the same value, is a secret's.
  bool is_secret_value(size_t depth) const {
    return state_ == State::values && depth >= row_depth_ &&
           (secret_ >> (place_ < places_max ? place_ : places_max) & 1) != 0;
  }

 private:
  enum class State : uint8_t {
    none,
    relation,  // INSERT INTO …, until the columns or the values.
    update,    // UPDATE … SET
    columns,   // Inside the list.
    behind,    // Behind the list; a row follows.
    values,    // Inside a row.
  };
  static constexpr size_t places_max = 63;  // Those behind are one.

  State state_ = State::none;
  bool is_insert_ = false;
  bool values_follow_ = false;  // VALUES or SELECT stands behind the list.
  bool is_selected_ = false;    // The row is that of a SELECT.
  size_t insert_depth_ = 0;
  size_t list_depth_ = 0;  // Of the columns.
  size_t row_depth_ = 0;
  size_t place_ = 0;
  uint64_t secret_ = 0;  // A bit for each column.
};

}  // namespace ringfence::sql

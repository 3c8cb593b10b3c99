#include "secret_columns.h"

namespace ringfence::sql {

void SecretColumns::take_word(std::string_view word, bool is_secret, size_t depth) {
  if (is_keyword(word, "insert")) {
    *this = {};
    state_ = State::relation;
    is_insert_ = true;
    insert_depth_ = depth;
    return;
  }
  switch (state_) {
    case State::none:
    case State::update:
    case State::relation:
    case State::behind:
      if (is_keyword(word, "set")) {
        *this = {};
        state_ = State::update;
      } else if (is_insert_ && is_keyword(word, "values")) {
        values_follow_ = true;
        state_ = State::behind;
      } else if (is_insert_ && is_keyword(word, "select")) {
        state_ = State::values;
        is_selected_ = true;
        row_depth_ = depth;
        place_ = 0;
      } else if (state_ == State::relation && is_secret) {
        secret_ = ~uint64_t{0};  // INSERT INTO passwords …: whatever it has.
      } else if (state_ == State::update) {
        state_ = State::none;  // SET name = …
      }
      return;
    case State::columns:
      if (is_secret && depth == list_depth_) secret_ |= uint64_t{1} << place_;
      return;
    case State::values:
      if (!is_selected_ || depth != row_depth_) return;
      if (is_keyword(word, "from") || is_keyword(word, "where") || is_keyword(word, "union") ||
          is_keyword(word, "except") || is_keyword(word, "intersect") || is_keyword(word, "on") ||
          is_keyword(word, "returning"))
        state_ = State::behind;
  }
}

void SecretColumns::take_symbol(std::string_view symbol, size_t depth) {
  if (symbol == "(") {
    const bool is_list = state_ == State::update || (state_ == State::relation && is_insert_);
    const bool is_row = state_ == State::behind && (values_follow_ || !is_insert_);
    if (is_list) {
      if (!is_insert_) secret_ = 0;
      state_ = State::columns;
      list_depth_ = depth;
      place_ = 0;
    } else if (is_row) {
      state_ = State::values;
      is_selected_ = false;
      row_depth_ = depth;
      place_ = 0;
    }
  } else if (symbol == ")") {
    // The parenthesis around the INSERT ends it.
    if (is_insert_ && depth > 0 && depth == insert_depth_) *this = {};
    if (state_ == State::columns && depth == list_depth_) state_ = State::behind;
    else if (state_ == State::values && depth == row_depth_ && !is_selected_)
      state_ = is_insert_ ? State::behind : State::update;
    else if (state_ == State::values && depth == row_depth_) state_ = State::none;
  } else if (symbol == ",") {
    const bool is_counted = (state_ == State::columns && depth == list_depth_) ||
                            (state_ == State::values && depth == row_depth_);
    if (is_counted && place_ < places_max) ++place_;
  }
}

}  // namespace ringfence::sql

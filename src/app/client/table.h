// Aligned columns of text, for people.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "ringfence/model/json.h"

namespace ringfence::client {

// A JSON value in one cell: "-" for null, an empty text, list or object; lists by comma; objects as key:value
// by comma. Nothing in it moves a terminal's cursor.
std::string cell_of(const model::Json& value);

class Table {
 public:
  explicit Table(std::vector<std::string> heads) : heads_(std::move(heads)) {}
  // As many cells as there are heads.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  size_t size() const { return rows_.size(); }
  // Heads in capitals, two blanks between columns, none at a line's end. A cell with more than
  // `cell_columns_max` is cut; 0: none is.
  std::string text(size_t cell_columns_max = 0) const;

 private:
  std::vector<std::string> heads_;
  std::vector<std::vector<std::string>> rows_;
};

// One line for each pair, the values below each other.
std::string pairs_text(const std::vector<std::pair<std::string, std::string>>& pairs);

}  // namespace ringfence::client

#include "table.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "shown_text.h"

namespace ringfence::client {

using model::Json;

namespace {

std::string plain_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string capitals(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return text;
}

void append_line(std::string& out, const std::vector<std::string>& cells, const std::vector<size_t>& widths) {
  for (size_t i = 0; i < cells.size(); ++i) {
    out += cells[i];
    if (i + 1 < cells.size()) out.append(widths[i] - width_of(cells[i]) + 2, ' ');
  }
  out += '\n';
}

}  // namespace

std::string cell_of(const Json& value) {
  std::string out;
  if (value.is_array() || value.is_object()) {
    for (const auto& [key, item] : value.items()) {
      if (!out.empty()) out += ',';
      if (value.is_object()) out += key + ':';
      out += plain_of(item);
    }
  } else if (!value.is_null()) {
    out = plain_of(value);
  }
  return out.empty() ? "-" : shown_text(out);
}

std::string Table::text(size_t cell_columns_max) const {
  std::vector<std::vector<std::string>> lines = {{}};
  for (const std::string& head : heads_) lines.front().push_back(capitals(head));
  lines.insert(lines.end(), rows_.begin(), rows_.end());
  std::vector<size_t> widths(heads_.size(), 0);
  for (auto& cells : lines) {
    for (size_t i = 0; i < cells.size(); ++i) {
      if (cell_columns_max > 0) cells[i] = cut_to(cells[i], cell_columns_max);
      widths[i] = std::max(widths[i], width_of(cells[i]));
    }
  }
  std::string out;
  for (const auto& cells : lines) append_line(out, cells, widths);
  return out;
}

std::string pairs_text(const std::vector<std::pair<std::string, std::string>>& pairs) {
  size_t width = 0;
  for (const auto& [name, value] : pairs) width = std::max(width, width_of(name));
  std::string out;
  for (const auto& [name, value] : pairs) append_line(out, {name, value}, {width, 0});
  return out;
}

}  // namespace ringfence::client

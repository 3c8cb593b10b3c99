#include "names.h"

namespace ringfence::policy {

bool matches_wildcard(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = pattern.npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool matches_name(std::string_view pattern, std::string_view schema, std::string_view name, Doubt doubt) {
  const size_t dot = pattern.find('.');
  if (dot == pattern.npos) return matches_wildcard(pattern, name);
  const std::string_view wanted_schema = pattern.substr(0, dot);
  if (!matches_wildcard(pattern.substr(dot + 1), name)) return false;
  if (schema.empty()) return doubt == Doubt::yes || wanted_schema == "*";
  return matches_wildcard(wanted_schema, schema);
}

ColumnPattern split_column(std::string_view pattern) {
  const size_t dot = pattern.rfind('.');
  if (dot == pattern.npos) return {"", pattern};
  return {pattern.substr(0, dot), pattern.substr(dot + 1)};
}

}  // namespace ringfence::policy

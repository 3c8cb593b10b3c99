#include "ringfence/model/scope_form.h"

#include <algorithm>

#include "ringfence/base/utf8.h"

namespace ringfence::model {
namespace {

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

bool is_scope(std::string_view scope) {
  if (scope.size() > scope_bytes_max) return false;
  if (scope == "*") return true;
  const size_t colon = scope.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view action = scope.substr(colon + 1);
  return is_word(scope.substr(0, colon)) && (action == "*" || is_word(action));
}

}  // namespace

std::string check_scope(std::string_view scope) {
  if (is_scope(scope)) return "";
  return "is \"" + make_valid_text(text_prefix(scope, scope_bytes_max)) +
         "\"; use resource:action, resource:* or *, of at most " + std::to_string(scope_bytes_max) +
         " lower-case letters, digits, `_` and `-`";
}

bool covers(std::string_view scope, std::string_view other) {
  if (scope == "*" || scope == other) return true;
  // With its colon: "audit:*" is nothing for "auditor:read".
  return scope.ends_with(":*") && other.starts_with(scope.substr(0, scope.size() - 1));
}

}  // namespace ringfence::model

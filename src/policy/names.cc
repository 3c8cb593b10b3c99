#include "names.h"

#include <algorithm>

#include "fold.h"

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

namespace {

constexpr size_t name_bytes_max = 63;  // Of what PostgreSQL keeps of one.

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool is_plain(char c, NameOf what) {
  const bool is_letter =
      (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c & 0x80) != 0;
  if (is_letter || c == '_' || c == '$' || c == '-' || c == '*') return true;
  return what == NameOf::function && std::string_view("+/<>=~!@#%^&|`?").find(c) != std::string_view::npos;
}

// One part from the beginning of `text`, which it is taken from.
std::string take_part(std::string_view& text, NameOf what, NamePart& part) {
  part.is_quoted = text.starts_with('"');
  if (part.is_quoted) {
    size_t at = 1;
    for (; at < text.size(); ++at) {
      if (text[at] == '"' && !text.substr(at + 1).starts_with('"')) break;
      if (text[at] == '"') ++at;
      part.text += text[at];
    }
    if (at >= text.size()) return "a double quote has no end";
    text.remove_prefix(at + 1);
    if (!text.empty() && text[0] != '.') return "behind a part in double quotes comes a dot or nothing";
  } else {
    const std::string_view written = text.substr(0, text.find('.'));
    for (char c : written) {
      if (!is_plain(c, what)) {
        return std::string("without double quotes a name holds no ") +
               (c == '('   ? "parenthesis: leave the arguments out"
                : c == ' ' ? "blank"
                           : "such character");
      }
    }
    part.text = lower_ascii(written);
    part.was_folded = part.text != written;
    text.remove_prefix(written.size());
  }
  if (part.text.empty()) return "a part of it is empty";
  if (part.text.size() > name_bytes_max)
    return "PostgreSQL's names have 63 bytes at most, so nothing is called so";
  part.folded = fold_beyond_ascii(part.text);
  return "";
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

}  // namespace

std::string parse_name(std::string_view text, size_t parts_max, NameOf what, std::vector<NamePart>& parts) {
  parts.clear();
  for (;;) {
    std::string why = take_part(text, what, parts.emplace_back());
    if (!why.empty()) return why;
    if (text.empty()) return "";
    if (parts.size() == parts_max) return "it has too many parts";
    text.remove_prefix(1);
  }
}

bool matches_part(const NamePart& part, std::string_view name, Doubt doubt) {
  if (doubt == Doubt::no) return matches_wildcard(part.text, name);
  if (is_ascii(name))
    return matches_wildcard(part.folded, part.is_quoted ? name : std::string_view(lower_ascii(name)));
  const std::string folded = fold_beyond_ascii(name);
  return matches_wildcard(part.folded, part.is_quoted ? folded : lower_ascii(folded));
}

bool matches_name(std::span<const NamePart> pattern, std::string_view schema, std::string_view name,
                  Doubt doubt) {
  if (pattern.empty() || !matches_part(pattern.back(), name, doubt)) return false;
  if (pattern.size() == 1) return true;
  const NamePart& wanted_schema = pattern[pattern.size() - 2];
  if (schema.empty()) return doubt == Doubt::yes || wanted_schema.text == "*";
  return matches_part(wanted_schema, schema, doubt);
}

bool may_be_in(std::span<const NamePart> pattern, std::string_view schema) {
  return pattern.size() < 2 || schema.empty() ||
         matches_part(pattern[pattern.size() - 2], schema, Doubt::yes);
}

bool covers_all_of(std::span<const NamePart> pattern, std::string_view schema) {
  const auto is_any = [](const NamePart& part) { return part.text == "*"; };
  if (pattern.empty() || !is_any(pattern.back())) return false;
  if (pattern.size() == 1) return true;
  const NamePart& wanted = pattern[pattern.size() - 2];
  return is_any(wanted) || (!schema.empty() && matches_part(wanted, schema, Doubt::no));
}

}  // namespace ringfence::policy

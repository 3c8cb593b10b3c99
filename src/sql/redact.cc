#include "ringfence/sql/redact.h"

#include <algorithm>

#include "redactor.h"

namespace ringfence::sql {
namespace {

// Makes the new text. Replacements that touch or overlap are shown as one.
Redacted replaced(std::string_view text, Secrets& found) {
  Redacted out;
  out.parameters = found.parameters;
  std::vector<Range>& ranges = found.literals;
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  size_t done = 0;
  for (size_t i = 0; i < ranges.size();) {
    Range range = ranges[i++];
    for (; i < ranges.size() && ranges[i].begin <= range.end; ++i)
      range.end = std::max(range.end, ranges[i].end);
    out.text.append(text.substr(done, range.begin - done)).append("***");
    out.secrets.push_back(text.substr(range.begin, range.end - range.begin));
    done = range.end;
  }
  out.text.append(text.substr(done));
  return out;
}

}  // namespace

std::optional<Redacted> redact(std::string_view text, const SecretNames& names) {
  if (!names.may_hold_secret(text)) return std::nullopt;
  Secrets found;
  Redactor(text, names, found, 0, true).run();
  std::erase_if(found.literals, [](const Range& range) { return range.begin >= range.end; });
  if (found.literals.empty() && found.parameters == 0) return std::nullopt;
  return replaced(text, found);
}

std::optional<Redacted> redact_message(std::string_view message, const SecretNames& names) {
  if (!names.may_hold_secret(message)) return std::nullopt;
  Secrets found;
  Redactor(message, names, found, 0, true).run_on_message();
  std::erase_if(found.literals, [](const Range& range) { return range.begin >= range.end; });
  if (found.literals.empty()) return std::nullopt;
  return replaced(message, found);
}

}  // namespace ringfence::sql

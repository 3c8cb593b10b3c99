#include "ringfence/model/name_form.h"

#include <algorithm>

#include "ringfence/base/utf8.h"

namespace ringfence::model {

namespace {

bool is_printable(char c) { return c >= 32 && c < 127; }

bool is_placeholder(std::string_view word) { return word == "user" || word == "name" || word == "target"; }

}  // namespace

std::string printable_ascii(std::string_view text) {
  std::string out(text);
  std::replace_if(out.begin(), out.end(), [](char c) { return !is_printable(c); }, '?');
  return out;
}

Result<NameForm> NameForm::parse(std::string_view text) {
  if (text.empty())
    return fail(Fault::malformed, "is empty; use a form such as \"" + std::string(usual) + "\", or client");
  if (text.size() > application_name_bytes_max)
    return fail(Fault::malformed, "is longer than 63 bytes; use a shorter form");
  if (!std::all_of(text.begin(), text.end(), is_printable))
    return fail(Fault::malformed, "has other characters than printable ASCII; leave them out");
  for (size_t at = text.find_first_of("{}"); at != text.npos; at = text.find_first_of("{}", at)) {
    const size_t end = text.find('}', at);
    if (text[at] == '}' || end == text.npos || !is_placeholder(text.substr(at + 1, end - at - 1)))
      return fail(Fault::malformed, "has a brace that is no {user}, {name} or {target}");
    at = end + 1;
  }
  NameForm out;
  out.text_ = text;
  return out;
}

std::string NameForm::name(std::string_view user, std::string_view target,
                           std::string_view client_application) const {
  if (is_clients_own()) return std::string(text_prefix(client_application, application_name_bytes_max));
  std::string out;
  size_t literal = 0;  // Where in `out` the text before the placeholder at hand begins.
  for (size_t at = 0; at < text_.size();) {
    if (text_[at] != '{') {
      out += text_[at++];
      continue;
    }
    const size_t end = text_.find('}', at);
    const std::string_view word = std::string_view(text_).substr(at + 1, end - at - 1);
    at = end + 1;
    if (word == "name" && client_application.empty()) out.resize(literal);
    out += word == "user" ? user : word == "target" ? target : client_application;
    literal = out.size();
  }
  return printable_ascii(std::string_view(out).substr(0, application_name_bytes_max));
}

}  // namespace ringfence::model

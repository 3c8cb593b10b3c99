#include "config_rules.h"

#include <unistd.h>

#include "ringfence/model/text_rules.h"

namespace ringfence::app {

std::string check_store_url(std::string_view url) {
  if ((url.starts_with("postgres://") || url.starts_with("postgresql://")) && !model::has_control(url))
    return "";
  return "is neither `embedded` nor a URL that begins with postgres://";
}

std::string without_password(std::string_view url) {
  std::string out(url);
  size_t begin = out.find("://");
  if (begin == std::string::npos) return "(hidden)";
  begin += 3;
  // The last @ before the path: a password may hold one that was not encoded.
  size_t end = out.find_first_of("/?", begin);
  size_t at = out.rfind('@', end);
  size_t colon = out.find(':', begin);
  if (at != std::string::npos && at > begin && colon < at) out.replace(colon, at - colon, ":***");
  // Parameters may hold passwords too (password=, sslpassword=).
  size_t query = out.find('?');
  if (query != std::string::npos) out.replace(query, std::string::npos, "?…");
  return out;
}

std::string default_node_name() {
  char host[256] = {};
  if (::gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') return "ringfence";
  std::string name(host);
  if (name.size() > 64) name.resize(64);
  for (char& c : name) {
    if (!model::is_name_character(c)) c = '-';
  }
  return name;
}

}  // namespace ringfence::app

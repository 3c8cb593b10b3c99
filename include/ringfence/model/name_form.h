// How a session is called at its server: the form of its application_name, by configuration.
#pragma once

#include <string>
#include <string_view>

#include "ringfence/base/result.h"

namespace ringfence::model {

// PostgreSQL keeps 63 bytes of it, and says so of a longer one (NAMEDATALEN).
inline constexpr size_t application_name_bytes_max = 63;

class NameForm {
 public:
  static constexpr std::string_view usual = "ringfence/{user}: {name}";

  NameForm() = default;
  // `client`: the client's name as it stands. Else a text of printable ASCII, up to 63 bytes, with {user},
  // {name} (the client's for itself) and {target}. Fault::malformed says what is wrong.
  static Result<NameForm> parse(std::string_view text);

  // At most application_name_bytes_max bytes, cut at a character's edge. By a template it is printable ASCII,
  // `?` for each other byte, as the server keeps it; what stands before {name} goes with it where the client
  // has none.
  std::string name(std::string_view user, std::string_view target, std::string_view client_application) const;
  bool is_clients_own() const { return text_ == "client"; }
  const std::string& text() const { return text_; }
  bool operator==(const NameForm&) const = default;

 private:
  std::string text_ = std::string(usual);
};

// Bytes that no server takes for another character in any encoding: `?` for each that is not printable ASCII.
std::string printable_ascii(std::string_view text);

}  // namespace ringfence::model

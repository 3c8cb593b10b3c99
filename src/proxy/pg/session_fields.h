// What identifies a session in each of its records: encoded once at its login, copied before the rest.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hidden.h"
#include "ringfence/audit/event.h"

namespace ringfence::proxy {

struct SessionFacts {
  Uuid session_id;
  Uuid connection_id;
  std::string_view user;
  std::string_view auth_method;
  std::string_view api_key = {};  // The prefix of the key that was the password; empty: none was.
  std::string_view client_addr;
  std::string_view application_name;
  std::string_view transport;
  std::string_view target;
  const std::vector<std::string>* tags = nullptr;
  std::string_view database;
  std::string_view server_addr;
  std::string_view server_user;
};

class SessionFields {
 public:
  void identify(const SessionFacts& facts);
  // What the server calls the session, by our doing, where the client calls itself so: it is that when the
  // server says it.
  void call(std::string_view at_server, std::string_view by_client) {
    names_ = std::string(at_server).append(by_client);
    name_at_server_bytes_ = at_server.size();
  }
  std::string_view name_at_server() const {
    return std::string_view(names_).substr(0, name_at_server_bytes_);
  }
  // The session has changed its name (SET application_name).
  void rename_application(std::string_view name);

  // As the trail has it; valid until the next identify or rename.
  std::string_view text(audit::Tag tag) const;
  ByteView encoded() const { return fields_; }
  // Those of which something was redacted, as they were; encoded, too.
  ByteView hidden() const { return hidden_ ? ByteView(*hidden_) : ByteView(); }
  // What those add to each record's sealed texts.
  size_t hidden_bytes() const { return hidden().empty() ? 0 : hidden().size() + Hidden::record_bytes_max; }

 private:
  // Where a field stands, header included; both ends the same when there is none.
  struct Extent {
    size_t begin;
    size_t end;
  };
  Extent find(audit::Tag tag) const;
  std::string_view name_by_client() const { return std::string_view(names_).substr(name_at_server_bytes_); }
  std::string take_text(audit::Tag tag, std::string_view value);

  std::string fields_;
  std::unique_ptr<std::string> hidden_;  // Null: nothing was redacted.
  std::string names_;                    // At the server, and behind that by the client.
  size_t name_at_server_bytes_ = 0;
};

}  // namespace ringfence::proxy

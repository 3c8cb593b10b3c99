// Writes a session's events: what identifies the session is encoded once at its login and copied before each
// record; a statement's start goes to the journal before the statement goes to the server, its outcome
// follows.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hidden.h"
#include "ringfence/pg/response_queue.h"
#include "ringfence/policy/policy_set.h"
#include "ringfence/proxy/core/trail_door.h"
#include "ringfence/proxy/core/volume.h"

namespace ringfence::proxy {

// Puts a statement into the form of the trail: redacted, valid text, at most `bytes_max`. `text` may be a
// prefix of what was sent, whose length is `full_bytes`; then `sha256`, if not empty, is that of all of it.
// Of a text with a secret no digest is kept: it would tell a guess from another.
void take_statement_text(ByteView text, uint64_t full_bytes, size_t bytes_max, pg::StatementText& out,
                         ByteView sha256 = {});

// The same of a Parse's text, which is one statement: where all of it has no room, from the statement's first
// token on.
void take_parsed_text(ByteView text, uint64_t full_bytes, size_t bytes_max, pg::StatementText& out,
                      ByteView sha256);

// In place of a text that was not seen: which names the server was told to run.
pg::StatementText unknown_text(const pg::Portal& portal);

// The server's message as the trail may show it: it may quote a secret that was taken out of the statement.
struct ShownMessage {
  std::string text;
  bool hides = false;  // Something of it is not shown.
};
ShownMessage shown_message(std::string_view message, bool is_about_secret);

// A name that a client chose, as the trail and the admin API show it: without the password that may stand in
// it.
std::string shown_name(std::string_view name);

struct Refusal;

struct SessionFacts {
  Uuid session_id;
  Uuid connection_id;
  std::string_view user;
  std::string_view auth_method;
  std::string_view client_addr;
  std::string_view application_name;
  std::string_view transport;
  std::string_view target;
  const std::vector<std::string>* tags = nullptr;
  std::string_view database;
  std::string_view server_addr;
  std::string_view server_user;
};

// How a statement that is recorded was decided.
struct Decided {
  bool is_decided = false;        // False: by nobody, the session's access being unrestricted.
  std::string_view rule;          // What let it pass, where that is known; at most policy::label_bytes_max.
  std::string_view instead = {};  // What goes to the server in place of the text; empty: the text.
  // What it adds to a start record, at most: each byte may be six in JSON.
  size_t instead_bytes() const { return instead.empty() ? 0 : instead.size() * 6 + 64; }
};

// Where a statement stands whose message has more text than its own: the message's record, and the place in
// bytes of the text as sent.
struct MessagePart {
  Uuid message;  // Nil: the statement's record has all of the text.
  uint64_t begin = 0;
};

class Recorder {
 public:
  // The door outlives it.
  explicit Recorder(TrailDoor& door) : door_(door) {}

  void identify(const SessionFacts& facts);
  // From here on each record is charged to these; null: to nobody. Both outlive the recorder.
  void charge_to(VolumeMeter* user, VolumeMeter* address) {
    user_volume_ = user;
    address_volume_ = address;
  }
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
  std::string_view application_name() const { return session_text(audit::Tag::application_name); }
  std::string_view client_addr() const { return session_text(audit::Tag::client_addr); }

  // The room that a start record of this text takes at most; an outcome takes less than outcome_bytes_max.
  size_t start_bytes(size_t text_bytes, size_t raw_bytes, size_t parameter_bytes) const {
    return session_.size() + text_bytes + raw_bytes + parameter_bytes + session_hidden_bytes() +
           fixed_bytes_max;
  }
  size_t start_bytes(const pg::StatementText& text, size_t parameter_bytes,
                     size_t secret_parameter_bytes = 0) const {
    return start_bytes(text.text.size(), text.raw().size(), parameter_bytes) + text.unredacted().size() +
           secret_parameter_bytes + (text.holds_secret() ? Hidden::record_bytes_max : 0);
  }
  static constexpr size_t outcome_bytes_max = 5'120;
  bool has_room(size_t bytes) { return door_.has_room(bytes); }

  // Publishes a start; has_room(start_bytes(…)) was true just before. Gives the statement's number.
  pg::StatementNumber start(const pg::StatementText& statement, ByteView parameters,
                            bool parameters_truncated, char message_type, uint64_t now_us,
                            Decided decided = {}, const MessagePart& place = {},
                            ByteView secret_parameters = {});
  // The same from views, for a text that needs no treatment.
  pg::StatementNumber start(ByteView text, uint64_t full_bytes, char message_type, uint64_t now_us,
                            Decided decided = {}, const MessagePart& place = {});
  // The text of a whole message, what stands between its statements too: before their starts, and with room
  // for it. Gives its id.
  Uuid message(const pg::StatementText& text, char message_type, uint64_t now_us);
  // Publishes an outcome, or defers it when the trail is at its bound.
  // `instead`: what the row says in place of the statement's text; `id`: the row's, in place of the start's.
  void outcome(const pg::Completion& completion, uint64_t now_ns, const pg::StatementText* instead = nullptr,
               const Uuid* id = nullptr);
  Uuid new_id(uint64_t now_us) { return door_.ids.uuid(now_us); }
  // A statement that never goes to the server, whole: refused, or (`refusal` is null) part of a message in
  // which another one was. has_room(blocked_bytes(…)) was true just before. `access` is that of the session.
  void blocked(const pg::StatementText& statement, char message_type, const Refusal* refusal,
               const policy::Access& access, uint64_t now_us, const MessagePart& place = {});
  static constexpr size_t blocked_bytes_max = 4'096;
  // A session event, to which the caller adds fields, and its publication (deferred when there is no room).
  audit::EventBuilder event(audit::Category category, std::string_view action, audit::Severity severity,
                            audit::Outcome outcome, uint64_t now_us, const Uuid* id = nullptr);
  // Which of an event's texts are not as they were, and those texts sealed. `id`: the event's.
  void hide(audit::EventBuilder& event, Hidden& hidden, const Uuid& id) const;
  void publish(audit::EventBuilder event);
  // An authorization event: something on the session's target was, or was not, allowed.
  audit::EventBuilder authorization(std::string_view action, const policy::Access& access, bool is_granted,
                                    std::string_view permission, uint64_t now_us,
                                    std::string_view related_id = {});

 private:
  static constexpr size_t fixed_bytes_max = 512;
  // Where a field of `session_` stands, header included; both ends the same when it has none.
  struct Extent {
    size_t begin;
    size_t end;
  };
  Extent find(audit::Tag tag) const;
  std::string_view session_text(audit::Tag tag) const;
  audit::FieldWriter begin_start(char* room, char message_type, const Uuid& id, uint64_t now_us);
  void hide(audit::FieldWriter& out, Hidden& hidden, const Uuid& id) const;
  // What the session's own texts add to each record's sealed ones.
  size_t session_hidden_bytes() const {
    return session_hidden().empty() ? 0 : session_hidden().size() + Hidden::record_bytes_max;
  }
  ByteView session_hidden() const { return session_hidden_ ? ByteView(*session_hidden_) : ByteView(); }
  std::string_view name_by_client() const { return std::string_view(names_).substr(name_at_server_bytes_); }
  std::string take_session_text(audit::Tag tag, std::string_view value);

  void charge(size_t bytes) {
    if (user_volume_ != nullptr) user_volume_->charge(bytes);
    if (address_volume_ != nullptr) address_volume_->charge(bytes);
  }

  TrailDoor& door_;
  VolumeMeter* user_volume_ = nullptr;
  VolumeMeter* address_volume_ = nullptr;
  std::string session_;  // Encoded fields.
  std::unique_ptr<std::string>
      session_hidden_;  // Encoded fields as they were, where something was redacted; else null.
  std::string names_;   // At the server, and behind that by the client.
  size_t name_at_server_bytes_ = 0;
};

}  // namespace ringfence::proxy

// Writes a session's events: what identifies the session is encoded once at its login and copied before each
// record; a statement's start goes to the journal before the statement goes to the server, its outcome
// follows.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hidden.h"
#include "outcome_record.h"
#include "ringfence/pg/response_queue.h"
#include "ringfence/policy/policy_set.h"
#include "ringfence/proxy/core/session_volume.h"
#include "ringfence/proxy/core/trail_door.h"
#include "session_fields.h"
#include "statement_text.h"

namespace ringfence::proxy {

struct Refusal;

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

  void identify(const SessionFacts& facts) { session_.identify(facts); }
  // What each record is charged to.
  SessionVolume& volume() { return volume_; }
  // See SessionFields.
  void call(std::string_view at_server, std::string_view by_client) { session_.call(at_server, by_client); }
  std::string_view name_at_server() const { return session_.name_at_server(); }
  void rename_application(std::string_view name) { session_.rename_application(name); }
  // As the trail has it; valid until the next identify or rename.
  std::string_view application_name() const { return session_.text(audit::Tag::application_name); }
  std::string_view client_addr() const { return session_.text(audit::Tag::client_addr); }

  // The room that a start record of this text takes at most; an outcome takes less than outcome_bytes_max.
  size_t start_bytes(size_t text_bytes, size_t raw_bytes, size_t parameter_bytes) const {
    return session_.encoded().size() + text_bytes + raw_bytes + parameter_bytes + session_.hidden_bytes() +
           fixed_bytes_max;
  }
  size_t start_bytes(const pg::StatementText& text, size_t parameter_bytes,
                     size_t secret_parameter_bytes = 0) const {
    return start_bytes(text.text.size(), text.raw().size(), parameter_bytes) + text.unredacted().size() +
           secret_parameter_bytes + (text.holds_secret() ? Hidden::record_bytes_max : 0);
  }
  static constexpr size_t outcome_bytes_max = proxy::outcome_bytes_max;
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
  audit::FieldWriter begin_start(char* room, char message_type, const Uuid& id, uint64_t now_us);
  void hide(audit::FieldWriter& out, Hidden& hidden, const Uuid& id) const;

  TrailDoor& door_;
  SessionVolume volume_;
  SessionFields session_;
};

}  // namespace ringfence::proxy

#include "statement_text.h"

#include <algorithm>
#include <optional>

#include "hidden.h"
#include "ringfence/base/utf8.h"
#include "ringfence/crypto/digest.h"
#include "ringfence/pg/server_name.h"
#include "ringfence/proxy/core/snapshot.h"
#include "ringfence/sql/redact.h"
#include "ringfence/sql/split.h"

namespace ringfence::proxy {

namespace {
void keep_digest(ByteView text, uint64_t full_bytes, ByteView sha256, pg::StatementText& out) {
  if (text.size() == full_bytes) out.rare().sha256.assign(crypto::view_of(crypto::sha256(text)));
  else if (!sha256.empty()) out.rare().sha256.assign(sha256);
}

// A record has room for two texts of the largest bound: of one that is there in both forms less is kept so.
void keep_unredacted(ByteView sent, uint64_t full_bytes, size_t bytes_max, ByteView sha256,
                     pg::StatementText& out) {
  const bool is_whole = sent.size() == full_bytes || sha256.empty();
  std::string& kept = out.rare().unredacted;
  kept.assign(is_whole ? crypto::view_of(crypto::sha256(sent)) : sha256);
  const size_t room = 2 * Limits::statement_bytes_most -
                      std::min<size_t>(2 * Limits::statement_bytes_most, out.text.size() + out.raw().size());
  kept.append(sent.substr(0, std::min(bytes_max, room)));
}
}  // namespace

void take_statement_text(ByteView text, uint64_t full_bytes, size_t bytes_max, pg::StatementText& out,
                         ByteView sha256) {
  out.clear();
  out.full_bytes = full_bytes;
  // Before it is cut: a secret that the cut would hide from the redactor is behind the cut then.
  const std::optional<sql::Redacted> redacted = sql::redact(text);
  const ByteView sent = text;
  if (redacted) out.secret_places = redacted->parameters;
  if (redacted && !redacted->secrets.empty()) {
    out.is_redacted = true;
    text = redacted->text;
  }
  bool is_cut = text.size() > bytes_max;
  out.is_truncated = is_cut || (!out.is_redacted && text.size() < full_bytes);
  if (out.is_truncated && !out.is_redacted) keep_digest(text, full_bytes, sha256, out);
  ByteView kept = is_cut ? text_prefix(text, bytes_max) : text;
  if (is_valid_text(kept)) {
    out.text.assign(kept);
  } else {
    out.rare().raw.assign(text.substr(0, bytes_max));
    out.text = make_valid_text(kept);
    if (out.text.size() > bytes_max) out.text.resize(text_prefix(out.text, bytes_max).size());
  }
  if (out.is_redacted) keep_unredacted(sent, full_bytes, bytes_max, sha256, out);
}

void take_parsed_text(ByteView text, uint64_t full_bytes, size_t bytes_max, pg::StatementText& out,
                      ByteView sha256) {
  size_t begin = 0;
  if (full_bytes > bytes_max) {
    if (auto first = sql::StatementSplitter(text).next()) begin = first->begin;
  }
  take_statement_text(text.substr(begin), full_bytes - begin, bytes_max, out, sha256);
  if (begin == 0) return;
  out.begin = begin;
  out.full_bytes = full_bytes;
  out.is_truncated = true;
  if (!out.is_redacted) keep_digest(text, full_bytes, sha256, out);
}

pg::StatementText unknown_text(const pg::Portal& portal) {
  auto quoted = [](std::string_view name) { return "\"" + std::string(pg::shown_name(name)) + "\""; };
  std::string text = "-- text not known: portal " + quoted(portal.name);
  // A portal that no Bind has made says nothing of its statement.
  if (portal.bind_is_known) text += " of prepared statement " + quoted(portal.statement_name);
  pg::StatementText out;
  take_statement_text(text, text.size(), 2'048, out);
  out.full_bytes = 0;
  out.is_unknown = true;
  return out;
}

ShownMessage shown_message(std::string_view message, bool is_about_secret) {
  if (is_about_secret) return {"(not shown: the statement holds a secret)", !message.empty()};
  ShownMessage out{std::string(message.substr(0, hidden_message_bytes_max))};
  if (auto redacted = sql::redact_message(out.text)) out = {std::move(redacted->text), true};
  out.text = make_valid_text(out.text);
  out.text.resize(text_prefix(out.text, 2048).size());
  return out;
}

// A name that a client chose, without the password that may stand in it.
std::string shown_name(std::string_view name) {
  if (!sql::SecretNames::in_use().may_hold_secret(name)) return std::string(name);
  auto redacted = sql::redact_message(make_valid_text(name));
  return redacted ? std::move(redacted->text) : std::string(name);
}

}  // namespace ringfence::proxy

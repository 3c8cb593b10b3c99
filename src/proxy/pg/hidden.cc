#include "hidden.h"

#include "recorder.h"
#include "ringfence/base/utf8.h"
#include "ringfence/sql/redact.h"

namespace ringfence::proxy {

using audit::Tag;

void Hidden::add(const pg::StatementText& statement, ByteView secret_parameters) {
  constexpr size_t digest_bytes = sizeof(crypto::Digest);
  const ByteView kept = statement.unredacted();
  if (kept.size() >= digest_bytes) {
    texts_.add(Tag::statement, kept.substr(digest_bytes), kept.substr(0, digest_bytes));
  }
  if (!secret_parameters.empty()) texts_.add(Tag::parameters, secret_parameters);
}

void Hidden::add(Tag field, ByteView text) { texts_.add(field, text.substr(0, hidden_message_bytes_max)); }

void Hidden::add_encoded(ByteView fields) {
  for (Reader in(fields); in.remaining() > 0;) {
    const auto tag = static_cast<Tag>(in.u16());
    add(tag, in.bytes(in.u32()));
  }
}

namespace {
void put(audit::FieldWriter& out, Tag tag, ByteView value) { out.text(tag, value); }
void put(audit::EventBuilder& out, Tag tag, ByteView value) { out.bytes(tag, value); }

// The columns of a record whose texts are sealed by its id.
template <typename Out>
void put_hidden(Out& out, const audit::ClearTexts& texts, const audit::TextSealer* sealer, const Uuid& id) {
  put(out, Tag::redacted, texts.names());
  if (sealer == nullptr) return;
  const audit::SealedTexts sealed = sealer->for_event(texts, id);
  put(out, Tag::redacted_digest, sealed.digests);
  if (!sealed.sealed.empty()) put(out, Tag::sealed, sealed.sealed);
}
}  // namespace

void Recorder::hide(audit::EventBuilder& event, Hidden& hidden, const Uuid& id) const {
  hidden.add_encoded(session_.hidden());
  if (!hidden.is_empty()) put_hidden(event, hidden.texts(), door_.sealer, id);
}

void Recorder::hide(audit::FieldWriter& out, Hidden& hidden, const Uuid& id) const {
  hidden.add_encoded(session_.hidden());
  if (!hidden.is_empty()) put_hidden(out, hidden.texts(), door_.sealer, id);
}

}  // namespace ringfence::proxy

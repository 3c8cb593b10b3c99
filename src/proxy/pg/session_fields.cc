#include "session_fields.h"

#include "ringfence/audit/json.h"
#include "ringfence/base/utf8.h"
#include "statement_text.h"

namespace ringfence::proxy {

using audit::FieldWriter;
using audit::Tag;

void SessionFields::identify(const SessionFacts& facts) {
  fields_.clear();
  hidden_.reset();
  auto text = [&](Tag tag, std::string_view value) { audit::append_field(fields_, tag, value); };
  text(Tag::user_name, take_text(Tag::user_name, facts.user));
  text(Tag::auth_method, facts.auth_method);
  text(Tag::api_key, facts.api_key);
  text(Tag::client_addr, facts.client_addr);
  text(Tag::application_name, take_text(Tag::application_name, facts.application_name));
  text(Tag::transport, facts.transport);
  audit::append_uuid(fields_, Tag::session_id, facts.session_id);
  audit::append_uuid(fields_, Tag::connection_id, facts.connection_id);
  text(Tag::target, facts.target);
  if (facts.tags != nullptr) audit::append_tags(fields_, *facts.tags);
  text(Tag::database, take_text(Tag::database, facts.database));
  text(Tag::server_addr, facts.server_addr);
  text(Tag::server_user, facts.server_user);
  fields_.shrink_to_fit();  // For as long as the session lasts.
}

SessionFields::Extent SessionFields::find(Tag tag) const {
  Reader in(fields_);
  for (size_t begin = 0; in.remaining() > 0; begin = fields_.size() - in.remaining()) {
    bool is_it = in.u16() == static_cast<uint16_t>(tag);
    in.bytes(in.u32());
    if (is_it) return {begin, fields_.size() - in.remaining()};
  }
  return {fields_.size(), fields_.size()};
}

std::string_view SessionFields::text(Tag tag) const {
  Extent extent = find(tag);
  if (extent.begin == extent.end) return {};
  return std::string_view(fields_).substr(extent.begin + FieldWriter::header_bytes,
                                          extent.end - extent.begin - FieldWriter::header_bytes);
}

namespace {
void forget_session_text(std::string& fields, Tag tag) {
  Reader in(fields);
  for (size_t begin = 0; in.remaining() > 0; begin = fields.size() - in.remaining()) {
    const bool is_it = in.u16() == static_cast<uint16_t>(tag);
    in.bytes(in.u32());
    if (is_it) return void(fields.erase(begin, fields.size() - in.remaining() - begin));
  }
}
}  // namespace

void SessionFields::rename_application(std::string_view name) {
  if (hidden_) forget_session_text(*hidden_, Tag::application_name);
  std::string field;
  const std::string_view own = name == name_at_server() ? name_by_client() : name;
  audit::append_field(field, Tag::application_name, take_text(Tag::application_name, own));
  Extent extent = find(Tag::application_name);
  if (std::string_view(fields_).substr(extent.begin, extent.end - extent.begin) == field) return;
  fields_.replace(extent.begin, extent.end - extent.begin, field);
}

// As the trail shows it; what it was is kept where that is not the same.
std::string SessionFields::take_text(Tag tag, std::string_view value) {
  std::string shown = shown_name(value);
  if (shown != value) {
    if (!hidden_) hidden_ = std::make_unique<std::string>();
    audit::append_field(*hidden_, tag, value);
  }
  return shown;
}

}  // namespace ringfence::proxy

#include "ringfence/pg/skipped_group.h"

namespace ringfence::pg {

void SkippedGroup::note(const PendingMessage& message) {
  if (is_full_) return;
  if (message.prepared)
    text_bytes_ += message.prepared->statement.text.size() + message.prepared->statement.raw().size();
  if (message.portal) text_bytes_ += message.portal->parameters.size();
  is_full_ = names_.size() == skipped_names_max || text_bytes_ > skipped_text_bytes_max;
  if (is_full_) return;
  const bool is_closed = message.kind == PendingMessage::Kind::close;
  names_.push_back({message.kind == PendingMessage::Kind::bind || (is_closed && message.is_portal), is_closed,
                    message.prepared, message.portal});
}

const SkippedGroup::Named* SkippedGroup::find(bool is_portal, std::string_view name) const {
  for (auto named = names_.rbegin(); named != names_.rend(); ++named) {
    if (named->is_portal == is_portal && named->name() == name) return &*named;
  }
  return nullptr;
}

std::optional<Ref<Prepared>> SkippedGroup::statement(std::string_view name) const {
  if (is_full_) return Ref<Prepared>();
  const Named* named = find(false, name);
  if (named == nullptr) return std::nullopt;
  return named->is_closed ? Ref<Prepared>() : named->statement;
}

std::optional<Ref<Portal>> SkippedGroup::portal(std::string_view name) const {
  if (is_full_) return Ref<Portal>();
  const Named* named = find(true, name);
  if (named == nullptr) return std::nullopt;
  return named->is_closed ? Ref<Portal>() : named->portal;
}

bool SkippedGroup::is_culprit(const Portal* portal) const {
  if (portal == nullptr) return false;
  if (failed_portal_) return portal == failed_portal_.get();
  return failed_statement_ && portal->statement == failed_statement_;
}

const StatementText* SkippedGroup::failed_text() const {
  if (failed_portal_) return failed_portal_->statement ? &failed_portal_->statement->statement : nullptr;
  return failed_statement_ ? &failed_statement_->statement : nullptr;
}

void SkippedGroup::keep(const ErrorFields& fields) {
  has_error_ = true;
  severity_ = fields.severity;
  sqlstate_ = fields.sqlstate;
  message_ = fields.message;
}

}  // namespace ringfence::pg

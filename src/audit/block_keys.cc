#include "audit/block_keys.h"

#include <algorithm>

namespace ringfence::audit {
namespace {

struct Kind {
  Tag tag;
  std::string_view name;
  std::string_view usual;  // What most rows have: too common to be looked for.
};
constexpr Kind kinds_table[] = {
    {Tag::user_name, "user:", ""},          {Tag::target, "target:", ""},
    {Tag::database, "database:", ""},       {Tag::client_addr, "client:", ""},
    {Tag::category, "category:", ""},       {Tag::action, "action:", "postgres_query"},
    {Tag::severity, "severity:", "INFO"},   {Tag::outcome, "outcome:", "success"},
    {Tag::sqlstate, "sqlstate:", ""},       {Tag::fingerprint, "fingerprint:", ""},
    {Tag::entity_type, "entity_type:", ""}, {Tag::entity_id, "entity:", ""},
};

// An address without its port, which belongs to one connection.
ByteView host_of(ByteView address) {
  const size_t colon = address.rfind(':');
  if (colon == ByteView::npos || colon + 1 == address.size()) return address;
  const ByteView port = address.substr(colon + 1);
  const bool is_port = std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  // An address of IPv6 has its port behind brackets alone.
  const bool is_whole_address = address[0] != '[' && address.find(':') != colon;
  return is_port && !is_whole_address ? address.substr(0, colon) : address;
}

const Kind* kind_of(Tag tag) {
  const auto* found = std::find_if(std::begin(kinds_table), std::end(kinds_table),
                                   [&](const Kind& kind) { return kind.tag == tag; });
  return found == std::end(kinds_table) ? nullptr : found;
}

ByteView value_of(Tag tag, ByteView value) { return tag == Tag::client_addr ? host_of(value) : value; }

}  // namespace

bool is_statement_action(ByteView action) {
  return std::find(std::begin(statement_actions), std::end(statement_actions), action) !=
         std::end(statement_actions);
}

std::string block_key(Tag tag, ByteView value) {
  const Kind* kind = kind_of(tag);
  if (kind == nullptr || value == kind->usual) return {};
  return std::string(kind->name).append(value_of(tag, value));
}

std::string block_key_of_all(Tag tag) {
  const Kind* kind = kind_of(tag);
  return kind == nullptr ? std::string() : std::string(kind->name) + "*";
}

void BlockKeys::clear() {
  for (auto& values : values_) values.clear();
  sessions_.clear();
  has_events_ = false;
}

void BlockKeys::add(Tag tag, ByteView value) {
  if (tag == Tag::session_id) {
    if (sessions_.size() <= block_sessions_max && sessions_.find(value) == sessions_.end())
      sessions_.emplace(value);
    return;
  }
  if (tag == Tag::action && !is_statement_action(value)) has_events_ = true;
  const Kind* kind = kind_of(tag);
  if (kind == nullptr || value == kind->usual) return;
  auto& values = values_[static_cast<size_t>(kind - kinds_table)];
  value = value_of(tag, value);
  if (values.size() <= block_values_max && values.find(value) == values.end()) values.emplace(value);
}

std::vector<std::string> BlockKeys::keys() const {
  static_assert(std::size(kinds_table) == BlockKeys::kinds);
  std::vector<std::string> out;
  for (size_t i = 0; i < values_.size(); ++i) {
    const std::string name(kinds_table[i].name);
    if (values_[i].size() > block_values_max) {
      out.push_back(name + "*");
      continue;
    }
    for (const std::string& value : values_[i]) out.push_back(name + value);
  }
  if (has_events_) out.emplace_back(block_key_of_events);
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> BlockKeys::sessions() const {
  if (sessions_.size() > block_sessions_max) return {std::string(16, '\0')};
  return std::vector<std::string>(sessions_.begin(), sessions_.end());
}

}  // namespace ringfence::audit

// Who records are, by what people call them.
#include <charconv>
#include <map>
#include <set>

#include "change_rules.h"
#include "ringfence/base/utf8.h"
#include "ringfence/control/registry.h"

namespace ringfence::control {

using model::Json;
using store::ControlRecord;

namespace {

// By which records are found: an id, a number or a name.
struct CallName {
  enum class By : uint8_t { id, number, name };
  By by = By::name;
  std::string text;
  auto operator<=>(const CallName&) const = default;
};

CallName call_name_of(const Called& called) {
  const std::string& text = called.which;
  if (called.is_name) return {CallName::By::name, text};
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number > 0)
    return {CallName::By::number, std::to_string(number)};
  if (auto id = parse_uuid(text)) return {CallName::By::id, to_string(*id)};
  return {CallName::By::name, text};
}

Result<std::vector<ControlRecord>> records_called(store::ControlRecords& records, const model::Noun& noun,
                                                  const std::set<CallName>& names) {
  std::vector<std::string> by_id, by_name;
  std::vector<ControlRecord> out;
  for (const CallName& name : names) {
    if (name.by == CallName::By::id) by_id.push_back(name.text);
    else if (name.by == CallName::By::number) {
      auto one = records.by_number(noun, std::stoll(name.text));
      if (!one) return unexpected(std::move(one.error()));
      if (*one) out.push_back(std::move(**one));
    } else if (noun.has_name() && is_valid_text(name.text)) {
      by_name.push_back(name.text);
    }
  }
  for (const bool is_of_ids : {true, false}) {
    const std::vector<std::string>& called = is_of_ids ? by_id : by_name;
    if (called.empty()) continue;
    auto some = is_of_ids ? records.by_ids(noun, called) : records.by_names(noun, called);
    if (!some) return unexpected(std::move(some.error()));
    std::move(some->begin(), some->end(), std::back_inserter(out));
  }
  return out;
}

}  // namespace

Answer Registry::identify(const std::vector<Called>& called) {
  std::map<const model::Noun*, std::set<CallName>> wanted;
  for (const Called& one : called) wanted[one.noun].insert(call_name_of(one));
  std::map<std::pair<const model::Noun*, CallName>, Json> known;
  for (const auto& [noun, names] : wanted) {
    auto found = records_called(records_, *noun, names);
    if (!found) return store_failed(found.error(), {});
    for (const ControlRecord& record : *found) {
      if (!believes(record)) continue;
      const Json& body = record.body;
      const Json name = noun->has_name() ? body.at("name") : Json();
      const Json one = {{"id", body.at("id")}, {"number", body.at("number")}, {"name", name}};
      known[{noun, {CallName::By::id, record.id()}}] = one;
      known[{noun, {CallName::By::number, std::to_string(body.at("number").get<int64_t>())}}] = one;
      if (name.is_string()) known[{noun, {CallName::By::name, name.get<std::string>()}}] = one;
    }
  }
  // The name of a record of the configuration leads there, as everywhere.
  for (const auto& [noun, names] : wanted) {
    for (const CallName& name : names) {
      const Json* found = nullptr;
      if (declared_ && name.by == CallName::By::number)
        found = declared_->find_number(*noun, std::stoll(name.text));
      else found = declared(*noun, name.text);
      if (found != nullptr)
        known[{noun, name}] = {
            {"id", found->at("id")}, {"number", found->at("number")}, {"name", found->at("name")}};
    }
  }
  Answer out;
  out.body = Json::array();
  for (const Called& one : called) {
    const auto at = known.find({one.noun, call_name_of(one)});
    out.body.push_back(at == known.end() ? Json() : at->second);
  }
  return out;
}

}  // namespace ringfence::control

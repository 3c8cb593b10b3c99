#include "cursor.h"

#include <algorithm>

#include "ringfence/base/base64.h"
#include "ringfence/base/utf8.h"
#include "ringfence/control/declared_records.h"
#include "ringfence/model/timestamp.h"

namespace ringfence::control {

using model::Field;
using model::FieldKind;
using model::Json;

namespace {

constexpr size_t cursor_bytes_max = 4'096;
constexpr std::string_view own_orders[] = {"created_at", "number"};

std::string order_of(const store::ListQuery& query) { return (query.is_descending ? "-" : "") + query.sort; }

bool is_order(const model::Noun& noun, const std::string& name) {
  if (std::find(std::begin(own_orders), std::end(own_orders), name) != std::end(own_orders)) return true;
  const Field* field = noun.find(name);
  return field != nullptr && field->is_sorted;
}

FieldKind kind_of_order(const model::Noun& noun, const std::string& name) {
  if (name == "created_at") return FieldKind::time;
  if (name == "number") return FieldKind::integer;
  return noun.find(name)->kind;
}

// A cursor's value goes to the store as it is: only one of the order's kind does.
bool is_value(FieldKind kind, const Json& value) {
  if (kind == FieldKind::integer) return value.is_number_integer();
  if (kind != FieldKind::time) return value.is_string() || value.is_null();
  return value.is_null() || (value.is_string() && model::parse_rfc3339(value.get_ref<const std::string&>()));
}

tl::unexpected<Error> no_cursor() {
  return fail(Fault::malformed, "cursor is none that this list gave; leave it out to begin anew");
}

}  // namespace

std::string cursor_of(const store::ListQuery& query, const Json& last) {
  const Json cursor = {order_of(query), sort_value(query.sort, last), last.at("id")};
  return base64url_encode(model::canonical_json(cursor));
}

Result<store::ListQuery> query_of(const model::Noun& noun, const ListRequest& request) {
  store::ListQuery out;
  if (!noun.has_name()) out.sort = "number";
  for (const auto& [name, value] : request.filters) {
    const Field* field = noun.find(name);
    if (field == nullptr || !field->is_filter) return fail(Fault::malformed, "there is no filter " + name);
    if (field->kind == FieldKind::boolean && value != "true" && value != "false")
      return fail(Fault::malformed, name + " is neither true nor false");
    if (!is_valid_text(value)) return fail(Fault::malformed, name + " is no text (UTF-8 without NUL)");
    out.filters.emplace_back(name, value);
  }
  if (!request.sort.empty()) {
    out.is_descending = request.sort.starts_with('-');
    out.sort = request.sort.substr(out.is_descending ? 1 : 0);
    if (!is_order(noun, out.sort)) return fail(Fault::malformed, "there is no order \"" + out.sort + "\"");
  }
  if (request.limit < 1 || request.limit > list_limit_max)
    return fail(Fault::malformed, "limit must be a whole number from 1 to " + std::to_string(list_limit_max));
  if (request.cursor.empty()) return out;
  if (request.cursor.size() > cursor_bytes_max) return no_cursor();
  auto text = base64url_decode(request.cursor);
  if (!text) return no_cursor();
  auto cursor = model::parse_json(*text);
  if (!cursor || !cursor->is_array() || cursor->size() != 3 || !(*cursor)[0].is_string() ||
      !(*cursor)[2].is_string())
    return no_cursor();
  if ((*cursor)[0].get<std::string>() != order_of(out))
    return fail(Fault::malformed, "cursor is of a list in another order; leave it out to begin anew");
  if (!is_value(kind_of_order(noun, out.sort), (*cursor)[1]) || !parse_uuid((*cursor)[2].get<std::string>()))
    return no_cursor();
  out.after.emplace((*cursor)[1], (*cursor)[2].get<std::string>());
  return out;
}

}  // namespace ringfence::control

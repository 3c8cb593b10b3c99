// First byte: which parser; then the body.
#include <cstdint>
#include <cstdlib>

#include "ringfence/pg/messages.h"

using namespace ringfence;
using namespace ringfence::pg;

namespace {

// Each byte that a view claims is read, so that the address sanitizer sees a view out of bounds.
size_t touch(ByteView view) {
  size_t sum = 0;
  for (char c : view) sum += static_cast<uint8_t>(c);
  return sum;
}

size_t touch(ParameterList list) {
  size_t sum = 0;
  size_t count = 0;
  while (auto value = list.next()) {
    sum += touch(value->value) + value->format;
    ++count;
  }
  if (count != list.count()) std::abort();
  return sum;
}

size_t parse_any(uint8_t which, ByteView body) {
  switch (which % 18) {
    case 0:
      if (auto m = parse_error_fields(body)) {
        if (!sqlstate::is_well_formed(m->sqlstate) || m->severity.empty()) std::abort();
        return touch(m->message) + touch(m->detail) + touch(m->hint) + touch(m->routine);
      }
      break;
    case 1:
      if (auto m = parse_command_complete(body)) return touch(m->command);
      break;
    case 2:
      if (auto m = parse_parameter_status(body)) return touch(m->name) + touch(m->value);
      break;
    case 3:
      if (auto m = parse_backend_key_data(body)) return touch(m->key);
      break;
    case 4:
      if (auto m = parse_authentication(body)) return touch(m->data) + m->offers("SCRAM-SHA-256");
      break;
    case 5:
      if (auto m = parse_ready_for_query(body)) return static_cast<size_t>(*m);
      break;
    case 6:
      if (auto m = parse_notification(body)) return touch(m->channel) + touch(m->payload);
      break;
    case 7:
      if (auto m = parse_copy_response(body)) return m->columns;
      break;
    case 8:
      if (auto m = parse_query(body)) return touch(*m);
      break;
    case 9:
      if (auto m = parse_parse(body)) {
        size_t sum = touch(m->name) + touch(m->text);
        for (size_t i = 0; i < m->type_count; ++i) sum += m->type(i);
        return sum;
      }
      break;
    case 10:
      if (auto m = parse_bind(body)) return touch(m->portal) + touch(m->statement) + touch(m->parameters);
      break;
    case 11:
      if (auto m = parse_bind_names(body)) return touch(m->portal) + touch(m->statement);
      break;
    case 12:
      if (auto m = parse_describe(body)) return touch(m->name);
      break;
    case 13:
      if (auto m = parse_close(body)) return touch(m->name);
      break;
    case 14:
      if (auto m = parse_execute(body)) return touch(m->portal);
      break;
    case 15:
      if (auto m = parse_function_call(body)) return touch(m->arguments) + m->function_oid;
      break;
    case 16:
      if (auto m = parse_password(body)) return touch(*m);
      break;
    default:
      if (auto m = parse_sasl_initial_response(body))
        return touch(m->mechanism) + touch(m->data.value_or(ByteView()));
      break;
  }
  return 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  // The sum is looked at, so that the reads behind it are not optimised away.
  const size_t sum = parse_any(data[0], ByteView(reinterpret_cast<const char*>(data) + 1, size - 1));
  return sum == SIZE_MAX ? -1 : 0;
}

#include "probe.h"

#include "ringfence/pg/build.h"
#include "ringfence/pg/frame.h"
#include "ringfence/proxy/core/bounds.h"

namespace ringfence::proxy {

namespace from_server = pg::from_server;

namespace {
// Rows stand before the CommandComplete.
constexpr char answer_of_one[] = {from_server::parse_complete, from_server::bind_complete,
                                  from_server::command_complete, from_server::close_complete,
                                  from_server::close_complete};
constexpr uint8_t row_step = 2;
}  // namespace

Probe::Probe(std::string_view name, std::vector<std::string> texts)
    : name_(name), texts_(std::move(texts)), rows_(texts_.size()) {}

Probe Probe::of_settings(std::string_view name) {
  return Probe(name, {"SHOW standard_conforming_strings", "SHOW client_encoding"});
}

std::string Probe::messages() const {
  std::string out;
  for (const std::string& text : texts_) {
    pg::append_parse(out, name_, text);
    pg::append_bind(out, name_, name_);
    pg::append_execute(out, name_);
    pg::append_close(out, 'P', name_);
    pg::append_close(out, 'S', name_);
  }
  pg::append_flush(out);
  return out;
}

bool Probe::is_answer(char type) {
  switch (type) {
    case from_server::error_response:
    case from_server::notice_response:
    case from_server::notification_response:
    case from_server::parameter_status: return false;
    default: return true;
  }
}

void Probe::take(char type, ByteView body) {
  if (state_ != State::open) return;
  if (type == from_server::data_row && step_ == row_step) return take_row(body);
  if (type != answer_of_one[step_]) return fail();
  if (++step_ < sizeof answer_of_one) return;
  step_ = 0;
  if (++statement_ == texts_.size()) state_ = State::done;
}

// DataRow: the number of columns, then of each its length (-1: NULL) and bytes.
void Probe::take_row(ByteView body) {
  kept_bytes_ += body.size();
  std::vector<Row>& rows = rows_[statement_];
  if (rows.size() >= probe_rows_max || kept_bytes_ > probe_bytes_max) return fail();
  Reader in(body);
  const uint16_t columns = in.u16();
  Row row;
  for (uint16_t i = 0; i < columns && in.ok(); ++i) {
    const auto length = static_cast<int32_t>(in.u32());
    if (length < 0) row.emplace_back();
    else row.emplace_back(std::string(in.bytes(static_cast<size_t>(length))));
  }
  if (!in.ok()) return fail();
  rows.push_back(std::move(row));
}

std::string_view Probe::value(size_t statement) const {
  const std::vector<Row>& rows = rows_[statement];
  if (rows.size() != 1 || rows[0].size() != 1 || !rows[0][0]) return {};
  return *rows[0][0];
}

}  // namespace ringfence::proxy

#include "audit/block_encoder.h"

#include <functional>

#include "audit/copy_form.h"

namespace ringfence::audit {
namespace {

// Calls each(tag, value, whole field).
template <typename F>
void walk(ByteView fields, F each) {
  const char* at = fields.data();
  const char* const end = at + fields.size();
  while (at != end) {
    const auto tag = static_cast<Tag>(detail::load_be<uint16_t>(at));
    const size_t size = detail::load_be<uint32_t>(at + 2);
    each(tag, ByteView(at + FieldWriter::header_bytes, size), ByteView(at, FieldWriter::header_bytes + size));
    at += FieldWriter::header_bytes + size;
  }
}

void append_value(std::string& out, ByteView value) {
  ringfence::Writer(out).u32(static_cast<uint32_t>(value.size())).bytes(value);
}

void append_strings(std::string& out, const std::vector<std::string>& values, uint32_t type) {
  if (values.empty()) {
    // An array without elements has no dimension.
    ringfence::Writer(out).u32(12).u32(0).u32(0).u32(type);
    return;
  }
  ArrayColumn column;
  for (size_t i = 0; i < values.size(); ++i) column.put(i, values[i]);
  column.append_to(out, values.size(), type);
}

void append_optional(std::string& out, const std::string& value) {
  if (value.empty()) out.append("\xff\xff\xff\xff", 4);
  else append_value(out, value);
}

}  // namespace

void BlockEncoder::clear() {
  for (ArrayColumn& column : shared_) column.clear();
  for (ArrayColumn& column : own_) column.clear();
  sessions_of_.clear();
  kinds_of_.clear();
  kinds_.clear();
  texts_.clear();
  kept_.clear();
  own_text_salts_.clear();
  kind_text_salts_.clear();
  keys_.clear();
  first_id_ = last_id_ = ByteView();
}

void BlockEncoder::put(ArrayColumn& column, size_t index, Tag tag, ByteView value) {
  if (block_element_type(tag) == type_jsonb) {
    column.put(index, ByteView("\1", 1), value);  // PostgreSQL: jsonb_recv, version 1.
    return;
  }
  if (tag != Tag::ts) {
    column.put(index, value);
    return;
  }
  char time[8];
  detail::store_be(time, stored_us(be<uint64_t>(value)));
  column.put(index, ByteView(time, sizeof time));
}

void BlockEncoder::take_field(size_t i, Tag tag, ByteView value) {
  put(own_[static_cast<size_t>(tag)], i, tag, value);
  if (tag == Tag::ts) {
    const uint64_t ts = stored_us(be<uint64_t>(value));
    const bool is_earlier = static_cast<int64_t>(ts) < static_cast<int64_t>(first_ts_);
    const bool is_later = static_cast<int64_t>(ts) > static_cast<int64_t>(last_ts_);
    if (i == 0 || is_earlier) first_ts_ = ts;
    if (i == 0 || is_later) last_ts_ = ts;
  } else if (tag == Tag::id) {
    if (first_id_.empty() || value < first_id_) first_id_ = value;
    if (last_id_.empty() || value > last_id_) last_id_ = value;
  } else if (tag == Tag::entity_id) {
    keys_.add(tag, value);
  }
}

void BlockEncoder::take_row(const RowPiece& piece, size_t i) {
  const RowPiece::Row& row = piece.row(i);
  scratch_.clear();
  walk(piece.own_fields(i), [&](Tag tag, ByteView value, ByteView field) {
    const uint64_t bit = bit_of(tag);
    if ((kind_group & bit) != 0) scratch_.append(field);
    else if ((row_group & bit) != 0) take_field(i, tag, value);
  });
  uint32_t shared_text = RowPiece::no_text;
  if (row.text != RowPiece::no_text) {
    if (piece.texts()[row.text].uses > 1) {
      shared_text = row.text;
    } else {
      own_[static_cast<size_t>(Tag::statement)].put(i, piece.texts()[row.text].bytes);
      own_text_salts_.append(piece.text_salt(row.text));
    }
  }
  const size_t known = kinds_.size();
  // The text's number makes two kinds of what differs in the text alone.
  ringfence::Writer(scratch_).u32(shared_text);
  const uint32_t kind = kinds_.add(scratch_, std::hash<std::string_view>()(scratch_),
                                   [&](ByteView bytes) { return kept_.keep(bytes); });
  if (kind == known) texts_.push_back(shared_text);
  sessions_of_.put_small(i, static_cast<uint16_t>(row.facts + 1));
  kinds_of_.put_small(i, static_cast<uint16_t>(kind + 1));
}

void BlockEncoder::take_shared(const RowPiece& piece) {
  auto take = [&](size_t index, ByteView fields) {
    walk(fields, [&](Tag tag, ByteView value, ByteView) {
      put(shared_[static_cast<size_t>(tag)], index, tag, value);
      keys_.add(tag, value);
    });
  };
  for (size_t i = 0; i < piece.facts().size(); ++i) take(i, piece.facts()[i].bytes);
  for (size_t i = 0; i < kinds_.size(); ++i) {
    const ByteView key = kinds_[i].bytes;
    take(i, key.substr(0, key.size() - sizeof(uint32_t)));
    if (texts_[i] == RowPiece::no_text) continue;
    shared_[static_cast<size_t>(Tag::statement)].put(i, piece.texts()[texts_[i]].bytes);
    kind_text_salts_.append(piece.text_salt(texts_[i]));
  }
}

void BlockEncoder::append_head(std::string& out, ByteView node, const RowPiece& piece,
                               const ChainPlace& first, const crypto::Digest& last_hash) {
  ringfence::Writer writer(out);
  writer.u16(static_cast<uint16_t>(static_cast<size_t>(BlockColumn::end) + block_arrays().size()));
  append_value(out, node);
  writer.u32(8).u64(first.chain_no);
  writer.u32(4).u32(static_cast<uint32_t>(piece.size()));
  writer.u32(8).u64(stored_us(first.recorded_at));
  writer.u32(2).u16(static_cast<uint16_t>(first.version));
  writer.u32(2).u16(static_cast<uint16_t>(first.retention_class));
  append_value(out, crypto::view_of(last_hash));
  writer.u32(8).u64(first_ts_);
  writer.u32(8).u64(last_ts_);
  append_value(out, first_id_);
  append_value(out, last_id_);
  append_strings(out, keys_.keys(), type_text);
  append_strings(out, keys_.sessions(), type_uuid);
  append_value(out, piece.row_salts());
  append_value(out, piece.facts_salts());
  append_optional(out, kind_text_salts_);
  append_optional(out, own_text_salts_);
  sessions_of_.append_to(out, piece.size(), type_smallint);
  kinds_of_.append_to(out, piece.size(), type_smallint);
}

void BlockEncoder::append(std::string& out, ByteView node, const RowPiece& piece, const ChainPlace& first,
                          const crypto::Digest& last_hash) {
  clear();
  for (size_t i = 0; i < piece.size(); ++i) take_row(piece, i);
  take_shared(piece);
  append_head(out, node, piece, first, last_hash);
  for (const BlockArray& array : block_arrays()) {
    const auto tag = static_cast<size_t>(array.tag);
    const size_t count = array.group == 'r'   ? piece.size()
                         : array.group == 's' ? piece.facts().size()
                                              : kinds_.size();
    (array.group == 'r' ? own_ : shared_)[tag].append_to(out, count, block_element_type(array.tag));
  }
}

}  // namespace ringfence::audit

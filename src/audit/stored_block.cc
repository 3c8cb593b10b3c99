#include "audit/stored_block.h"

#include <algorithm>

#include "audit/block_keys.h"
#include "audit/numbers.h"
#include "audit/stored_chain.h"
#include "ringfence/audit/json.h"

namespace ringfence::audit {
namespace {

constexpr uint32_t elements_max = 16 * block_rows_max;

int column_of(BlockColumn column) { return static_cast<int>(column); }

ByteView salt_at(ByteView salts, size_t i) {
  return i < salts.size() / salt_bytes ? salts.substr(i * salt_bytes, salt_bytes) : ByteView();
}

}  // namespace

// PostgreSQL: array_send. Only arrays of one dimension that begin at 1 are shown as they were written.
bool StoredBlock::read_array(const store::Rows& rows, int row, int column, Elements& out) {
  out.clear();
  if (rows.is_null(row, column)) return true;
  Reader in(rows.get(row, column));
  const uint32_t dimensions = in.u32();
  (void)in.u32();
  (void)in.u32();
  if (dimensions == 0) return in.ok();
  const uint32_t count = in.u32();
  const uint32_t first = in.u32();
  // No writer stores so many, whatever they are.
  if (dimensions != 1 || first != 1 || count > elements_max) return false;
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    const uint32_t size = in.u32();
    if (size == UINT32_MAX) {
      out.emplace_back();
      continue;
    }
    const ByteView value = in.bytes(size);
    out.push_back(value.data() == nullptr ? ByteView("") : value);
  }
  return in.ok() && in.remaining() == 0;
}

void StoredBlock::read_place(const store::Rows& rows, int row) {
  auto get = [&](BlockColumn column) { return rows.get(row, column_of(column)); };
  node_ = get(BlockColumn::node);
  place_.chain_no = be<uint64_t>(get(BlockColumn::first_chain_no));
  row_count_ = be<uint32_t>(get(BlockColumn::row_count));
  place_.recorded_at = unix_us(get(BlockColumn::recorded_at));
  place_.version = be<int16_t>(get(BlockColumn::version));
  place_.retention_class = be<int16_t>(get(BlockColumn::retention_class));
  last_hash_ = get(BlockColumn::last_hash);
}

void StoredBlock::read_groups(const store::Rows& rows, int row) {
  json_.clear();
  bool is_whole = read_array(rows, row, column_of(BlockColumn::r_s), sessions_of_);
  is_whole = read_array(rows, row, column_of(BlockColumn::r_k), kinds_of_) && is_whole;
  own_.size = std::max(sessions_of_.size(), kinds_of_.size());
  sessions_.size = kinds_.size = 0;
  int column = column_of(BlockColumn::end);
  for (const BlockArray& array : block_arrays()) {
    Group& group = array.group == 's' ? sessions_ : array.group == 'k' ? kinds_ : own_;
    Elements& elements = group.of[static_cast<size_t>(array.tag)];
    is_whole = read_array(rows, row, column++, elements) && is_whole;
    if (block_element_type(array.tag) == type_jsonb) convert_json(elements);
    group.size = std::max(group.size, elements.size());
  }
  size_ = own_.size;
  if (!is_whole) complain("an array in it is none of the writer's");
  if (size_ != row_count_) complain("its arrays do not have as many elements as it has rows");
  if (size_ == 0 || size_ > block_rows_max) complain("no writer makes a block of so many rows");
  convert_times();
}

void StoredBlock::convert_json(Elements& elements) {
  for (ByteView& value : elements) {
    if (value.data() == nullptr) continue;
    value =
        json_.emplace_back(canonicalise_json(value.substr(std::min<size_t>(1, value.size()))).value_or(""));
  }
}

void StoredBlock::convert_times() {
  Elements& stored = own_.of[static_cast<size_t>(Tag::ts)];
  times_.resize(stored.size());
  for (size_t i = 0; i < stored.size(); ++i) {
    if (stored[i].data() == nullptr) continue;
    detail::store_be(times_[i].data(), unix_us(stored[i]));
    stored[i] = ByteView(times_[i].data(), times_[i].size());
  }
}

void StoredBlock::read_salts(const store::Rows& rows, int row, crypto::Sha256& sha) {
  row_salts_ = rows.get(row, column_of(BlockColumn::row_salts));
  facts_salts_ = rows.get(row, column_of(BlockColumn::s_salts));
  auto spread = [&](BlockColumn column, const Elements& texts, Elements& out) {
    ByteView salts = rows.get(row, column_of(column));
    out.assign(texts.size(), ByteView());
    for (size_t i = 0; i < texts.size(); ++i) {
      if (texts[i].data() == nullptr) continue;
      out[i] = salt_at(salts, 0);
      if (out[i].empty()) complain("a text in it has no salt");
      salts.remove_prefix(std::min(salts.size(), salt_bytes));
    }
    if (!salts.empty()) complain("it has more salts than texts");
  };
  const auto statement = static_cast<size_t>(Tag::statement);
  spread(BlockColumn::k_text_salts, kinds_.of[statement], text_salts_of_kinds_);
  spread(BlockColumn::r_text_salts, own_.of[statement], text_salts_);
  if (row_salts_.size() != size_ * salt_bytes || facts_salts_.size() != sessions_.size * salt_bytes)
    complain("it has not one salt for each row and each session");
  facts_digests_.resize(sessions_.size);
  std::string bytes;
  for (size_t i = 0; i < sessions_.size; ++i) {
    FieldSet facts;
    take(sessions_, i, facts);
    bytes.resize(size_of(facts, facts_mask));
    write_fields(bytes.data(), facts, facts_mask);
    facts_digests_[i] = salted_digest(sha, salt_at(facts_salts_, i), bytes);
  }
  kind_text_digests_.resize(kinds_.size);
  for (size_t i = 0; i < kinds_.size; ++i) {
    const ByteView text = at(kinds_.of[statement], i);
    if (text.data() != nullptr) kind_text_digests_[i] = salted_digest(sha, at(text_salts_of_kinds_, i), text);
  }
}

size_t StoredBlock::number_at(const Elements& numbers, size_t i) {
  const auto number = be<uint16_t>(at(numbers, i));
  return number == 0 ? SIZE_MAX : size_t{number} - 1;
}

// What no row refers to is in no leaf.
void StoredBlock::check_references() {
  std::vector<bool> sessions(sessions_.size);
  std::vector<bool> kinds(kinds_.size);
  const auto statement = static_cast<size_t>(Tag::statement);
  for (size_t i = 0; i < size_; ++i) {
    const size_t session = session_at(i);
    const size_t kind = kind_at(i);
    if (session >= sessions.size() || kind >= kinds.size()) {
      complain("a row refers to what is not there");
      continue;
    }
    sessions[session] = kinds[kind] = true;
    if (at(own_.of[statement], i).data() != nullptr && at(kinds_.of[statement], kind).data() != nullptr)
      complain("a row has two texts");
  }
  if (std::count(sessions.begin(), sessions.end(), false) + std::count(kinds.begin(), kinds.end(), false) !=
      0)
    complain("it holds what no row refers to");
}

// What a view looks for among the rows of audit_row alone.
void StoredBlock::check_outcomes() {
  auto is_there = [](const Elements& elements, auto is_late) {
    return std::any_of(elements.begin(), elements.end(),
                       [&](ByteView value) { return value.data() != nullptr && is_late(value); });
  };
  if (is_there(own_.of[static_cast<size_t>(Tag::parent_id)], [](ByteView) { return true; }) ||
      is_there(kinds_.of[static_cast<size_t>(Tag::action)],
               [](ByteView action) { return action.ends_with("_outcome"); }))
    complain("an outcome that came late stands in it, where no view finds it");
}

// By these columns people find its rows.
void StoredBlock::check_summary(const store::Rows& rows, int row) {
  BlockKeys keys;
  auto add = [&](const Group& group, uint64_t tags) {
    for_each_tag(tags, [&](Tag tag) {
      for (ByteView value : group.of[static_cast<size_t>(tag)]) {
        if (value.data() != nullptr) keys.add(tag, value);
      }
    });
  };
  add(sessions_, session_group);
  add(kinds_, kind_group);
  add(own_, bit_of(Tag::entity_id));
  Elements stored;
  auto is_same = [&](BlockColumn column, const std::vector<std::string>& expected) {
    return read_array(rows, row, column_of(column), stored) &&
           std::equal(stored.begin(), stored.end(), expected.begin(), expected.end());
  };
  if (!is_same(BlockColumn::keys, keys.keys()) || !is_same(BlockColumn::sessions, keys.sessions()))
    complain("its keys are not those of its rows");
  auto is_range = [&](Tag tag, BlockColumn first, BlockColumn last, bool is_time) {
    const Elements& values = own_.of[static_cast<size_t>(tag)];
    if (values.size() != size_ || values.empty()) return false;
    auto is_less = [&](ByteView a, ByteView b) { return is_time ? be<int64_t>(a) < be<int64_t>(b) : a < b; };
    const auto [least, most] = std::minmax_element(values.begin(), values.end(), is_less);
    auto is_value = [&](BlockColumn column, ByteView value) {
      const ByteView there = rows.get(row, column_of(column));
      return is_time ? unix_us(there) == be<uint64_t>(value) : there == value;
    };
    return is_value(first, *least) && is_value(last, *most);
  };
  if (!is_range(Tag::ts, BlockColumn::first_ts, BlockColumn::last_ts, true) ||
      !is_range(Tag::id, BlockColumn::first_id, BlockColumn::last_id, false)) {
    complain("its first and last times or identifiers are not those of its rows");
  }
}

StoredBlock StoredBlock::too_large(uint64_t first_chain_no) {
  StoredBlock out;
  out.place_.chain_no = first_chain_no;
  out.complain("its arrays have more elements than a writer stores");
  return out;
}

void StoredBlock::read(const store::Rows& rows, int row, crypto::Sha256& sha) {
  defect_.clear();
  read_place(rows, row);
  read_groups(rows, row);
  read_salts(rows, row, sha);
  check_references();
  check_outcomes();
  if (defect_.empty()) check_summary(rows, row);
}

void StoredBlock::take(const Group& group, size_t index, FieldSet& out) {
  for (size_t tag = 1; tag < tag_end; ++tag) {
    const ByteView value = at(group.of[tag], index);
    if (value.data() != nullptr) out.set(static_cast<Tag>(tag), value);
  }
}

bool StoredBlock::fields_of(size_t i, FieldSet& out) const {
  out.clear();
  const size_t session = session_at(i);
  const size_t kind = kind_at(i);
  const bool is_whole = session < sessions_.size && kind < kinds_.size;
  if (session < sessions_.size) take(sessions_, session, out);
  if (kind < kinds_.size) take(kinds_, kind, out);
  take(own_, i, out);
  out.set(Tag::node, node_);
  return is_whole;
}

RowSalts StoredBlock::salts_of(size_t i) const {
  const ByteView own = at(text_salts_, i);
  return {salt_at(row_salts_, i), salt_at(facts_salts_, session_at(i)),
          own.data() != nullptr ? own : at(text_salts_of_kinds_, kind_at(i))};
}

RowProof StoredBlock::proof_of(size_t i, const FieldSet& fields) const {
  RowProof out;
  out.salt = salt_at(row_salts_, i);
  const size_t session = session_at(i);
  if (session < facts_digests_.size()) out.facts = facts_digests_[session];
  if (!fields.has(Tag::statement)) return out;
  const ByteView own = at(own_.of[static_cast<size_t>(Tag::statement)], i);
  const size_t kind = kind_at(i);
  if (own.data() != nullptr) out.text = salted_digest(sha_, at(text_salts_, i), own);
  else if (kind < kind_text_digests_.size()) out.text = kind_text_digests_[kind];
  return out;
}

}  // namespace ringfence::audit

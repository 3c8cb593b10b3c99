#include "audit/rows.h"

#include <functional>

#include "audit/numbers.h"
#include "ringfence/audit/json.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/utf8.h"
#include "ringfence/base/uuid.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::audit {
namespace {

constexpr uint64_t bit(Tag tag) { return uint64_t{1} << static_cast<int>(tag); }

constexpr uint64_t session_mask =
    bit(Tag::id) | bit(Tag::ts) | bit(Tag::category) | bit(Tag::action) | bit(Tag::severity) |
    bit(Tag::user_name) | bit(Tag::auth_method) | bit(Tag::api_key) | bit(Tag::client_addr) |
    bit(Tag::application_name) | bit(Tag::transport) | bit(Tag::session_id) | bit(Tag::connection_id) |
    bit(Tag::target) | bit(Tag::tags) | bit(Tag::database) | bit(Tag::server_addr) | bit(Tag::server_user) |
    bit(Tag::fingerprint) | bit(Tag::message_type) | bit(Tag::project_id);

constexpr uint64_t json_mask = bit(Tag::tags) | bit(Tag::parameters) | bit(Tag::facts) | bit(Tag::changes) |
                               bit(Tag::metadata) | bit(Tag::redacted) | bit(Tag::redacted_digest) |
                               bit(Tag::outcome_digest);

// Columns that every row has.
constexpr uint64_t always_mask = bit(Tag::id) | bit(Tag::node) | bit(Tag::shard) | bit(Tag::seq) |
                                 bit(Tag::ts) | bit(Tag::category) | bit(Tag::action) | bit(Tag::severity) |
                                 bit(Tag::outcome);

// PostgreSQL counts timestamps from 2000-01-01.
// Of a poisoned row's texts only short ones stay in their columns: indexed values have a limit of their own.
constexpr size_t poisoned_text_max = 256;

std::string new_id(uint64_t now_us) {
  uint64_t random = 0;
  char raw[8];
  if (crypto::random_fill(raw, sizeof raw)) std::memcpy(&random, raw, sizeof raw);
  Uuid id = uuid_v7(now_us, random);
  return std::string(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size());
}

struct Types {
  std::array<FieldType, tag_end> of{};
  std::array<bool, tag_end> are_json{};
  Types() {
    for (uint16_t tag = 1; tag < tag_end; ++tag) {
      of[tag] = field_info(tag)->type;
      are_json[tag] = of[tag] == FieldType::json;
    }
  }
};
const Types types;

// Of values as short as this copy() moves so many bytes whatever their length.
constexpr size_t short_value = 16;
// What may be read behind a value in canonical bytes: there always stand the fields of the chain.
static_assert(chain_fields_bytes >= short_value);

// Most values are short: for those neither a call nor a branch on the length.
void copy(char* at, const char* from, size_t size) {
  if (size <= short_value) std::memcpy(at, from, short_value);
  else std::memcpy(at, from, size);
}

char* put_value(char* at, ByteView value) {
  detail::store_be(at, static_cast<uint32_t>(value.size()));
  at += 4;
  if (!value.empty()) std::memcpy(at, value.data(), value.size());
  return at + value.size();
}

char* put_integer(char* at, uint64_t value) {
  detail::store_be(at, uint32_t{8});
  detail::store_be(at + 4, value);
  return at + 12;
}

// PostgreSQL's timestamps, in binary.
uint64_t pg_us(uint64_t unix_us) {
  return static_cast<uint64_t>(static_cast<int64_t>(unix_us) - pg_epoch_us);
}

}  // namespace

uint64_t session_fields_mask() { return session_mask; }

ByteView RowEncoder::keep(std::string bytes) { return kept_.emplace_back(std::move(bytes)); }

ByteView RowEncoder::keep_integer(uint64_t value) {
  auto& room = integers_[integers_used_++];
  detail::store_be(room.data(), value);
  return ByteView(room.data(), room.size());
}

void RowEncoder::compose_late(const PendingRow& row, FieldSet& fields) {
  FieldSet start;
  (void)parse_fields(row.first, start);
  FieldSet out;
  for (uint64_t rest = start.present & session_mask; rest != 0; rest &= rest - 1) {
    auto tag = static_cast<Tag>(std::countr_zero(rest));
    out.set(tag, start.get(tag));
  }
  out.clear(Tag::id);
  if (start.has(Tag::id)) out.set(Tag::parent_id, start.get(Tag::id));
  out.clear(Tag::ts);
  if (start.get(Tag::action) == "postgres_query") out.set(Tag::action, "postgres_query_outcome");
  else if (start.has(Tag::action))
    out.set(Tag::action, keep(std::string(start.get(Tag::action)) + "_outcome"));
  FieldSet outcome;
  (void)parse_fields(row.second, outcome);
  for (uint64_t rest = outcome.present; rest != 0; rest &= rest - 1) {
    auto tag = static_cast<Tag>(std::countr_zero(rest));
    if (tag != Tag::action && tag != Tag::parent_id) out.set(tag, outcome.get(tag));
  }
  // An outcome says how long its statement took, which with the start's time is when it ended.
  if (!out.has(Tag::ts) && start.has(Tag::ts) && outcome.has(Tag::duration_us)) {
    out.set(Tag::ts, keep_integer(detail::load_be<uint64_t>(start.get(Tag::ts).data()) +
                                  detail::load_be<uint64_t>(outcome.get(Tag::duration_us).data())));
  }
  if (row.shape == RowShape::orphan && !out.has(Tag::action)) out.set(Tag::action, "postgres_query_outcome");
  fields = out;
}

// What the store (or our own reading of it) refused: every value that cannot be wrong by itself stays in its
// column, the record's bytes go whole into statement_raw.
void RowEncoder::compose_poisoned(FieldSet& fields, RowForm form, ByteView first, ByteView second,
                                  std::string_view why) {
  FieldSet out;
  for (uint64_t rest = fields.present; rest != 0; rest &= rest - 1) {
    auto tag = static_cast<Tag>(std::countr_zero(rest));
    ByteView value = fields.get(tag);
    switch (types.of[static_cast<size_t>(tag)]) {
      case FieldType::integer:
      case FieldType::uuid:
      case FieldType::timestamp:
      case FieldType::boolean: out.set(tag, value); break;
      case FieldType::text:
        if (form != RowForm::bare && tag != Tag::statement && value.size() <= poisoned_text_max &&
            is_valid_text(value)) {
          out.set(tag, value);
        }
        break;
      default: break;
    }
  }
  std::string raw(first);
  raw.append(second);
  out.set(Tag::statement_raw, keep(std::move(raw)));
  std::string metadata = "{\"stored_as_bytes\":";
  append_json_string(metadata, why);
  out.set(Tag::metadata, keep(metadata + "}"));
  fields = out;
}

// Values that parse but that the store would not give back as they are.
void RowEncoder::fix_values(FieldSet& fields) {
  for (uint64_t rest = fields.present & json_mask; rest != 0; rest &= rest - 1) {
    auto tag = static_cast<Tag>(std::countr_zero(rest));
    ByteView value = fields.get(tag);
    if (is_canonical_json(value)) continue;
    auto canonical = canonicalise_json(value);
    if (canonical) {
      fields.set(tag, keep(std::move(*canonical)));
    } else {
      std::string wrapped;
      append_json_string(wrapped, make_valid_text(value));
      fields.set(tag, keep(std::move(wrapped)));
    }
  }
  if (fields.has(Tag::ts)) {
    auto ts = static_cast<int64_t>(detail::load_be<uint64_t>(fields.get(Tag::ts).data()));
    // The years 1 to 9999: what every reader of a timestamp understands.
    if (ts < -62'135'596'800'000'000 || ts > 253'402'300'799'999'999) fields.clear(Tag::ts);
  }
}

namespace {

bool stands_in(ByteView whole, ByteView part) {
  const std::less_equal<const char*> is_before;
  return is_before(whole.data(), part.data()) &&
         is_before(part.data() + part.size(), whole.data() + whole.size());
}

// The outcome has a statement, because another one ran than the start has. What the start says of its own,
// and the outcome does not say of the other, goes.
void drop_replaced(ByteView second, FieldSet& fields) {
  auto drop = [&](Tag tag) {
    if (fields.has(tag) && !stands_in(second, fields.get(tag))) fields.clear(tag);
  };
  for (Tag tag :
       {Tag::statement_raw, Tag::statement_sha256, Tag::redacted, Tag::redacted_digest, Tag::sealed})
    drop(tag);
  // In a message it is the place all the same.
  if (!fields.has(Tag::message_id)) drop(Tag::statement_begin);
  // Where it is said whether they are whole, all is said of them.
  if (stands_in(second, fields.get(Tag::parameters_truncated))) drop(Tag::parameters);
}

}  // namespace

// Of a start in which something was redacted: what its outcome says is of other texts.
void RowEncoder::join_redaction(ByteView redacted, ByteView second, FieldSet& fields) {
  const ByteView later = fields.get(Tag::redacted);
  if (!stands_in(second, later) || later.size() <= 2 || redacted.size() <= 2) return;
  std::string both(later.substr(0, later.size() - 1));
  fields.set(Tag::redacted, keep(both.append(",").append(redacted.substr(1))));
}

void RowEncoder::compose(const PendingRow& row, FieldSet& fields) {
  fields.clear();
  kept_.clear();
  integers_used_ = 0;
  bool is_whole = true;
  if (row.shape == RowShape::late_outcome || row.shape == RowShape::orphan ||
      row.shape == RowShape::died_late) {
    FieldSet ignored;
    is_whole = parse_fields(row.first, ignored) && parse_fields(row.second, ignored);
    compose_late(row, fields);
  } else {
    is_whole = parse_fields(row.first, fields);
    const ByteView redacted = fields.get(Tag::redacted);
    if (!row.second.empty()) is_whole = parse_fields(row.second, fields) && is_whole;
    if (!row.second.empty()) {
      if (stands_in(row.second, fields.get(Tag::statement))) drop_replaced(row.second, fields);
      else if (!redacted.empty()) join_redaction(redacted, row.second, fields);
    }
  }
  fix_values(fields);
  if (!is_whole) {
    compose_poisoned(fields, row.form, row.first, row.second, "the record's fields cannot be read");
  } else if (row.form != RowForm::whole) {
    compose_poisoned(fields, row.form, row.first, row.second, "the store refused the content");
  }
  if (row.shape == RowShape::running) {
    fields.set(Tag::outcome, "running");
  } else if (row.shape == RowShape::died || row.shape == RowShape::died_late) {
    fields.set(Tag::outcome, "unknown");
    fields.set(Tag::reason, "the appliance ended before the outcome was known");
  }
  fields.set(Tag::node, node_);
  fields.set(Tag::shard, keep_integer(row.shard));
  fields.set(Tag::seq, keep_integer(row.seq));
  if (row.outcome_seq != 0) fields.set(Tag::outcome_seq, keep_integer(row.outcome_seq));
  else fields.clear(Tag::outcome_seq);
  if ((fields.present & always_mask) == always_mask) return;
  uint64_t now = wall_us();
  if (!fields.has(Tag::id)) fields.set(Tag::id, keep(new_id(now)));
  if (!fields.has(Tag::ts)) fields.set(Tag::ts, keep_integer(now));
  if (!fields.has(Tag::category)) fields.set(Tag::category, "audit");
  if (!fields.has(Tag::action)) fields.set(Tag::action, "record");
  if (!fields.has(Tag::severity)) fields.set(Tag::severity, "INFO");
  if (!fields.has(Tag::outcome)) fields.set(Tag::outcome, "unknown");
}

// The canonical bytes hold the fields in the order of the columns: both are walked side by side.
void RowEncoder::append_event_row(ByteView canonical, const ChainPlace& place, const crypto::Digest& leaf,
                                  const crypto::Digest& hash) {
  auto columns = static_cast<size_t>(std::popcount(columns_));
  // A column takes four bytes of length where its field takes six of header; jsonb has one byte more.
  char* at = events_.room(2 + 6 * 16 + 2 * 40 + canonical.size() + 5 * columns + short_value);
  detail::store_be(at, static_cast<uint16_t>(columns + 6));
  at += 2;
  const char* field = canonical.data();
  for (uint64_t rest = columns_; rest != 0; rest &= rest - 1) {
    auto tag = static_cast<uint16_t>(std::countr_zero(rest));
    // Behind the last field stand those of the chain, whose tags are larger than any column's.
    if (detail::load_be<uint16_t>(field) != tag) {
      detail::store_be(at, uint32_t{0xffffffff});
      at += 4;
      continue;
    }
    const char* value = field + FieldWriter::header_bytes;
    size_t size = detail::load_be<uint32_t>(field + 2);
    size_t version = types.are_json[tag] ? 1 : 0;  // jsonb's, which is 1.
    detail::store_be(at, static_cast<uint32_t>(size + version));
    at[4] = 1;
    at += 4 + version;
    if (types.of[tag] == FieldType::timestamp) detail::store_be(at, pg_us(detail::load_be<uint64_t>(value)));
    else copy(at, value, size);
    at += size;
    field = value + size;
  }
  at = put_integer(at, place.chain_no);
  at = put_integer(at, pg_us(place.recorded_at));
  for (int64_t small : {place.version, place.retention_class}) {
    detail::store_be(at, uint32_t{2});
    detail::store_be(at + 4, static_cast<uint16_t>(small));
    at += 6;
  }
  at = put_value(at, crypto::view_of(leaf));
  at = put_value(at, crypto::view_of(hash));
  events_.end_at(at);
}

void RowEncoder::append_link(uint64_t chain_no, const crypto::Digest& leaf, const crypto::Digest& hash) {
  uint32_t size = run_at_ == 0 ? 0 : detail::load_be<uint32_t>(links_.data() + run_at_);
  if (run_at_ == 0 || size == link_run_max * link_bytes) {
    size_t begin = links_.size();
    links_.resize(begin + 2 + 4 + node_.size() + 12 + 4);
    char* at = links_.data() + begin;
    detail::store_be(at, uint16_t{3});
    at = put_value(at + 2, node_);
    put_integer(at, chain_no);
    run_at_ = links_.size() - 4;
    size = 0;
  }
  detail::store_be(links_.data() + run_at_, static_cast<uint32_t>(size + link_bytes));
  links_.append(crypto::view_of(leaf)).append(crypto::view_of(hash));
}

void RowEncoder::begin(const Head& head, uint64_t now_us, bool keep_canonical) {
  head_ = head;
  head_.recorded_at = std::max(head.recorded_at, now_us);
  columns_ |= always_mask | bit(Tag::outcome_seq);
  links_.assign(copy_header());
  run_at_ = 0;
  canonical_.clear();
  canonical_ends_.clear();
  keep_canonical_ = keep_canonical;
}

bool RowEncoder::encode(const std::vector<PendingRow>& rows, size_t begin, size_t end) {
  if (!keep_canonical_) {
    canonical_.clear();
    canonical_ends_.clear();
  }
  const size_t first_row = canonical_ends_.size();
  const size_t first_byte = canonical_.size();
  uint64_t columns = columns_;
  FieldSet fields;
  ChainPlace place;
  place.recorded_at = head_.recorded_at;
  for (size_t i = begin; i < end; ++i) {
    compose(rows[i], fields);
    columns |= fields.present;
    place.chain_no = head_.chain_no + 1 + (i - begin);
    canonical_.end_at(write_canonical(canonical_.room(size_of(fields, fields.present) + chain_fields_bytes),
                                      fields, place));
    canonical_ends_.push_back(canonical_.size());
  }
  if (columns != columns_) {
    columns_ = columns;
    canonical_.shrink(first_byte);
    canonical_ends_.resize(first_row);
    return false;
  }
  messages_.clear();
  const ByteView canonical = canonical_.view();
  for (size_t i = first_row, from = first_byte; i < canonical_ends_.size(); from = canonical_ends_[i++]) {
    messages_.push_back(canonical.substr(from, canonical_ends_[i] - from));
  }
  leaves_.resize(messages_.size());
  leaf_sha_.digest(messages_, leaves_.data());
  events_.clear();
  for (size_t i = 0; i < messages_.size(); ++i) {
    place.chain_no = ++head_.chain_no;
    head_.hash = chain_hash(sha_, head_.hash, leaves_[i]);
    append_event_row(messages_[i], place, leaves_[i], head_.hash);
    append_link(place.chain_no, leaves_[i], head_.hash);
  }
  return true;
}

const std::vector<CommittedRow>& RowEncoder::canonical_rows() {
  canonical_rows_.clear();
  uint64_t chain_no = head_.chain_no - canonical_ends_.size();
  size_t from = 0;
  for (size_t end : canonical_ends_) {
    canonical_rows_.push_back({++chain_no, canonical_.view().substr(from, end - from)});
    from = end;
  }
  return canonical_rows_;
}

ByteView RowEncoder::copy_header() { return ByteView("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", 19); }

std::string RowEncoder::event_copy_sql() const {
  std::string out = "COPY ringfence.audit_event (";
  for (uint64_t rest = columns_; rest != 0; rest &= rest - 1) {
    out.append(field_info(static_cast<uint16_t>(std::countr_zero(rest)))->column).append(", ");
  }
  return out + "chain_no, recorded_at, hash_version, retention_class, leaf, hash) FROM STDIN (FORMAT binary)";
}

std::string RowEncoder::link_copy_sql() {
  return "COPY ringfence.audit_link_run (node, first_chain_no, links) FROM STDIN (FORMAT binary)";
}

}  // namespace ringfence::audit

#include "audit/rows.h"

#include <functional>

#include "audit/copy_form.h"
#include "ringfence/audit/json.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/utf8.h"
#include "ringfence/base/uuid.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::audit {
namespace {

constexpr uint64_t session_mask =
    bit_of(Tag::id) | bit_of(Tag::ts) | bit_of(Tag::category) | bit_of(Tag::action) | bit_of(Tag::severity) |
    bit_of(Tag::user_name) | bit_of(Tag::auth_method) | bit_of(Tag::api_key) | bit_of(Tag::client_addr) |
    bit_of(Tag::application_name) | bit_of(Tag::transport) | bit_of(Tag::session_id) |
    bit_of(Tag::connection_id) | bit_of(Tag::target) | bit_of(Tag::tags) | bit_of(Tag::database) |
    bit_of(Tag::server_addr) | bit_of(Tag::server_user) | bit_of(Tag::fingerprint) |
    bit_of(Tag::message_type) | bit_of(Tag::project_id);

constexpr uint64_t json_mask = bit_of(Tag::tags) | bit_of(Tag::parameters) | bit_of(Tag::facts) |
                               bit_of(Tag::changes) | bit_of(Tag::metadata) | bit_of(Tag::redacted) |
                               bit_of(Tag::redacted_digest) | bit_of(Tag::outcome_digest);

// Columns that every row has.
constexpr uint64_t always_mask = bit_of(Tag::id) | bit_of(Tag::node) | bit_of(Tag::shard) | bit_of(Tag::seq) |
                                 bit_of(Tag::ts) | bit_of(Tag::category) | bit_of(Tag::action) |
                                 bit_of(Tag::severity) | bit_of(Tag::outcome);

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
  Types() {
    for (uint16_t tag = 1; tag < tag_end; ++tag) of[tag] = field_info(tag)->type;
  }
};
const Types types;

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

void RowEncoder::begin(const Head& head, uint64_t now_us, bool keep_canonical, bool with_blocks) {
  head_ = head;
  head_.recorded_at = std::max(head.recorded_at, now_us);
  with_blocks_ = with_blocks && block_rows_ != 0;
  row_copy_.add_columns(always_mask | bit_of(Tag::outcome_seq));
  links_.assign(copy_header);
  run_at_ = 0;
  canonical_.clear();
  canonical_ends_.clear();
  keep_canonical_ = keep_canonical;
}

namespace {

// An outcome that came later is looked for by its parent, as a row of its own; a long record costs a block's
// readers more than it saves.
bool fits_block(const PendingRow& row) {
  const bool is_of_kind = row.shape == RowShape::event || row.shape == RowShape::joined ||
                          row.shape == RowShape::running || row.shape == RowShape::died;
  return is_of_kind && row.form == RowForm::whole &&
         row.first.size() + row.second.size() <= block_row_bytes_max;
}

// How many rows from `at` on make a block together, `most` at most.
size_t run_of(const std::vector<PendingRow>& rows, size_t at, size_t end, size_t most) {
  size_t bytes = 0;
  size_t count = 0;
  for (; at + count < end && count < most && bytes <= block_bytes_max; ++count) {
    const PendingRow& row = rows[at + count];
    if (!fits_block(row)) break;
    bytes += row.first.size() + row.second.size();
  }
  return count;
}

}  // namespace

RowEncoder::Piece RowEncoder::next_piece(const std::vector<PendingRow>& rows, size_t at, size_t end) const {
  if (!with_blocks_) return {at, std::min(end, at + piece_rows), false};
  const size_t run = run_of(rows, at, end, 2 * block_rows_max);
  // Two blocks of one size, and not a large one with a rest.
  if (run >= block_rows_) return {at, at + (run > block_rows_max ? run / 2 : run), true};
  size_t next = at + std::max<size_t>(run, 1);
  while (next < end && next - at < piece_rows && run_of(rows, next, end, block_rows_) < block_rows_) ++next;
  return {at, std::min(next, at + piece_rows), false};
}

RowEncoder::Encoded RowEncoder::encode(const std::vector<PendingRow>& rows, const Piece& piece) {
  if (!keep_canonical_) {
    canonical_.clear();
    canonical_ends_.clear();
  }
  const size_t first_row = canonical_ends_.size();
  const size_t first_byte = canonical_.size();
  const uint64_t columns = compose_piece(rows, piece);
  if (!piece.is_block && (columns & ~row_copy_.columns()) != 0) {
    row_copy_.add_columns(columns);
    canonical_.shrink(first_byte);
    canonical_ends_.resize(first_row);
    return Encoded::has_more_columns;
  }
  ChainPlace place;
  place.chain_no = head_.chain_no + 1;
  place.recorded_at = head_.recorded_at;
  if (!piece_.finish(place, leaf_sha_, leaves_)) return Encoded::no_randomness;
  append_piece(piece.is_block, place, first_row, first_byte);
  return Encoded::done;
}

// The rows of the piece, and, for rows of their own and for those who follow the trail, their canonical
// bytes. Gives the columns that they have.
uint64_t RowEncoder::compose_piece(const std::vector<PendingRow>& rows, const Piece& piece) {
  const bool writes_canonical = keep_canonical_ || !piece.is_block;
  uint64_t columns = 0;
  FieldSet fields;
  ChainPlace place;
  place.recorded_at = head_.recorded_at;
  piece_.clear();
  for (size_t i = piece.begin; i < piece.end; ++i) {
    compose(rows[i], fields);
    columns |= fields.present;
    piece_.add(fields);
    if (!writes_canonical) continue;
    place.chain_no = head_.chain_no + 1 + (i - piece.begin);
    canonical_.end_at(write_canonical(canonical_.room(size_of(fields, fields.present) + chain_fields_bytes),
                                      fields, place));
    canonical_ends_.push_back(canonical_.size());
  }
  return columns;
}

void RowEncoder::append_piece(bool is_block, const ChainPlace& first, size_t first_row, size_t first_byte) {
  row_copy_.clear();
  block_.clear();
  ChainPlace place = first;
  size_t from = first_byte;
  for (size_t i = 0; i < piece_.size(); ++i, ++place.chain_no) {
    head_.hash = chain_hash(sha_, head_.hash, leaves_[i]);
    append_link(place.chain_no, leaves_[i], head_.hash);
    if (is_block) continue;
    const RowPiece::Row& row = piece_.row(i);
    const size_t end = canonical_ends_[first_row + i];
    row_copy_.append(canonical_.view().substr(from, end - from), place, leaves_[i], head_.hash,
                     {piece_.row_salt(i), piece_.facts_salt(row.facts),
                      row.text == RowPiece::no_text ? ByteView() : piece_.text_salt(row.text)});
    from = end;
  }
  head_.chain_no += piece_.size();
  if (is_block) block_encoder_.append(block_, node_, piece_, first, head_.hash);
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

std::string RowEncoder::link_copy_sql() {
  return "COPY ringfence.audit_link_run (node, first_chain_no, links) FROM STDIN (FORMAT binary)";
}

}  // namespace ringfence::audit

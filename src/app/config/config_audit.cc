// Sections audit and store.
#include "config_files.h"
#include "config_rules.h"
#include "config_sections.h"
#include "ringfence/base/base64.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/model/text_rules.h"
#include "ringfence/sql/secret_names.h"

namespace ringfence::app {

namespace {

using model::gib;
using model::mib;

constexpr size_t system_user_bytes_max = 32;

void read_redaction(Section& audit, AuditConfig& out) {
  Section section = audit.section("redact");
  for (const Found& found : section.texts("names", sql::SecretNames::names_max)) {
    if (sql::SecretNames::is_valid_name(found.text)) out.redact_names.push_back(found.text);
    else
      section.context().error(
          found.origin,
          "is \"" + found.text + "\"; a name has 2 to 64 letters, digits, - and _, a letter first");
  }
  section.finish();
}

// Beside store.key_ring_file: what the service manager or the environment gives.
void read_key_ring(ReadContext& context, StoreConfig& store) {
  bool is_credential = false;
  const std::string file = locate_file(context, "ringfence.keys", &is_credential);
  if (is_credential) store.key_ring_credential = file;
  const auto given = context.environment.find("RINGFENCE_KEY_RING");
  if (given == context.environment.end()) return;
  auto text = base64_decode(given->second);
  if (!text || text->empty())
    context.error({std::string(environment_file), 0, "RINGFENCE_KEY_RING"},
                  "must be a key ring in base64, as `base64 -w0 control.keys` gives it");
  else store.key_ring = Secret(*text);
  if (text) crypto::secure_zero(*text);
}

void read_volume(Section& audit, std::string_view key, model::VolumeRule& rule) {
  Section section = audit.section(key);
  section.numbers(rule);
  section.finish();
}

void read_journal(Section& section, AuditConfig& audit) {
  section.number("journal_segment_bytes", audit.journal_segment_bytes, mib, gib, Unit::bytes);
  if ((audit.journal_segment_bytes & (audit.journal_segment_bytes - 1)) != 0) {
    section.error("journal_segment_bytes", "is no power of two; use for example 16MiB");
  }
  section.number("journal_max_bytes", audit.journal_max_bytes, 2 * mib, 16'384 * gib, Unit::bytes);
  if (audit.journal_max_bytes / 2 < audit.journal_segment_bytes) {
    section.error("journal_max_bytes", "is too small for two segments of " +
                                           std::to_string(audit.journal_segment_bytes) +
                                           " bytes; raise it or lower journal_segment_bytes");
  }
}

}  // namespace

void read_audit(Section& root, AuditConfig& audit) {
  Section section = root.section("audit");
  section.boolean("enabled", audit.enabled);
  read_journal(section, audit);
  section.choice<OnFull>("on_full", audit.on_full,
                         {{"fail_closed", OnFull::fail_closed}, {"drop", OnFull::drop}});
  section.choice<Durability>("durability", audit.durability,
                             {{"process", Durability::process}, {"disk", Durability::disk}});
  section.numbers(static_cast<model::RecordLimits&>(audit));
  section.number("batch_rows", audit.batch_rows, 1, 1'000'000);
  section.number("block_rows", audit.block_rows, 0, 1'024);
  section.number("batch_ms", audit.batch_ms, 1, 60'000, Unit::milliseconds);
  section.number("join_ms", audit.join_ms, 0, 60'000, Unit::milliseconds);
  section.number("anchor_ms", audit.anchor_ms, 100, 3'600'000, Unit::milliseconds);
  section.number("retention_days", audit.retention_days, 1, 36'500);
  section.number("failures_window_ms", audit.failures_window_ms, 100, 3'600'000, Unit::milliseconds);
  read_redaction(section, audit);
  read_volume(section, "volume_per_user", audit.volume_per_user);
  read_volume(section, "volume_per_address", audit.volume_per_address);
  section.finish();
}

void read_store(Section& root, StoreConfig& store) {
  ReadContext& context = root.context();
  const auto check = [&context](const Origin& where, std::string wrong) {
    if (!wrong.empty()) context.error(where, std::move(wrong));
  };
  bool replaced = context.environment.count("RINGFENCE_STORE") != 0;
  std::optional<Found> url;
  if (replaced || !root.is_map("store")) url = root.scalar("store");
  // The environment may give a group's keys where the file has a single value, or nothing.
  Section section = root.is_map("store") && !replaced ? root.section("store")
                                                      : Section(context, nullptr, "store", "RINGFENCE_STORE");
  if (auto inner = section.scalar("url"); inner && (!url || !url->from_environment)) url = inner;
  if (url && url->text != "embedded") {
    check(url->origin, check_store_url(url->text));
    store.embedded = false;
    store.url = Secret(url->text);
  }
  const auto read_url = [&](const char* key, Secret& to) {
    auto given = section.scalar(key);
    if (!given) return;
    to = Secret(given->text);
    if (store.embedded)
      context.error(given->origin, "has no meaning with the embedded store; remove it or give store.url");
    else check(given->origin, check_store_url(given->text));
  };
  read_url("writer_url", store.writer_url);
  read_url("control_url", store.control_url);
  read_url("reader_url", store.reader_url);
  section.text("key_ring_file", store.key_ring_file);
  if (!store.key_ring_file.empty())
    check(section.origin("key_ring_file"), model::check_absolute(store.key_ring_file));
  read_key_ring(context, store);
  section.text("bin_dir", store.bin_dir);
  if (!store.bin_dir.empty()) check(section.origin("bin_dir"), model::check_absolute(store.bin_dir));
  section.text("run_as", store.run_as);
  if (!store.run_as.empty())
    check(section.origin("run_as"), model::check_simple_name(store.run_as, system_user_bytes_max));
  section.finish();
}

}  // namespace ringfence::app

#include "follower.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"

namespace ringfence::control {

namespace {

constexpr int look_ms = 1'000;
// Of a look at all records of one noun. A store that takes longer is one that does not answer.
constexpr int follow_statement_s = 60;
constexpr int again_ms = 1'000;  // After the store did not answer.
// Looking at every record takes at most a hundredth of the time.
constexpr uint64_t whole_share = 100;
// Records that this node has never believed: the store's owner can put in any number.
constexpr size_t strangers_max = 1'000;
constexpr const char* tombstone_mark = " (tombstone)";

std::string key_of(const store::Tombstone& stone) {
  return model::record_key(*stone.noun, stone.body.at("id").get<std::string>());
}

std::string_view why(Authority::Verdict verdict) {
  return verdict == Authority::Verdict::unknown_key
             ? "its key is not in this node's key ring"
             : "its code does not fit: no appliance wrote it like this";
}

}  // namespace

Follower::Follower(const ControlPlaneOptions& options, const Authority& authority, KnownVersions known,
                   FollowerHooks hooks)
    : options_(options),
      hooks_(std::move(hooks)),
      authority_(authority),
      known_(std::move(known)),
      image_(opener_by(authority, [this](const SealedField& field, const std::string& why) {
        distrust("target " + field.target_id, "its " + field.name + " cannot be opened: " + why);
      })) {}

Follower::~Follower() { stop(); }

Result<void> Follower::start() {
  is_starting_ = true;
  auto looked = turn();
  is_starting_ = false;
  if (!looked) {
    if (looked.error().fault != Fault::unavailable && looked.error().fault != Fault::timeout) return looked;
    if (had_rules()) close_access();
    log_error("the control plane waits for the store", {{"reason", looked.error().message}});
  }
  thread_ = std::thread([this] { run(); });
  return {};
}

bool Follower::had_rules() const {
  const std::lock_guard guard(known_lock_);
  return std::any_of(known_.all().begin(), known_.all().end(), [](const auto& entry) {
    return !entry.second.is_deleted && RulesImage::keeps(entry.first.substr(0, entry.first.find(' ')));
  });
}

// Policies and grants may take away what the configuration gives: until the store has been read, nobody
// knows.
void Follower::close_access() {
  log_error("nobody has access to any target until the store's policies and grants have been read");
  auto closed = std::make_shared<InForce>();
  closed->is_closed = true;
  if (options_.in_force) options_.in_force(closed);
}

void Follower::stop() {
  is_stopping_ = true;
  {
    const std::lock_guard guard(connection_lock_);
    if (connection_) connection_->interrupt();
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Result<void> Follower::connect() {
  auto made = store::Connection::open(options_.dsn, "ringfence control follower");
  if (!made) return unexpected(std::move(made.error()));
  {
    const std::lock_guard guard(connection_lock_);
    connection_ = std::move(*made);
  }
  store::ControlRecords records(*connection_);
  if (auto bounded = records.bound(follow_statement_s); !bounded) return bounded;
  return records.listen();
}

InForcePtr Follower::in_force() const {
  const std::lock_guard guard(lock_);
  return in_force_;
}

bool Follower::believes(const store::ControlRecord& record) const {
  if (authority_.check(record) != Authority::Verdict::authentic) return false;
  const std::lock_guard guard(known_lock_);
  const KnownVersions::Known* known = known_.find(model::record_key(*record.noun, record.id()));
  return known == nullptr || (!known->is_deleted && known->version <= record.version());
}

int64_t Follower::known_version(const std::string& record) const {
  const std::lock_guard guard(known_lock_);
  const KnownVersions::Known* known = known_.find(record);
  return known == nullptr || known->is_deleted ? 0 : known->version;
}

bool Follower::knows(const Written& written) const {
  const std::lock_guard guard(known_lock_);
  const KnownVersions::Known* known = known_.find(written.key);
  return known != nullptr && known->version >= written.known.version;
}

Follower::Followed Follower::wait_for(const Written& written, uint64_t wait_ms) {
  std::unique_lock guard(lock_);
  lost_.erase(written.key);  // Of an earlier change, for which nobody waited so long.
  written_.push_back(written);
  const bool is_settled = changed_.wait_for(guard, std::chrono::milliseconds(wait_ms), [&] {
    return is_stopping_ || lost_.contains(written.key) ||
           (in_force_ && in_force_->revision >= written.revision && knows(written));
  });
  if (!is_settled || is_stopping_) return Followed::late;
  return lost_.erase(written.key) == 0 ? Followed::yes : Followed::lost;
}

std::vector<Written> Follower::unseen() {
  const std::lock_guard guard(lock_);
  std::erase_if(written_, [this](const Written& written) { return knows(written); });
  return written_;
}

void Follower::give_up(const std::vector<Written>& lost) {
  for (const Written& written : lost) {
    const size_t blank = written.key.find(' ');
    if (const model::Noun* noun = model::find_noun(written.key.substr(0, blank)))
      image_.doubt(*noun, written.key.substr(blank + 1));
    distrust(written.key, "the store has confirmed version " + std::to_string(written.known.version) +
                              ", which this node has written, and does not show it");
  }
}

Result<void> Follower::remember(const std::vector<Written>& lost) {
  if (lost.empty()) return {};
  std::vector<KnownVersions::Entry> entries;
  for (const Written& written : lost) entries.push_back({written.key, written.known});
  const std::lock_guard guard(known_lock_);
  return known_.add(entries, known_.revision(), known_.store_id());
}

Result<void> Follower::turn() {
  if (hooks_.look_at_keys()) is_ring_new_ = true;
  if (!is_ready_) {
    if (auto prepared = hooks_.prepare(); !prepared) return prepared;
  }
  const bool is_open = connection_ && connection_->is_open();
  if (is_open) {
    auto news = connection_->wait_notification(look_ms);
    if (!news) return unexpected(std::move(news.error()));
  } else if (auto connected = connect(); !connected) {
    return connected;
  }
  // After a break every record is looked at: what was missed is not known.
  auto looked = look(!is_open || is_ring_new_ || mono_ns() >= whole_due_ns_);
  if (!looked) return looked;
  is_ready_ = true;
  hooks_.looked(*connection_);
  return {};
}

void Follower::run() {
  bool is_told = !is_ready_;
  while (!is_stopping_) {
    const Result<void> done = turn();
    if (is_stopping_) return;
    if (done) {
      if (is_told) log_info("the control plane follows the store again");
      is_told = false;
      continue;
    }
    if (!is_told) log_error("the control plane cannot follow the store", {{"reason", done.error().message}});
    is_told = true;
    expire();  // That takes no store.
    std::unique_lock guard(lock_);
    changed_.wait_for(guard, std::chrono::milliseconds(again_ms), [this] { return is_stopping_.load(); });
  }
}

Result<void> Follower::look(bool is_whole) {
  const uint64_t began_ns = mono_ns();
  store::ControlRecords records(*connection_);
  // Each was committed before: a look that begins now has to show it.
  const std::vector<Written> due = unseen();
  if (!is_whole) {
    auto revision = records.revision();
    if (!revision) return unexpected(std::move(revision.error()));
    options_.heard_ns->store(mono_ns(), std::memory_order_relaxed);
    if (*revision == revision_ && due.empty()) {
      expire();
      return {};
    }
    is_whole = *revision <= revision_;
  }
  auto changes = records.changes_since(is_whole ? 0 : revision_);
  if (!changes) return unexpected(std::move(changes.error()));
  if (!known_.store_id().empty() && known_.store_id() != changes->store_id) {
    image_.clear(had_rules());
    publish(revision_);
    distrust("store",
             "the store is another one than before (its id is " + changes->store_id +
                 "): nothing of it is in force; remove control.versions from the state directory if that "
                 "was meant, and start again");
    return {};
  }
  if (changes->revision < known_.revision())
    distrust("revision", "the store was taken back from revision " + std::to_string(known_.revision()) +
                             " to " + std::to_string(changes->revision));
  auto has_keys = check_keys(*changes, is_whole);
  if (!has_keys) return unexpected(std::move(has_keys.error()));
  if (!*has_keys) return {};
  // What was not believed, or did not open, may be and do by another ring.
  if (std::exchange(is_ring_new_, false)) image_.clear(false);
  std::vector<KnownVersions::Entry> seen;
  std::set<std::string> deleted;
  for (const store::Tombstone& stone : changes->stones) {
    if (take(stone, seen)) deleted.insert(key_of(stone));
  }
  for (const store::ControlRecord& record : changes->records) take(record, deleted, seen);
  if (is_whole) find_missing(*changes, deleted);
  if (!seen.empty() || known_.store_id().empty()) {
    // What is in force is known after a kill, too; so it is written first.
    const std::lock_guard guard(known_lock_);
    auto kept = known_.add(seen, std::max(changes->revision, known_.revision()), changes->store_id);
    if (!kept) return kept;
  }
  std::vector<Written> lost;
  std::copy_if(due.begin(), due.end(), std::back_inserter(lost),
               [this](const Written& written) { return !knows(written); });
  if (!lost.empty()) {
    if (!is_whole) return look(true);
    give_up(lost);
  }
  revision_ = changes->revision;
  publish(revision_, lost);
  // After who waits for them was told: before that they would seem to be there.
  if (auto kept = remember(lost); !kept) return kept;
  options_.heard_ns->store(mono_ns(), std::memory_order_relaxed);
  if (is_whole)
    whole_due_ns_ =
        mono_ns() + std::max<uint64_t>(options_.verify_ms * 1'000'000, whole_share * (mono_ns() - began_ns));
  return {};
}

void Follower::take(const store::ControlRecord& record, const std::set<std::string>& deleted,
                    std::vector<KnownVersions::Entry>& seen) {
  const std::string key = model::record_key(*record.noun, record.id());
  const KnownVersions::Known* known = known_.find(key);
  const auto verdict = authority_.check(record);
  std::string wrong;
  if (verdict != Authority::Verdict::authentic) {
    wrong = why(verdict);
  } else if (deleted.contains(key) || (known != nullptr && known->is_deleted)) {
    wrong = "it was deleted and is there again";
  } else if (known != nullptr && known->version > record.version()) {
    wrong = "it is version " + std::to_string(record.version()) + ", and version " +
            std::to_string(known->version) + " was there already";
  }
  if (!wrong.empty()) {
    const bool was_there = known != nullptr && !known->is_deleted && !deleted.contains(key);
    if (was_there) image_.doubt(*record.noun, record.id());
    else image_.remove(*record.noun, record.id());
    if (known != nullptr) distrust(key, wrong);
    else distrust_stranger(key, wrong);
    return;
  }
  distrusted_.erase(key);
  strangers_.erase(key);
  image_.put(record);
  if (known == nullptr || known->version < record.version()) seen.push_back({key, {record.version(), false}});
}

bool Follower::take(const store::Tombstone& stone, std::vector<KnownVersions::Entry>& seen) {
  const std::string key = key_of(stone);
  if (const auto verdict = authority_.check(stone); verdict != Authority::Verdict::authentic) {
    distrust_stranger(key + tombstone_mark, std::string(why(verdict)));
    return false;
  }
  image_.remove(*stone.noun, stone.body.at("id").get<std::string>());
  distrusted_.erase(key);
  const int64_t version = stone.body.at("version").get<int64_t>();
  const KnownVersions::Known* known = known_.find(key);
  if (known == nullptr || known->version < version) seen.push_back({key, {version, true}});
  return true;
}

void Follower::find_missing(const store::ControlRecords::Changes& all, const std::set<std::string>& deleted) {
  std::set<std::string> there;
  for (const store::ControlRecord& record : all.records)
    there.insert(model::record_key(*record.noun, record.id()));
  std::erase_if(strangers_, [&](const std::string& key) {
    return !key.ends_with(tombstone_mark) && !there.contains(key);
  });
  for (const auto& [key, known] : known_.all()) {
    if (known.is_deleted || there.contains(key) || deleted.contains(key)) continue;
    const size_t blank = key.find(' ');
    if (const model::Noun* noun = model::find_noun(key.substr(0, blank)))
      image_.doubt(*noun, key.substr(blank + 1));
    distrust(key, "it is gone, and no appliance deleted it");
  }
}

void Follower::expire() {
  if (expiry_us_ != 0 && wall_us() >= expiry_us_) publish(revision_);
}

void Follower::publish(int64_t revision, const std::vector<Written>& lost) {
  const uint64_t now_us = wall_us();
  InForcePtr next = image_.in_force(now_us, in_force(), revision);
  expiry_us_ = image_.next_expiry_us();
  // Who waits for the revision finds that it holds.
  if (options_.in_force) options_.in_force(next);
  {
    const std::lock_guard guard(lock_);
    in_force_ = std::move(next);
    for (const Written& written : lost) lost_.insert(written.key);
  }
  changed_.notify_all();
}

void Follower::distrust_stranger(const std::string& key, const std::string& why) {
  if (strangers_.contains(key)) return;
  if (strangers_.size() == strangers_max) {
    distrust("records", "more than " + std::to_string(strangers_max) +
                            " records in it are of no appliance; no more of them are told of one by one");
    return;
  }
  strangers_.insert(key);
  tell(key, why);
}

void Follower::distrust(const std::string& key, const std::string& why) {
  if (distrusted_.insert(key).second) tell(key, why);
}

void Follower::tell(const std::string& key, const std::string& why) {
  rejected_.fetch_add(1, std::memory_order_relaxed);
  log_error("a record of the control plane is not in force", {{"record", key}, {"reason", why}});
  if (options_.distrusted) options_.distrusted(key, why);
}

}  // namespace ringfence::control

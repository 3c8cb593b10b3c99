#include "console.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "ringfence/base/clock.h"

namespace ringfence::app {

using proxy::ConsoleQuestion;
using proxy::ConsoleTable;
using Rows = std::vector<ConsoleTable::Row>;

namespace {

void add_values(const YAML::Node& node, const std::string& path, Rows& to) {
  if (node.IsMap()) {
    for (const auto& each : node) {
      const auto key = each.first.as<std::string>();
      add_values(each.second, path.empty() ? key : path + "." + key, to);
    }
    return;
  }
  const bool has_records = node.IsSequence() && node.size() > 0 && !node[0].IsScalar();
  if (has_records) {
    for (size_t i = 0; i < node.size(); ++i) add_values(node[i], path + "[" + std::to_string(i) + "]", to);
    return;
  }
  std::string value = node.IsScalar() ? node.as<std::string>() : "";
  if (node.IsSequence()) {
    for (const auto& each : node) value += (value.empty() ? "" : ", ") + each.as<std::string>();
  }
  to.push_back({path, std::move(value)});
}

Rows stats_rows(const admin::StatsSnapshot& stats) {
  Rows out;
  const auto text = [&out](const std::string& name, std::string value) {
    out.push_back({name, std::move(value)});
  };
  const auto number = [&text](const std::string& name, uint64_t value) { text(name, std::to_string(value)); };
  text("state", stats.state);
  text("started_at", rfc3339(stats.started_at_us));
  number("shards", stats.shards);
  number("sessions_open", stats.sessions_open);
  number("sessions_total", stats.sessions_total);
  number("sessions_refused", stats.sessions_refused);
  for (const auto& [outcome, count] : stats.statements) number("statements_" + outcome, count);
  number("bytes_to_client", stats.bytes_to_client);
  number("bytes_to_server", stats.bytes_to_server);
  number("logins_succeeded", stats.logins_succeeded);
  number("logins_failed", stats.logins_failed);
  text("trail_state", stats.trail.state);
  number("trail_journal_bytes", stats.trail.journal_bytes);
  number("trail_journal_records", stats.trail.journal_records);
  number("trail_oldest_age_us", stats.trail.oldest_age_us);
  number("trail_committed_rows", stats.trail.committed_rows);
  number("trail_batches", stats.trail.batches);
  number("trail_dropped", stats.trail.dropped);
  return out;
}

Rows session_rows(std::vector<model::SessionInfo> sessions, size_t rows_max) {
  const size_t rows = std::min(rows_max, sessions.size());
  std::partial_sort(sessions.begin(), sessions.begin() + static_cast<std::ptrdiff_t>(rows), sessions.end(),
                    [](const model::SessionInfo& a, const model::SessionInfo& b) { return a.id < b.id; });
  Rows out;
  for (size_t i = 0; i < rows; ++i) out.push_back(proxy::console_session_row(sessions[i]));
  return out;
}

}  // namespace

Rows config_rows_of(const std::string& description) {
  Rows out;
  try {
    add_values(YAML::Load(description), "", out);
  } catch (const YAML::Exception& error) {
    out = {{"error", std::string("the configuration cannot be shown: ") + error.what()}};
  }
  return out;
}

void Console::serve(ring::Shard& admin_shard, control::SessionDirectory& sessions,
                    std::function<admin::StatsSnapshot()> stats) {
  admin_shard_ = &admin_shard;
  sessions_ = &sessions;
  stats_ = std::move(stats);
}

void Console::use(const Config& config) {
  auto rows = std::make_shared<const Rows>(config_rows_of(describe_effective(config)));
  const std::lock_guard guard(lock_);
  config_ = std::move(rows);
}

std::shared_ptr<const Rows> Console::config_rows() {
  const std::lock_guard guard(lock_);
  return config_;
}

void Console::ask(ConsoleQuestion question, size_t rows_max, ring::Shard& home,
                  std::function<void(Rows)> done) {
  const bool is_taken = admin_shard_->post([this, question, rows_max, &home, done = std::move(done)] {
    const auto answer = [&home, done](Rows rows) {
      home.deliver([done, rows = std::move(rows)]() mutable { done(std::move(rows)); });
    };
    if (question == ConsoleQuestion::stats) {
      answer(stats_rows(stats_()));
    } else if (question == ConsoleQuestion::config) {
      const std::shared_ptr<const Rows> rows = config_rows();
      answer(rows ? Rows(rows->begin(),
                         rows->begin() + static_cast<std::ptrdiff_t>(std::min(rows_max, rows->size())))
                  : Rows());
    } else {
      sessions_->list([answer, rows_max](std::vector<model::SessionInfo> sessions) {
        answer(session_rows(std::move(sessions), rows_max));
      });
    }
  });
  // Nobody answers: whoever asks gives up in time.
  (void)is_taken;
}

void Console::end(const Uuid& session, std::string by, ring::Shard& home,
                  std::function<void(bool found)> done) {
  admin_shard_->deliver([this, session, by = std::move(by), &home, done = std::move(done)] {
    sessions_->end(session, by, [&home, done](bool found) { home.deliver([done, found] { done(found); }); });
  });
}

}  // namespace ringfence::app

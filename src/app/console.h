// What the console asks of the appliance: sessions and counts by the admin shard's thread, and the
// configuration as it is in force.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "ringfence/admin/api/sources.h"
#include "ringfence/app/config/config.h"
#include "ringfence/proxy/core/console_source.h"

namespace ringfence::app {

class Console final : public proxy::ConsoleSource {
 public:
  // Once, before the first question. All of these outlive it; `stats` is called on the admin shard's thread.
  void serve(ring::Shard& admin_shard, control::SessionDirectory& sessions,
             std::function<admin::StatsSnapshot()> stats);
  // From any thread: what is shown from now on.
  void use(const Config& config);

  void ask(proxy::ConsoleQuestion question, size_t rows_max, ring::Shard& home,
           std::function<void(std::vector<proxy::ConsoleTable::Row>)> done) override;
  void end(const Uuid& session, std::string by, ring::Shard& home,
           std::function<void(bool found)> done) override;

 private:
  using Rows = std::vector<proxy::ConsoleTable::Row>;
  std::shared_ptr<const Rows> config_rows();

  ring::Shard* admin_shard_ = nullptr;
  control::SessionDirectory* sessions_ = nullptr;
  std::function<admin::StatsSnapshot()> stats_;
  std::mutex lock_;  // Around what follows; a question about the configuration is rare.
  std::shared_ptr<const Rows> config_;
};

// The lines of describe() as rows: "listeners[0].port", "5432".
std::vector<proxy::ConsoleTable::Row> config_rows_of(const std::string& description);

}  // namespace ringfence::app

#include "ringfence/proxy/pg/login_trial.h"

#include "goodbye.h"
#include "login_story.h"
#include "message_reader.h"
#include "pg_shard_state.h"
#include "pinned_settings.h"
#include "ringfence/pg/build.h"
#include "ringfence/pg/frame.h"
#include "ringfence/pg/messages.h"
#include "ringfence/proxy/core/opening.h"
#include "ringfence/proxy/core/trial_shard.h"

namespace ringfence::proxy {

using ring::Task;

namespace {

constexpr uint32_t row_bytes_max = 1024 * 1024;
constexpr uint32_t null_length = 0xffffffff;
constexpr uint64_t statement_share = 2;  // A statement may take the time's half.

struct Trial {
  const Target& target;
  const Credential& credential;
  const TrialQuestion& question;
  TrialReport& report;
};

Result<TrialRow> row_of(ByteView body) {
  Reader in(body);
  TrialRow out;
  for (uint16_t left = in.u16(); in.ok() && left > 0; --left) {
    const uint32_t length = in.u32();
    if (length == null_length) out.emplace_back();
    else out.emplace_back(std::string(in.bytes(length)));
  }
  if (!in.at_end()) return fail(Fault::malformed, "a row of the server is none");
  return out;
}

// The rows of one query, and what ends them.
class Answering {
 public:
  Answering(net::Gather& in, size_t& bytes_left) : in_(in), bytes_left_(bytes_left) {}

  Task<Result<std::vector<TrialRow>>> run() {
    for (;;) {
      auto reading = read_message(in_, row_bytes_max);
      Result<Message> message = co_await reading;
      if (!message) co_return unexpected(std::move(message.error()));
      if (message->type == pg::from_server::ready_for_query) break;
      if (auto taken = take(*message); !taken) co_return unexpected(std::move(taken.error()));
    }
    if (!refusal_.empty()) co_return fail(Fault::denied, refusal_);
    co_return std::move(rows_);
  }

 private:
  Result<void> take(const Message& message) {
    if (message.type == pg::from_server::error_response) {
      auto fields = pg::parse_error_fields(message.body);
      refusal_ = fields ? std::string(fields->sqlstate) + " " + std::string(fields->message)
                        : "an error that cannot be read";
    }
    if (message.type != pg::from_server::data_row) return {};
    if (rows_.size() == TrialQuestion::rows_max || message.body.size() > bytes_left_)
      return fail(Fault::limit, "the server has more rows than are asked for at once");
    bytes_left_ -= message.body.size();
    auto row = row_of(message.body);
    if (!row) return unexpected(std::move(row.error()));
    rows_.push_back(std::move(*row));
    return {};
  }

  net::Gather& in_;
  size_t& bytes_left_;
  std::vector<TrialRow> rows_;
  std::string refusal_;
};

Task<Result<void>> ask(Trial& trial, net::Stream& stream) {
  net::Gather in(stream);
  size_t bytes_left = TrialQuestion::bytes_max;
  for (const std::string& query : trial.question.queries) {
    std::string message;
    pg::append_query(message, query);
    net::Send sending(stream, message);
    Result<void> sent = co_await sending;
    if (!sent) co_return sent;
    Answering answering(in, bytes_left);
    auto running = answering.run();
    auto rows = co_await running;
    if (!rows) co_return unexpected(std::move(rows.error()));
    trial.report.answers.push_back(std::move(*rows));
  }
  co_return Result<void>{};
}

std::vector<pg::StartupParameter> parameters_of(const TrialQuestion& question) {
  std::vector<pg::StartupParameter> out = {{"application_name", "ringfence check"},
                                           {"client_encoding", "UTF8"}};
  if (question.is_read_only) out.push_back({"default_transaction_read_only", "on"});
  if (!question.queries.empty()) {
    out.push_back({"statement_timeout", std::to_string(question.connect_ms / statement_share)});
    out.push_back({"search_path", "pg_catalog"});  // Nobody else's functions and operators are called.
  }
  (void)pin_strings(out);
  return out;
}

Task<void> run(PgShardState& shard, Trial& trial) {
  TrialReport& report = trial.report;
  Opening opening(shard.core.shard, trial.question.connect_ms);
  auto reaching = open_upstream_told(shard, trial.target, trial.credential, opening,
                                     parameters_of(trial.question), &report.story);
  auto upstream = co_await reaching;
  if (!upstream) {
    report.reason = upstream.error().reason;
    co_return;
  }
  const ServerGreeting& greeting = *upstream->greeting;
  for (const auto& [name, value] : greeting.settings) {
    if (name == "server_version") report.server_version = value;
  }
  report.tls_version = greeting.tls_version;
  report.auth_method = greeting.auth_method;
  report.story.stage = OpeningStage::query;
  Opening::Break breaking(opening, *upstream->stream);
  auto asking = ask(trial, *upstream->stream);
  Result<void> asked = co_await asking;
  report.is_ok = asked.has_value();
  if (!asked) report.reason = opening.has_passed() ? "the answer took too long" : asked.error().message;
  auto parting = say_goodbye(*upstream->stream);
  co_await parting;
}

}  // namespace

TrialReport try_target(const Target& target, const Credential& credential, const TrialQuestion& question) {
  TrialReport report;
  TrialShard shard;
  PgShard pg(shard.core());
  Trial trial{target, credential, question, report};
  if (auto ran = shard.run([&] { return run(pg.state(), trial); }); !ran)
    report.reason = std::move(ran.error().message);
  return report;
}

Result<void> try_login(const Target& target, const Credential& credential, bool is_read,
                       uint64_t connect_ms) {
  TrialQuestion question;
  question.connect_ms = connect_ms;
  question.is_read_only = is_read;
  const TrialReport report = try_target(target, credential, question);
  if (report.is_ok) return {};
  return fail(Fault::unavailable, report.reason);
}

}  // namespace ringfence::proxy

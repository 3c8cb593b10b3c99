#include "target_test.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "app/config/tls_files.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/utf8.h"
#include "ringfence/proxy/core/trial_shard.h"

namespace ringfence::app {

using proxy::OpeningStage;

namespace {

constexpr size_t message_bytes_max = 1'000;

// A server's words may be long and no text.
std::string told(const std::string& message) {
  return make_valid_text(text_prefix(message, message_bytes_max));
}

model::Json told_or_null(const std::string& text) {
  return text.empty() ? model::Json() : model::Json(told(text));
}

model::Json hosts_of(const proxy::OpeningStory& story) {
  model::Json out = model::Json::array();
  for (const auto& place : story.places) {
    out.push_back({{"host", place.host},
                   {"address", told_or_null(place.address)},
                   {"ok", place.error.empty()},
                   {"message", told_or_null(place.error)}});
  }
  return out;
}

model::Json body_of(const proxy::TrialReport& report, const std::string& who, uint64_t began_ns) {
  const std::string message = report.is_ok || who.empty() ? report.reason : who + ": " + report.reason;
  return {
      {"ok", report.is_ok},
      {"stage", report.is_ok ? model::Json() : model::Json(std::string(proxy::name_of(report.story.stage)))},
      {"message", told_or_null(message)},
      {"hint", report.is_ok ? model::Json() : model::Json(hint_of(report.story.stage))},
      {"server_version", told_or_null(report.server_version)},
      {"tls", told_or_null(report.tls_version)},
      {"latency_ms", (mono_ns() - began_ns) / 1'000'000},
      {"hosts", hosts_of(report.story)}};
}

// The target's own credential, then those of levels; each once.
struct Login {
  model::Credential credential;
  std::string who;  // Empty: the target's own.
};
std::vector<Login> logins_of(const model::PgTarget& target) {
  std::vector<Login> out = {{{target.user, target.password}, ""}};
  for (const auto& [level, credential] : target.credentials)
    out.push_back({credential, std::string("the user of level ") + sql::level_name(level)});
  return out;
}

control::Answer test_postgres(const model::PgTarget& target) {
  const uint64_t began_ns = mono_ns();
  const uint64_t end_ns = began_ns + target_test_ms * 1'000'000;
  proxy::TrialReport report;
  std::string who;
  for (Login& login : logins_of(target)) {
    const uint64_t now_ns = mono_ns();
    proxy::TrialQuestion question;
    question.connect_ms = now_ns < end_ns ? (end_ns - now_ns) / 1'000'000 + 1 : 1;
    question.queries = {"SELECT 1"};
    report = ask_target(target, login.credential, std::move(question));
    who = login.who;
    if (!report.is_ok) break;
  }
  control::Answer out;
  out.body = body_of(report, who, began_ns);
  return out;
}

control::Answer test_tcp(const model::TcpTarget& target) {
  const uint64_t began_ns = mono_ns();
  proxy::TrialReport report;
  auto dialled = proxy::try_dial(target.hosts, target.port, target_test_ms, report.story);
  report.is_ok = dialled.has_value();
  if (!dialled) report.reason = dialled.error().message;
  control::Answer out;
  out.body = body_of(report, "", began_ns);
  return out;
}

}  // namespace

std::string hint_of(OpeningStage stage) {
  switch (stage) {
    case OpeningStage::resolve:
      return "Check the names in hosts, and the resolver of the appliance's machine.";
    case OpeningStage::connect:
      return "Check hosts and port, that the server runs and listens there, and the firewalls between.";
    case OpeningStage::tls:
      return "Check sslmode and the CA certificates of the target, and the server's certificate.";
    case OpeningStage::authenticate:
      return "Check user and password of the target, and pg_hba.conf of the server.";
    case OpeningStage::startup:
      return "Check database of the target, and whether the server takes more connections.";
    case OpeningStage::query: break;
  }
  return "The login works; look at the server's log for what it refuses.";
}

proxy::TrialReport ask_target(const model::PgTarget& target, const model::Credential& credential,
                              proxy::TrialQuestion question) {
  proxy::Target made{target};
  if (target.sslmode != model::SslMode::disable) {
    auto tls = load_client_tls(target.tls_files, target.sslmode);
    if (!tls) {
      proxy::TrialReport out;
      out.story.stage = OpeningStage::tls;
      out.reason = tls.error().message;
      return out;
    }
    made.tls = std::move(*tls);
  }
  return proxy::try_target(made, credential, question);
}

control::Answer test_target(const control::TargetFacts& target) {
  return target.is_tcp ? test_tcp(target.tcp) : test_postgres(target.postgres);
}

}  // namespace ringfence::app

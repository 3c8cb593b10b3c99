#include <cstdio>
#include <iostream>
#include <iterator>

#include "app/explain.h"
#include "commands.h"
#include "ringfence/app/config/config.h"

namespace ringfence::app {

namespace {

// A message's bound, so that standard input has one.
constexpr size_t input_bytes_max = size_t{16} << 20;

Known known_of(const Config& config) {
  Known out;
  out.roles_of = [&config](const std::string& name) -> const std::vector<std::string>* {
    for (const model::User& user : config.users) {
      if (user.name == name) return &user.roles;
    }
    return nullptr;
  };
  out.access_of = [&config](const Question& question) -> std::optional<policy::Access> {
    for (const model::PgTarget& target : config.targets) {
      if (target.name == question.target) return config.policies->access(question.roles, target.tags);
    }
    return std::nullopt;
  };
  return out;
}

int complain(const std::string& message) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
  return 1;
}

}  // namespace

int explain(const std::string& config_path, const ExplainOptions& options) {
  if (options.user.empty() == options.roles.empty()) return complain("give --user or --role, one of them");
  Question question{options.user, options.roles, options.target, options.statement, options.server_version};
  if (question.statement == "-") {
    question.statement.clear();
    char piece[4096];
    while (std::cin.read(piece, sizeof piece), std::cin.gcount() > 0) {
      question.statement.append(piece, static_cast<size_t>(std::cin.gcount()));
      if (question.statement.size() > input_bytes_max) return complain("the text is longer than 16 MiB");
    }
  }
  if (question.statement.find('\0') != std::string::npos)
    return complain("the text holds a NUL byte, which no message can");
  ConfigResult loaded = load_config(config_path, current_environment());
  for (const ConfigError& error : loaded.errors) complain(to_string(error));
  if (!loaded.config) return 1;
  auto answered = answer(std::move(question), known_of(*loaded.config));
  if (!answered) return complain(answered.error().message);
  std::fputs((options.json ? to_json(*answered) : to_text(*answered)).c_str(), stdout);
  return answered->explanation.is_allowed ? 0 : 2;
}

}  // namespace ringfence::app

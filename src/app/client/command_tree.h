// The client's part of the command line: commands with the function that each runs.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "connection.h"
#include "outcome.h"

namespace ringfence::client {

// What all client commands have.
struct CommonOptions {
  ConnectOptions connect;
  bool json = false;
};

class CommandTree {
 public:
  using Run = std::function<Outcome<void>()>;

  // Whose lifetime is longer than this one's.
  explicit CommandTree(CLI::App& root) : root_(root) {}

  // A command that has others below it.
  CLI::App& group(const std::string& name, const std::string& help);
  // A command at the root, or below a group. It talks to an appliance: it has the options for that.
  CLI::App& add(CLI::App& parent, const std::string& name, const std::string& help, Run run,
                const char* url_option = "--url");
  CLI::App& add(const std::string& name, const std::string& help, Run run);
  // A command that talks to no appliance.
  CLI::App& add_local(CLI::App& parent, const std::string& name, const std::string& help, Run run);
  // Words that complete this command, beside its options. `contexts_word`: names of contexts.
  void complete(const CLI::App& command, std::vector<std::string> words);
  static constexpr const char* contexts_word = "<contexts>";

  const CommonOptions& common() const { return common_; }
  CLI::App& root() const { return root_; }
  const std::vector<std::string>* words_of(const CLI::App& command) const;
  // Whether this word begins a client command.
  bool is_ours(const std::string& word) const;
  // Runs the command that was parsed; the process's exit status. Nothing: it is none of the client's.
  std::optional<int> run() const;

 private:
  CLI::App& root_;
  CommonOptions common_;
  std::map<const CLI::App*, Run> runs_;
  std::map<const CLI::App*, std::vector<std::string>> words_;
  std::vector<std::string> first_words_;
};

// Writes to standard output; what cannot be written is known when the command ends.
void print(const std::string& text);
// A line of standard error beside the result: "note: ...".
void note(const std::string& text);
// Each prints its commands' options into the tree.
void add_login_commands(CommandTree& tree);
void add_context_commands(CommandTree& tree);
void add_record_commands(CommandTree& tree);
void add_session_commands(CommandTree& tree);
void add_config_commands(CommandTree& tree);
void add_target_test(CommandTree& tree, CLI::App& group);
void add_policy_explain(CommandTree& tree, CLI::App& group);
void add_request_verbs(CommandTree& tree, CLI::App& group);
void add_break_glass(CommandTree& tree);
void add_encryption_commands(CommandTree& tree);
void add_privilege_commands(CommandTree& tree);
void add_trail_commands(CommandTree& tree);
void add_import_command(CommandTree& tree);
void add_api_commands(CommandTree& tree);
void add_completion_command(CommandTree& tree);

}  // namespace ringfence::client

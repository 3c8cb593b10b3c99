// The command line.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "app/client/command_tree.h"
#include "commands.h"
#include "unknown_word.h"

namespace ringfence::app {
namespace {

// Each command with its options, which parsing fills in.
class CommandLine {
 public:
  CommandLine();
  int run(int argc, char** argv);

 private:
  CLI::App* add(CLI::App& to, const char* name, const char* help);
  void add_serve();
  void add_check();
  void add_explain();
  void add_verify(CLI::App& audit);
  void add_adopt(CLI::App& audit);
  void add_reveal(CLI::App& audit);
  int run_chosen() const;

  CLI::App app_;
  std::string config_ = "/etc/ringfence/ringfence.yaml";
  CLI::App* serve_ = nullptr;
  CLI::App* check_ = nullptr;
  bool connects_ = false;
  CLI::App* explain_ = nullptr;
  ExplainOptions question_;
  CLI::App* verify_ = nullptr;
  VerifyOptions verified_;
  CLI::App* adopt_ = nullptr;
  std::string accepted_code_;
  CLI::App* reveal_ = nullptr;
  RevealOptions revealed_;
  CLI::App* new_key_ = nullptr;
  client::CommandTree client_{app_};
};

CommandLine::CommandLine()
    : app_(
          "Ringfence: people and programs connect through it to PostgreSQL; it knows who they are, records "
          "every statement in a trail that cannot be quietly edited, and costs little more than the wire.",
          "ringfence") {
  app_.require_subcommand(1);
  app_.set_version_flag("--version", RINGFENCE_VERSION);
  add_serve();
  add_check();
  add_explain();
  app_.add_subcommand("version", "Print the version.");
  app_.add_subcommand(
      "scram-verifier",
      "Read a password from standard input and print its SCRAM verifier, for users[].verifier.");
  CLI::App* audit = app_.add_subcommand("audit", "Work on the audit trail.");
  audit->require_subcommand(1);
  add_verify(*audit);
  add_adopt(*audit);
  add_reveal(*audit);
  new_key_ = add(*audit, "new-data-key",
                 "Add a data key to the state directory, with which redacted texts are "
                 "sealed from the next start on. Older keys still open what they sealed.");
  client::add_login_commands(client_);
  client::add_context_commands(client_);
  client::add_record_commands(client_);
  client::add_session_commands(client_);
  client::add_break_glass(client_);
  client::add_config_commands(client_);
  client::add_encryption_commands(client_);
  client::add_privilege_commands(client_);
  client::add_trail_commands(client_);
  client::add_import_command(client_);
  client::add_api_commands(client_);
  client::add_completion_command(client_);
}

// A command that reads the configuration.
CLI::App* CommandLine::add(CLI::App& to, const char* name, const char* help) {
  CLI::App* command = to.add_subcommand(name, help);
  command->add_option("--config,-c", config_, "The configuration file")->capture_default_str();
  return command;
}

void CommandLine::add_serve() {
  serve_ = add(app_, "serve", "Run the appliance. SIGTERM drains and stops, SIGHUP reloads.");
}

void CommandLine::add_check() {
  check_ = add(app_, "check", "Check the configuration and print what is in effect, without secrets.");
  check_->add_flag("--connect", connects_,
                   "Also log in to each target's server with each of its credentials, and warn of what these "
                   "may do that their access levels may not");
}

void CommandLine::add_explain() {
  explain_ = add(app_, "explain",
                 "Say what the policies of the configuration make of a statement, and why. "
                 "The exit status is 0 when it is allowed and 2 when it is refused.");
  explain_->add_option("--user,-u", question_.user, "Who runs it: a user of the configuration");
  explain_->add_option("--role,-r", question_.roles, "In place of a user: a role; may be given several times")
      ->allow_extra_args(false);
  explain_->add_option("--target,-t", question_.target, "Where: a target of the configuration")->required();
  explain_
      ->add_option("--server-version", question_.server_version, "The major version of the target's server")
      ->capture_default_str()
      ->check(CLI::Range(8, 99));
  explain_->add_flag("--json", question_.json, "The same JSON as POST /api/v1/policy/explain gives");
  explain_->add_option("statement", question_.statement,
                       "The text, of one statement or several; `-` or nothing: standard input");
}

void CommandLine::add_verify(CLI::App& audit) {
  verify_ =
      add(audit, "verify", "Recompute the chain from the rows in the store and name the first bad one.");
  verify_->add_option("--store", verified_.dsn,
                      "Connection string of the store, in place of the configuration's");
  verify_->add_option("--node", verified_.node, "Only this node's chain");
  verify_->add_option("--public-key", verified_.public_keys,
                      "A public key as kept elsewhere, in hexadecimal, in place of the state directory's; "
                      "may be given several times");
  verify_->add_option("--anchor-ms", verified_.anchor_ms,
                      "audit.anchor_ms of the appliance, in place of the configuration's");
  verify_->add_flag("--json", verified_.json, "The report as JSON");
  verify_->add_option("--from", verified_.from, "First chain_no");
  verify_->add_option("--to", verified_.to, "Last chain_no");
}

void CommandLine::add_adopt(CLI::App& audit) {
  adopt_ = add(audit, "adopt",
               "Let this state directory continue the trail of its node, whose former state "
               "directory is gone for good.");
  adopt_->add_option("--accept-store", accepted_code_,
                     "Let the next start go on with a store that it refused, exactly as it is: the "
                     "code that the refusal named. The trail says so");
}

void CommandLine::add_reveal(CLI::App& audit) {
  reveal_ = add(audit, "reveal",
                "Print what redaction took out of an event, as it was. Only the owner of the "
                "state directory may, and that it was asked for is an event of the trail, "
                "stored before anything is printed.");
  reveal_->add_option("EVENT_ID", revealed_.event, "The event's id")->required();
  reveal_->add_option("--reason", revealed_.reason, "Why, for the trail")->option_text("TEXT");
  reveal_->add_option("--column", revealed_.field,
                      "Only this column's text, without a heading: statement, parameters, "
                      "error_message, database, application_name, user_name");
}

int CommandLine::run(int argc, char** argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const std::string unknown = error.get_exit_code() == 0 ? "" : unknown_word(app_, argc, argv);
    const bool is_clients = argc > 1 && client_.is_ours(argv[1]) && error.get_exit_code() != 0;
    const int status = is_clients ? static_cast<int>(client::Exit::usage) : error.get_exit_code();
    if (unknown.empty()) {
      const int told = app_.exit(error);
      return is_clients ? status : told;
    }
    std::fprintf(stderr, "error: %s\nRun with --help for more information.\n", unknown.c_str());
    return status;
  }
  if (const std::optional<int> done = client_.run()) return *done;
  return run_chosen();
}

int CommandLine::run_chosen() const {
  if (serve_->parsed()) return serve(config_);
  if (check_->parsed()) return check(config_, connects_);
  if (explain_->parsed()) return explain(config_, question_);
  if (verify_->parsed()) return verify(config_, verified_);
  if (adopt_->parsed()) return adopt(config_, accepted_code_);
  if (reveal_->parsed()) return reveal(config_, revealed_);
  if (new_key_->parsed()) return add_data_key(config_);
  if (app_.got_subcommand("scram-verifier")) return print_verifier();
  std::puts("ringfence " RINGFENCE_VERSION);
  return 0;
}

}  // namespace
}  // namespace ringfence::app

int main(int argc, char** argv) { return ringfence::app::CommandLine().run(argc, argv); }

// The command line.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "commands.h"
#include "unknown_word.h"

int main(int argc, char** argv) {
  CLI::App app(
      "Ringfence: people and programs connect through it to PostgreSQL; it knows who they are, records every "
      "statement in a trail that cannot be quietly edited, and costs little more than the wire.",
      "ringfence");
  app.require_subcommand(1);
  app.set_version_flag("--version", RINGFENCE_VERSION);

  std::string config = "/etc/ringfence/ringfence.yaml";
  auto add_config = [&](CLI::App* command) {
    command->add_option("--config,-c", config, "The configuration file")->capture_default_str();
  };

  CLI::App* serve =
      app.add_subcommand("serve", "Run the appliance. SIGTERM drains and stops, SIGHUP reloads.");
  add_config(serve);
  CLI::App* check =
      app.add_subcommand("check", "Check the configuration and print what is in effect, without secrets.");
  add_config(check);
  bool connects = false;
  check->add_flag("--connect", connects,
                  "Also log in to each target's server with each of its credentials, and warn of what these "
                  "may do that their access levels may not");
  CLI::App* explain =
      app.add_subcommand("explain",
                         "Say what the policies of the configuration make of a statement, and why. "
                         "The exit status is 0 when it is allowed and 2 when it is refused.");
  add_config(explain);
  ringfence::app::ExplainOptions question;
  explain->add_option("--user,-u", question.user, "Who runs it: a user of the configuration");
  explain->add_option("--role,-r", question.roles, "In place of a user: a role; may be given several times")
      ->allow_extra_args(false);
  explain->add_option("--target,-t", question.target, "Where: a target of the configuration")->required();
  explain->add_option("--server-version", question.server_version, "The major version of the target's server")
      ->capture_default_str()
      ->check(CLI::Range(8, 99));
  explain->add_flag("--json", question.json, "The same JSON as POST /api/v1/policy/explain gives");
  explain->add_option("statement", question.statement,
                      "The text, of one statement or several; `-` or nothing: standard input");
  app.add_subcommand("version", "Print the version.");
  app.add_subcommand(
      "scram-verifier",
      "Read a password from standard input and print its SCRAM verifier, for users[].verifier.");
  CLI::App* audit = app.add_subcommand("audit", "Work on the audit trail.");
  audit->require_subcommand(1);
  CLI::App* verify = audit->add_subcommand(
      "verify", "Recompute the chain from the rows in the store and name the first bad one.");
  add_config(verify);
  ringfence::app::VerifyOptions options;
  verify->add_option("--store", options.dsn,
                     "Connection string of the store, in place of the configuration's");
  verify->add_option("--node", options.node, "Only this node's chain");
  verify->add_option("--public-key", options.public_keys,
                     "A public key as kept elsewhere, in hexadecimal, in place of the state directory's; may "
                     "be given several times");
  verify->add_option("--anchor-ms", options.anchor_ms,
                     "audit.anchor_ms of the appliance, in place of the configuration's");
  verify->add_flag("--json", options.json, "The report as JSON");
  verify->add_option("--from", options.from, "First chain_no");
  verify->add_option("--to", options.to, "Last chain_no");
  CLI::App* adopt =
      audit->add_subcommand("adopt",
                            "Let this state directory continue the trail of its node, whose former state "
                            "directory is gone for good.");
  add_config(adopt);
  std::string accepted_code;
  adopt->add_option("--accept-store", accepted_code,
                    "Let the next start go on with a store that it refused, exactly as it is: the "
                    "code that the refusal named. The trail says so");
  CLI::App* reveal =
      audit->add_subcommand("reveal",
                            "Print what redaction took out of an event, as it was. Only the owner of the "
                            "state directory may, and that it was asked for is an event of the trail, "
                            "stored before anything is printed.");
  add_config(reveal);
  ringfence::app::RevealOptions revealed;
  reveal->add_option("EVENT_ID", revealed.event, "The event's id")->required();
  reveal->add_option("--reason", revealed.reason, "Why, for the trail")->option_text("TEXT");
  reveal->add_option("--column", revealed.field,
                     "Only this column's text, without a heading: statement, parameters, "
                     "error_message, database, application_name, user_name");
  CLI::App* new_key =
      audit->add_subcommand("new-data-key",
                            "Add a data key to the state directory, with which redacted texts are "
                            "sealed from the next start on. Older keys still open what they sealed.");
  add_config(new_key);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const std::string unknown =
        error.get_exit_code() == 0 ? "" : ringfence::app::unknown_word(app, argc, argv);
    if (unknown.empty()) return app.exit(error);
    std::fprintf(stderr, "error: %s\nRun with --help for more information.\n", unknown.c_str());
    return error.get_exit_code();
  }
  if (serve->parsed()) return ringfence::app::serve(config);
  if (check->parsed()) return ringfence::app::check(config, connects);
  if (explain->parsed()) return ringfence::app::explain(config, question);
  if (verify->parsed()) return ringfence::app::verify(config, options);
  if (adopt->parsed()) return ringfence::app::adopt(config, accepted_code);
  if (reveal->parsed()) return ringfence::app::reveal(config, revealed);
  if (new_key->parsed()) return ringfence::app::add_data_key(config);
  if (app.got_subcommand("scram-verifier")) return ringfence::app::print_verifier();
  std::puts("ringfence " RINGFENCE_VERSION);
  return 0;
}

// The command line.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "commands.h"

int main(int argc, char** argv) {
  CLI::App app("Ringfence: people and programs connect through it to PostgreSQL; it knows who they are, records every "
               "statement in a trail that cannot be quietly edited, and costs little more than the wire.",
               "ringfence");
  app.require_subcommand(1);
  app.set_version_flag("--version", RINGFENCE_VERSION);

  std::string config = "/etc/ringfence/ringfence.yaml";
  auto add_config = [&](CLI::App* command) {
    command->add_option("--config,-c", config, "The configuration file")->capture_default_str();
  };

  CLI::App* serve = app.add_subcommand("serve", "Run the appliance. SIGTERM drains and stops, SIGHUP reloads.");
  add_config(serve);
  CLI::App* check = app.add_subcommand("check", "Check the configuration and print what is in effect, without secrets.");
  add_config(check);
  app.add_subcommand("version", "Print the version.");
  app.add_subcommand("scram-verifier", "Read a password from standard input and print its SCRAM verifier, for users[].verifier.");
  CLI11_PARSE(app, argc, argv);
  if (serve->parsed()) return ringfence::app::serve(config);
  if (check->parsed()) return ringfence::app::check(config);
  if (app.got_subcommand("scram-verifier")) return ringfence::app::print_verifier();
  std::puts("ringfence " RINGFENCE_VERSION);
  return 0;
}

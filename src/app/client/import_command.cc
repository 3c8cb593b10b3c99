// Brings another product's users, targets and policies over. What is there already is left as it is.
#include <memory>
#include <nlohmann/json.hpp>

#include "command_tree.h"
#include "import_plan.h"
#include "import_run.h"
#include "ringfence/base/clock.h"
#include "terminal.h"

namespace ringfence::client {

namespace {

constexpr size_t import_bytes_max = size_t{4} << 20;

struct ImportOptions {
  std::string file;
  std::string level = "read";
  ImportRun run{};
};

struct DbbatOptions {
  std::string url;
  std::string ca_file;
  bool allows_plain_http = false;
  std::string user;
  bool reads_password = false;
  bool reads_key = false;
  bool gives_admin = false;
  std::string environment_file;
  ImportRun run{};
};

Outcome<void> import_file(const CommonOptions& common, const ImportOptions& options) {
  auto text = read_text(options.file, import_bytes_max);
  if (!text) return passed_on(std::move(text).error());
  auto plan = plan_port_authorizing(*text, options.file, options.level);
  crypto::secure_zero(*text);
  if (!plan) return passed_on(std::move(plan).error());
  return carry_out(common, *plan, options.run);
}

// ---------------------------------------------------------------- DBBat

Outcome<Credential> dbbat_credential(const DbbatOptions& options) {
  if (options.user.empty() != options.reads_key)
    return failed(Exit::usage, "who asks there? Give --user with --password-stdin, or --key-stdin");
  Credential out{.user = options.user};
  if (!options.reads_key && !options.reads_password) {
    auto typed = ask_secret("password of " + options.user + " at DBBat", "use --password-stdin");
    if (!typed) return passed_on(std::move(typed).error());
    out.password = std::move(*typed);
    return out;
  }
  auto line = read_input_line(options.reads_key ? "the key" : "the password");
  if (!line) return passed_on(std::move(line).error());
  (options.reads_key ? out.key : out.password) = model::Secret(*line);
  crypto::secure_zero(*line);
  return out;
}

Outcome<Endpoint> dbbat_endpoint(const CommonOptions& common, const DbbatOptions& options) {
  auto url = checked_url(options.url, options.allows_plain_http);
  if (!url) {
    std::string message = std::move(url).error().message;
    // The option of this command has another name.
    if (const size_t at = message.find("--insecure-http"); at != std::string::npos)
      message.replace(at, 15, "--from-insecure-http");
    return failed(Exit::usage, message);
  }
  constexpr std::string_view base = "/api/v1";
  if (url->ends_with(base)) url->erase(url->size() - base.size());
  return Endpoint{.url = std::move(*url),
                  .ca_file = options.ca_file,
                  .allows_plain_http = options.allows_plain_http,
                  .timeout_s = common.connect.timeout_s,
                  .peer = "DBBat",
                  .ca_option = "--from-cacert"};
}

Outcome<void> import_dbbat(const CommonOptions& common, const DbbatOptions& options) {
  ImportPlan settings;
  ImportRun run = options.run;
  if (!options.environment_file.empty()) {
    auto text = read_text(options.environment_file, import_bytes_max);
    if (!text) return passed_on(std::move(text).error());
    TranslatedEnvironment translated = translate_dbbat_environment(*text);
    crypto::secure_zero(*text);
    settings.remarks = std::move(translated.remarks);
    run.yaml = std::move(translated.yaml);
  }
  if (options.url.empty()) {
    if (options.environment_file.empty())
      return failed(Exit::usage, "give --url, the address of DBBat's REST API, or --env FILE, or both");
    print_remarks(common, settings, run.yaml);
    return {};
  }
  auto endpoint = dbbat_endpoint(common, options);
  if (!endpoint) return passed_on(std::move(endpoint).error());
  auto credential = dbbat_credential(options);
  if (!credential) return passed_on(std::move(credential).error());
  auto records = read_dbbat(*endpoint, *credential);
  if (!records) return passed_on(std::move(records).error());
  ImportPlan plan = plan_dbbat(*records, wall_us(), options.gives_admin);
  for (Remark& remark : settings.remarks) plan.remarks.push_back(std::move(remark));
  return carry_out(common, plan, run);
}

void add_port_authorizing(CommandTree& tree, CLI::App& group) {
  auto options = std::make_shared<ImportOptions>();
  CLI::App& command = tree.add(group, "port-authorizing", "Of a port-authorizing configuration file.",
                               [&tree, options] { return import_file(tree.common(), *options); });
  command.add_option("file", options->file, "Its config.yaml; -: standard input")
      ->required()
      ->option_text("FILE");
  command.add_option("--level", options->level, "The level of its policies, which have none there")
      ->capture_default_str()
      ->check(CLI::IsMember({"read", "write", "ddl", "admin"}));
  command.add_flag("--dry-run", options->run.is_dry, "Create nothing; say what would be created");
}

void add_dbbat(CommandTree& tree, CLI::App& group) {
  auto options = std::make_shared<DbbatOptions>();
  CLI::App& command = tree.add(
      group, "dbbat", "Of a running DBBat, by its REST API.",
      [&tree, options] { return import_dbbat(tree.common(), *options); }, "--appliance");
  const auto from = [](CLI::Option* option) { return option->group("Which DBBat"); };
  from(command.add_option("--url", options->url, "The address of its REST API: https://HOST:PORT"));
  from(command
           .add_option("--from-cacert", options->ca_file,
                       "PEM certificates to trust there, in place of the machine's")
           ->option_text("FILE"));
  from(command.add_flag("--from-insecure-http", options->allows_plain_http,
                        "Allow http to another machine: whoever is on the way reads the password"));
  from(command.add_option("--user,-u", options->user, "An administrator there"));
  CLI::Option* password = from(command.add_flag("--password-stdin", options->reads_password,
                                                "Read the password from the first line of standard input"));
  from(command.add_flag("--key-stdin", options->reads_key,
                        "In place of user and password: read an API key from standard input"))
      ->excludes(password);
  command
      .add_option("--env", options->environment_file,
                  "A file with its DBB_* variables: print what they are in our configuration")
      ->option_text("FILE");
  command.add_flag("--admins", options->gives_admin, "Who has the role admin there gets it here");
  command
      .add_option("--passwords", options->run.passwords_file,
                  "A new file that gets random passwords of the users; without it they get none")
      ->option_text("FILE");
  command.add_flag("--dry-run", options->run.is_dry, "Create nothing; say what would be created");
}

}  // namespace

void add_import_command(CommandTree& tree) {
  CLI::App& group = tree.group("import", "Bring users, targets and policies of another product over.");
  add_port_authorizing(tree, group);
  add_dbbat(tree, group);
}

}  // namespace ringfence::client

// Brings another product's users, targets and policies over. What is there already is left as it is.
#include <memory>
#include <nlohmann/json.hpp>

#include "command_tree.h"
#include "import_plan.h"
#include "listing.h"
#include "records.h"
#include "table.h"
#include "terminal.h"

namespace ringfence::client {

using model::Json;

namespace {

constexpr size_t import_bytes_max = size_t{4} << 20;

struct ImportOptions {
  std::string file;
  std::string level = "read";
  bool is_dry = false;
};

// What has become of one record.
struct Fate {
  std::string what;  // "created", "left", "failed", "would create".
  std::string message{};
};

Outcome<bool> is_there(Connection& connection, const PlannedRecord& record, const std::string& name) {
  const std::string plural(record.noun->plural);
  auto found = connection.ask({.path = path_of({plural, name}),
                               .what = "look for " + words_of(*record.noun) + " " + name,
                               .scope = plural + ":read"});
  if (found) return true;
  if (found.error().exit == Exit::not_found) return false;
  return passed_on(std::move(found).error());
}

Outcome<void> create(Connection& connection, const PlannedRecord& record, const Json& body) {
  const std::string plural(record.noun->plural);
  auto made = connection.ask({.method = "POST",
                              .path = path_of({plural}),
                              .what = "create it",
                              .scope = plural + ":write",
                              .body = body.dump(-1, ' ', false, Json::error_handler_t::replace)});
  if (!made) return passed_on(std::move(made).error());
  return {};
}

Fate fate_of(Connection& connection, const PlannedRecord& record, const std::string& name, bool is_dry) {
  if (name.empty()) return {"failed", "has no name"};
  auto there = is_there(connection, record, name);
  if (!there) return {"failed", there.error().message};
  if (*there) return {"left", "exists already"};
  if (is_dry) return {"would create"};
  auto made = create(connection, record, record.body);
  if (made) return {"created"};
  const bool is_weak = record.noun->name == "user" && record.body.contains("password") &&
                       made.error().message.find("\n  password: ") != std::string::npos;
  if (!is_weak) return {"failed", made.error().message};
  Json without = record.body;
  without.erase("password");
  made = create(connection, record, without);
  if (!made) return {"failed", made.error().message};
  return {"created", "without its password, which is too weak: ringfence users password " + name};
}

// The words of a message on one line, for a table.
std::string on_one_line(std::string text) {
  for (size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at))
    text.replace(at, 1, ";");
  return text;
}

Outcome<void> import_file(const CommonOptions& common, const ImportOptions& options) {
  auto text = read_text(options.file, import_bytes_max);
  if (!text) return passed_on(std::move(text).error());
  auto plan = plan_port_authorizing(*text, options.file, options.level);
  crypto::secure_zero(*text);
  if (!plan) return passed_on(std::move(plan).error());
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  Table table({"what", "noun", "name", "line", "remark"});
  Json items = Json::array();
  size_t failures = 0;
  const auto add = [&](const std::string& what, const std::string& noun, const std::string& name, int line,
                       const std::string& message) {
    table.add({what, cell_of(Json(noun)), cell_of(Json(name)), std::to_string(line),
               cell_of(Json(on_one_line(message)))});
    items.push_back({{"what", what}, {"noun", noun}, {"name", name}, {"line", line}, {"remark", message}});
  };
  for (const PlannedRecord& record : plan->records) {
    const std::string name = record.body.value("name", std::string());
    const Fate fate = fate_of(*connection, record, name, options.is_dry);
    failures += fate.what == "failed" ? 1 : 0;
    add(fate.what, words_of(*record.noun), name, record.line, fate.message);
  }
  for (const Remark& remark : plan->remarks) add("remark", "", remark.path, remark.line, remark.message);
  print(common.json ? json_text({{"items", items}}) : table.text());
  if (failures == 0) return {};
  return failed(Exit::refused, std::to_string(failures) + " of " + std::to_string(plan->records.size()) +
                                   " records were not imported; mend what is told and import the file again");
}

}  // namespace

void add_import_command(CommandTree& tree) {
  CLI::App& group = tree.group("import", "Bring users, targets and policies of another product over.");
  auto options = std::make_shared<ImportOptions>();
  CLI::App& command = tree.add(group, "port-authorizing", "Of a port-authorizing configuration file.",
                               [&tree, options] { return import_file(tree.common(), *options); });
  command.add_option("file", options->file, "Its config.yaml; -: standard input")
      ->required()
      ->option_text("FILE");
  command.add_option("--level", options->level, "The level of its policies, which have none there")
      ->capture_default_str()
      ->check(CLI::IsMember({"read", "write", "ddl", "admin"}));
  command.add_flag("--dry-run", options->is_dry, "Create nothing; say what would be created");
}

}  // namespace ringfence::client

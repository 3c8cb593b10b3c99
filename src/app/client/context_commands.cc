// The contexts: which there are, and which one holds.
#include <memory>
#include <nlohmann/json.hpp>

#include "command_tree.h"
#include "listing.h"
#include "table.h"
#include "terminal.h"

namespace ringfence::client {

using model::Json;

namespace {

struct ContextOptions {
  std::string name;
  bool is_json = false;
  bool names_only = false;
  bool is_agreed = false;
};

Failure no_such(const std::string& name) {
  return {Exit::not_found, "there is no context \"" + name + "\"; ringfence context list shows them"};
}

Outcome<Contexts> load() {
  auto file = ContextsFile::of_user();
  if (!file) return passed_on(std::move(file).error());
  return file->load();
}

Json json_of(const std::string& name, const SavedContext& context, bool is_current) {
  const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  return {{"name", name},
          {"current", is_current},
          {"url", context.url},
          {"user", or_null(context.user)},
          {"cacert", or_null(context.ca_file)},
          {"key_id", or_null(context.key_id)},
          {"expires_at", or_null(context.expires_at)}};
}

Outcome<void> list_contexts(const ContextOptions& options) {
  auto contexts = load();
  if (!contexts) return passed_on(std::move(contexts).error());
  Table table({"", "name", "url", "user", "expires_at"});
  Json items = Json::array();
  std::string names;
  for (const auto& [name, context] : contexts->all) {
    const bool is_current = name == contexts->current;
    const Json json = json_of(name, context, is_current);
    table.add({is_current ? "*" : " ", name, cell_of(json["url"]), cell_of(json["user"]),
               cell_of(json["expires_at"])});
    items.push_back(json);
    names += name + "\n";
  }
  if (options.names_only) print(names);
  else if (options.is_json) print(json_text({{"items", items}}));
  else print(table.text());
  return {};
}

Outcome<void> show_context(const ContextOptions& options) {
  auto contexts = load();
  if (!contexts) return passed_on(std::move(contexts).error());
  const std::string name = options.name.empty() ? contexts->current : options.name;
  if (name.empty())
    return failed(Exit::not_found, "no context is the current one; ringfence context use NAME");
  const auto found = contexts->all.find(name);
  if (found == contexts->all.end()) return passed_on(no_such(name));
  const Json json = json_of(name, found->second, name == contexts->current);
  print(options.is_json
            ? json_text(json)
            : record_text(json, {"name", "current", "url", "user", "cacert", "key_id", "expires_at"}));
  return {};
}

Outcome<void> change(const std::string& name, const std::function<void(Contexts&)>& how) {
  auto file = ContextsFile::of_user();
  if (!file) return passed_on(std::move(file).error());
  auto contexts = file->load();
  if (!contexts) return passed_on(std::move(contexts).error());
  if (contexts->all.count(name) == 0) return passed_on(no_such(name));
  return file->update(how);
}

Outcome<void> use_context(const ContextOptions& options) {
  auto done = change(options.name, [&](Contexts& now) { now.current = options.name; });
  if (done) print("the context is " + options.name + "\n");
  return done;
}

Outcome<void> remove_context(const ContextOptions& options) {
  auto agreed = confirm("forget context " + options.name + " without revoking its key", options.is_agreed);
  if (!agreed) return agreed;
  auto done = change(options.name, [&](Contexts& now) {
    now.all.erase(options.name);
    if (now.current == options.name) now.current.clear();
  });
  if (done) print("removed context " + options.name + "\n");
  return done;
}

}  // namespace

void add_context_commands(CommandTree& tree) {
  CLI::App& group = tree.group("context", "Appliances that you have logged in to.");
  auto options = std::make_shared<ContextOptions>();
  CLI::App& list =
      tree.add_local(group, "list", "List the contexts.", [options] { return list_contexts(*options); });
  list.add_flag("--json", options->is_json, "The answer as JSON");
  list.add_flag("--names", options->names_only, "The names alone, one in a line");
  CLI::App& use = tree.add_local(group, "use", "Make a context the current one.",
                                 [options] { return use_context(*options); });
  CLI::App& remove = tree.add_local(group, "remove", "Forget a context; its key is not revoked.",
                                    [options] { return remove_context(*options); });
  remove.add_flag("--yes,-y", options->is_agreed, "Do not ask");
  CLI::App& show = tree.add_local(group, "show", "Show a context, or the current one; never its key.",
                                  [options] { return show_context(*options); });
  show.add_flag("--json", options->is_json, "The answer as JSON");
  for (CLI::App* command : {&use, &remove, &show}) {
    command->add_option("name", options->name, "The context")
        ->option_text("NAME")
        ->required(command != &show);
    tree.complete(*command, {CommandTree::contexts_word});
  }
}

}  // namespace ringfence::client
